import { isNamedOtherwise, withServersAddresses } from '../../failover/source-address.js';
import type { NodeState, Preference } from '../../failover/view.js';
import type { Snapshot } from '../../topology/snapshot.js';
import type { PromoterLogin } from '../monitor-login.js';
import { HaNode } from './ha-node.js';
import type { HaIdentity } from './ha-session.js';
import type { JournalEntry } from './node-look.js';

/** All nodes of the cluster, each of which is looked at again and again. */
export class WatchedNodes implements Iterable<HaNode> {
  readonly #nodes = new Map<string, HaNode>();
  readonly #preferences: ReadonlyMap<string, Preference>;
  readonly #login: PromoterLogin;
  readonly #nowMs: () => number;
  readonly #looked: (node: HaNode) => void;
  readonly #identity: () => HaIdentity;
  /** It was seen that servers reach each other by other addresses than ours: a dead primary's replicas do not tell any more. */
  #namedOtherwise = false;

  /** @param identity as whom nodes are changed */
  constructor(
    preferences: ReadonlyMap<string, Preference>,
    login: PromoterLogin,
    nowMs: () => number,
    looked: (node: HaNode) => void,
    identity: () => HaIdentity,
  ) {
    this.#preferences = preferences;
    this.#login = login;
    this.#nowMs = nowMs;
    this.#looked = (node) => {
      this.#namedOtherwise ||= isNamedOtherwise(this.#answered);
      looked(node);
    };
    this.#identity = identity;
  }

  [Symbol.iterator](): Iterator<HaNode> {
    return this.#nodes.values();
  }

  get(name: string): HaNode | undefined {
    return this.#nodes.get(name);
  }

  /** Some have come, and some are gone. */
  follow({ nodes }: Snapshot): void {
    for (const { address } of nodes) {
      if (this.#nodes.has(address.name)) continue;
      const preference = this.#preferences.get(address.name) ?? 'neutral';
      const node = new HaNode(address, preference, this.#login, this.#nowMs, this.#looked, this.#identity);
      this.#nodes.set(address.name, node);
      node.schedule(0);
    }
    for (const [name, node] of this.#nodes) {
      if (nodes.some(({ address }) => address.name === name)) continue;
      node.stop();
      this.#nodes.delete(name);
    }
  }

  /** Of those that have ever answered. */
  get states(): readonly NodeState[] {
    return withServersAddresses(this.#answered, this.#namedOtherwise);
  }

  get #answered(): readonly NodeState[] {
    return [...this].flatMap(({ state }) => state ?? []);
  }

  stateOf(serverUuid: string | undefined): NodeState | undefined {
    return this.states.find((it) => it.serverUuid === serverUuid);
  }

  /** The last change of the primary that any of them knows of. */
  get lastChange(): JournalEntry | undefined {
    const entries = [...this].flatMap(({ journal }) => journal);
    return entries.toSorted((a, b) => b.epoch - a.epoch || b.change - a.change)[0];
  }

  /** By the servers' journals; undefined where they name nobody who is there, or somebody has moved it since. */
  get recordedPrimary(): NodeState | undefined {
    const last = this.lastChange;
    const recorded = this.stateOf(last?.serverUuid);
    if (last === undefined || recorded?.readOnly === false) return recorded;
    // One that takes writes, and has that row, came after it. One without it is a primary of long ago.
    const knows = ({ journal: [row] }: HaNode): boolean => row?.epoch === last.epoch && row.change === last.change;
    const isMoved = [...this].some((it) => it.state?.readOnly === false && knows(it));
    return isMoved ? undefined : recorded;
  }

  /** Resolves when each was looked at. */
  async lookNow(): Promise<void> {
    await Promise.all([...this].map(async (node) => node.lookNow()));
  }

  hurry(): void {
    for (const node of this) node.hurry();
  }

  /** Before they are needed: there is no time for it then. Whose node does not answer is dialled when it does. */
  openSessions(timeoutMs: number): void {
    for (const { tasks } of this) tasks.open(timeoutMs).catch(() => {});
  }

  stop(): void {
    for (const node of this) node.stop();
  }
}
