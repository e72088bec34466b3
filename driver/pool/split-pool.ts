import type { Snapshot } from '../../src/topology/snapshot.js';
import type { Cluster } from '../cluster/cluster.js';
import { noPrimary } from '../errors.js';
import type { CorePool } from '../mysql2/internals.js';
import { PromiseSplitPool } from './promise-split-pool.js';
import { RoutedPool } from './routed-pool.js';
import type { Explanation, PoolStatus } from './status.js';

/** What an application has from `createPool()` with several servers, beside all that mysql2's pool has. */
export class SplitPool extends RoutedPool {
  #primary: RoutedPool | undefined;
  #replica: RoutedPool | undefined;

  constructor(cluster: Cluster) {
    super(cluster, 'both');
  }

  /** A pool of the same connections, whose statements all run on the primary. */
  get primary(): CorePool {
    this.#primary ??= new RoutedPool(this.cluster, 'primary');
    return this.#primary;
  }

  /** The same for replicas, whatever the statement. */
  get replica(): CorePool {
    this.#replica ??= new RoutedPool(this.cluster, 'replica');
    return this.#replica;
  }

  /** What a later read, of any process, has to see to see all that was written here: in the scope where this is called. */
  async token(): Promise<string> {
    const { scopes, snapshot } = this.cluster;
    const { current } = scopes;
    const known = current.freshness.token(snapshot);
    if (known !== undefined) return known.toString();
    const primary = await this.cluster.askPrimary();
    if (primary === undefined) throw noPrimary(snapshot.problem, '');
    return current.freshness.tokenWith(primary).toString();
  }

  /** Runs `work`, in which reads see what is written in it, and what `token` stands for. */
  withToken<T>(token: string | undefined, work: () => T): T {
    return this.cluster.scopes.run(work, token);
  }

  /** Runs `work`, in which reads see what is written in it, and wait for nobody else's writes. */
  scope<T>(work: () => T): T {
    return this.cluster.scopes.run(work);
  }

  async explain(sql: string, values?: unknown): Promise<Explanation> {
    await this.#known();
    const { scopes, snapshot, texts, freshSession } = this.cluster;
    const known = texts.find(sql, values, this.config.connectionConfig.namedPlaceholders, freshSession);
    const { classification } = known;
    const { to, reason } = this.route(known, scopes.current);
    const answersReads = to === 'replica' && snapshot.replicas.length > 0;
    return {
      to: answersReads ? 'replica' : 'primary',
      reason,
      node: answersReads ? classification.node : snapshot.primary?.address.name,
      pins: classification.pins,
      consistency: classification.consistency ?? scopes.current.freshness.level,
    };
  }

  /** Makes another node the primary, without an error for anybody; or leaves everything as it was. @throws where this process may not, or it came to nothing */
  async switchover(to: string): Promise<void> {
    await this.#known();
    await this.cluster.switchOver(to);
  }

  status(): PoolStatus {
    const { snapshot, counts } = this.cluster;
    const pools = new Map(this.cluster.pools());
    return {
      primary: snapshot.primary?.address.name,
      problem: problemOf(snapshot),
      nodes: snapshot.nodes.map(({ address: { name }, role, health, why, lagMs }) => ({
        name,
        role,
        health,
        why,
        lagMs,
        ...(pools.get(name)?.load ?? { connections: 0, free: 0, waiting: 0 }),
      })),
      held: this.cluster.writes.waiting,
      failover: this.cluster.failoverStatus,
      routes: counts.rows,
    };
  }

  override promise(implementation?: PromiseConstructor): PromiseSplitPool {
    return new PromiseSplitPool(this, implementation);
  }

  async #known(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.cluster.whenKnown(resolve);
    });
  }
}

function problemOf({ version, problem }: Snapshot): string | undefined {
  return version === 0 ? 'the servers have not been looked at yet' : problem;
}
