import { Adaptive } from './balance/adaptive.js';
import { LeastOutstanding } from './balance/least-outstanding.js';
import { NodeLoads } from './balance/node-loads.js';
import type { BalancePolicy, BalancePolicyName } from './balance/policy.js';
import { RoundRobin } from './balance/round-robin.js';
import { Weighted } from './balance/weighted.js';
import type { Node, Snapshot } from './snapshot.js';

export interface BalanceSettings {
  readonly policy: BalancePolicyName;
  /** Which part of the reads the primary gets, from 0 to 1, while there are replicas. */
  readonly primaryShare: number;
  /** Nodes of this zone come first, as long as there is one that can be used. */
  readonly zone: string | undefined;
}

/** What a read asks for. */
export interface ReadWish {
  /** Names of nodes that have failed it. */
  readonly failed: ReadonlySet<string>;
  /** Replicas that are later are none for it; undefined for no bound but that of all. */
  readonly maxLagMs: number | undefined;
}

/** Says which replica a read goes to. */
export class ReadBalance {
  /** What runs on each node; undefined where the policy does not look at it: then nobody has to count. */
  readonly loads: NodeLoads | undefined;
  readonly #policy: BalancePolicy;
  readonly #settings: BalanceSettings;
  #primaryTurn = 0;
  /** Of the replicas that were asked for last: nearly always the same as before. */
  #local: { readonly of: readonly Node[]; readonly nodes: readonly Node[] } = { of: [], nodes: [] };

  /** @param nowMs a clock that only goes forward */
  constructor(settings: BalanceSettings, nowMs: () => number) {
    this.#settings = settings;
    const usesLoads = settings.policy === 'least-outstanding' || settings.policy === 'adaptive';
    const loads = new NodeLoads(nowMs);
    this.loads = usesLoads ? loads : undefined;
    this.#policy = policyOf(settings.policy, loads);
  }

  /** @returns undefined when the primary is to answer */
  next({ primary, replicas }: Snapshot, { failed, maxLagMs }: ReadWish): Node | undefined {
    if (replicas.length === 0 || this.#isTurnOf(primary, failed)) return undefined;
    let nodes = this.#nearest(replicas);
    if (failed.size > 0 || maxLagMs !== undefined) {
      const fits = ({ address, lagMs }: Node): boolean =>
        !failed.has(address.name) && (maxLagMs === undefined || lagMs <= maxLagMs);
      nodes = nodes.filter(fits);
      // Better far away than not at all.
      if (nodes.length === 0) nodes = replicas.filter(fits);
    }
    return nodes.length === 0 ? undefined : this.#policy.choose(nodes);
  }

  #isTurnOf(primary: Node | undefined, failed: ReadonlySet<string>): boolean {
    const { primaryShare } = this.#settings;
    if (primaryShare === 0 || primary === undefined || failed.has(primary.address.name)) return false;
    this.#primaryTurn += primaryShare;
    if (this.#primaryTurn < 1) return false;
    this.#primaryTurn -= 1;
    return true;
  }

  #nearest(replicas: readonly Node[]): readonly Node[] {
    const { zone } = this.#settings;
    if (zone === undefined) return replicas;
    if (this.#local.of !== replicas) {
      const near = replicas.filter(({ address }) => address.zone === zone);
      this.#local = { of: replicas, nodes: near.length > 0 ? near : replicas };
    }
    return this.#local.nodes;
  }
}

function policyOf(name: BalancePolicyName, loads: NodeLoads): BalancePolicy {
  switch (name) {
    case 'round-robin':
      return new RoundRobin();
    case 'weighted':
      return new Weighted();
    case 'least-outstanding':
      return new LeastOutstanding(loads);
    case 'adaptive':
      return new Adaptive(loads);
  }
}
