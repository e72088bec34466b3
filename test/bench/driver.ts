import mysql2, { type Pool } from 'mysql2/promise';
import type { ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { formatTable } from '../../proxy/cli/table.js';
import { createPool } from '../../driver/promise.js';

interface Client {
  readonly name: string;
  readonly query: (id: number) => Promise<unknown>;
  readonly execute: (id: number) => Promise<unknown>;
  readonly end: () => Promise<void>;
}

const SQL = 'SELECT id, name FROM bench.account WHERE id = ?';
/** Statements under way at once, as many as a pool has connections by default. */
const AT_ONCE = 10;
const ROWS = 1_000;

/** Prints what a statement costs the application's process: with a pool of mysql2, its PoolCluster, and the driver, in turn. */
export async function benchDriver({ rounds, statements }: { rounds: number; statements: number }): Promise<void> {
  const cluster = await startCluster({ fast: true });
  try {
    const { nodes, accounts } = cluster;
    const address = ({ host, port }: ClusterNode): { host: string; port: number } => ({ host, port });
    const root = await mysql2.createConnection({ ...address(nodes[0]), ...accounts.root, multipleStatements: true });
    await root.query('CREATE DATABASE bench; CREATE TABLE bench.account (id INT PRIMARY KEY, name VARCHAR(50))');
    await root.query('INSERT INTO bench.account VALUES ?', [
      Array.from({ length: ROWS }, (_, id) => [id, `name ${id}`]),
    ]);
    await root.end();
    const [, replica = nodes[0], other = nodes[0]] = nodes;
    const bare = mysql2.createPool({ ...address(replica), ...accounts.app });
    const poolCluster = mysql2.createPoolCluster();
    for (const node of [replica, other]) poolCluster.add(`${node.port}`, { ...address(node), ...accounts.app });
    const split = (...of: ClusterNode[]): Pool => createPool({ nodes: of.map(address), ...accounts.app });
    const clients: Client[] = [
      clientOf('a pool of mysql2', bare),
      clientOf('the driver, with one replica', split(nodes[0], replica)),
      { ...clientOf('its PoolCluster, of two servers', poolCluster.of('*')), end: async () => poolCluster.end() },
      clientOf('the driver, with two replicas', split(...nodes)),
      { ...clientOf('a pool of mysql2, again', bare), end: async () => {} },
    ];
    for (const kind of ['query', 'execute'] as const) {
      const costs = await measured(clients, kind, rounds, statements);
      const [first = 1] = costs;
      const rows = clients.map(({ name }, at) => {
        const cost = costs[at] ?? 0;
        return [name, cost.toFixed(2), `${((cost / first - 1) * 100).toFixed(1)} %`];
      });
      process.stdout.write(`${formatTable([kind, 'CPU µs each', 'beside the first'], rows)}\n`);
    }
    for (const { end } of clients) await end();
  } finally {
    await cluster.stop();
  }
}

function clientOf(name: string, pool: Pick<Pool, 'query' | 'execute'> & { end?: () => Promise<void> }): Client {
  return {
    name,
    query: async (id) => pool.query(SQL, [id]),
    execute: async (id) => pool.execute(SQL, [id]),
    end: async () => pool.end?.(),
  };
}

/** @returns the medians, in µs of CPU time */
async function measured(
  clients: readonly Client[],
  kind: 'query' | 'execute',
  rounds: number,
  statements: number,
): Promise<number[]> {
  const costs = clients.map((): number[] => []);
  // One round for the compiler.
  for (let round = -1; round < rounds; round++) {
    for (const [at, client] of clients.entries()) {
      const before = process.cpuUsage();
      await run(client[kind], statements);
      const { user, system } = process.cpuUsage(before);
      if (round >= 0) costs[at]?.push((user + system) / statements);
    }
  }
  return costs.map((each) => each.toSorted((a, b) => a - b)[Math.floor(each.length / 2)] ?? 0);
}

async function run(ask: (id: number) => Promise<unknown>, statements: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < statements) await ask(next++ % ROWS);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
