import { createPool, type PromiseSplitPool } from '../../driver/promise.js';
import { Ledger, type LedgerClient } from '../faults/ledger.js';
import { WRITERS, type BenchCluster, type NodeSeen, type Subject } from './failover-site.js';

/** The driver alone, in the application's process, which promotes as well. */
export class DriverSubject implements Subject {
  readonly #pool: PromiseSplitPool;

  constructor(cluster: BenchCluster, nodes: readonly { readonly host: string; readonly port: number }[]) {
    const { accounts } = cluster;
    const rest = 'serverOf' in cluster ? { replication: accounts.root } : { rebuilds: true };
    this.#pool = createPool({
      nodes: nodes.map(({ host, port }) => ({ host, port })),
      ...accounts.app,
      connectTimeout: 2_000,
      connectionLimit: 2 * WRITERS,
      monitor: accounts.monitor,
      coordinator: 'alone',
      failover: { account: accounts.failover, pauseMs: 1, ...rest },
    });
    if (process.env['BENCH_LOG'] !== undefined) {
      this.#pool.on('log', (entry) => process.stderr.write(`${JSON.stringify(entry)}\n`));
    }
  }

  async nodes(): Promise<readonly NodeSeen[]> {
    // It looks at servers when it is used first.
    await this.#pool.query('SELECT 1').catch(() => {});
    return this.#pool.status().nodes.map(({ name, role, health }) => ({ node: name, role, health }));
  }

  async objection(): Promise<string | undefined> {
    const { failover } = this.#pool.status();
    return Promise.resolve(failover === undefined ? 'nobody promotes' : failover.objection);
  }

  async switchOver(to: string): Promise<void> {
    await this.#pool.switchover(to);
  }

  /** Half of the writers as applications write by the pool, half on connections of their own. */
  ledger(schema: string): Ledger {
    return new Ledger(async (writer) => (writer % 2 === 0 ? this.#byPool(schema) : this.#byConnection(schema)));
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  #byPool(schema: string): LedgerClient {
    return {
      query: async (sql, values) => this.#pool.query(sql.replace('ledger', `${schema}.ledger`), values),
      destroy: () => {},
    };
  }

  async #byConnection(schema: string): Promise<LedgerClient> {
    const connection = await this.#pool.getConnection();
    connection.on('error', () => {});
    await connection.query(`USE ${schema}`);
    return connection;
  }
}
