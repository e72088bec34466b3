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
/** Statements of one slice: some milliseconds, so that the two that are compared meet the same machine. */
const SLICE = 500;
/** For the compiler. */
const WARM_UP = 5_000;

/** Prints what a statement costs the application's process: with the driver, and beside that with a pool of mysql2. */
export async function benchDriver({ rounds }: { rounds: number }): Promise<void> {
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
    const first = clientOf('a pool of mysql2', bare);
    const others: Client[] = [
      clientOf('another pool of mysql2', mysql2.createPool({ ...address(replica), ...accounts.app })),
      clientOf('the driver, with one server', createPool({ ...address(replica), ...accounts.app })),
      clientOf('the driver, with a primary alone', split(nodes[0])),
      clientOf('the driver, with one replica', split(nodes[0], replica)),
      clientOf('the driver, with two replicas', split(...nodes)),
      { ...clientOf('PoolCluster, of two servers', poolCluster.of('*')), end: async () => poolCluster.end() },
    ];
    for (const kind of ['query', 'execute'] as const) {
      const rows = [];
      for (const { name, costUs, ratios } of await measured(first, others, kind, rounds)) {
        const { median, low, high } = middle(ratios);
        rows.push([name, costUs.toFixed(2), percent(median), `${percent(low)} to ${percent(high)}`]);
      }
      const header = [kind, 'CPU µs each', `beside ${first.name}`, '19 times of 20'];
      process.stdout.write(`${formatTable(header, rows)}\n`);
    }
    for (const { end } of [first, ...others]) await end();
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

interface Measured {
  readonly name: string;
  readonly costUs: number;
  /** Of what it costs to what the first costs at the same time. */
  readonly ratios: readonly number[];
}

/**
 * Measures each beside the first, in short slices: first, it, it, first. What else the machine does then slows both down, and what
 * changes from slice to slice is in both; the ratio stays.
 */
async function measured(
  first: Client,
  others: readonly Client[],
  kind: 'query' | 'execute',
  rounds: number,
): Promise<Measured[]> {
  const found = others.map(({ name }) => ({ name, costs: new Array<number>(), ratios: new Array<number>() }));
  for (const client of [first, ...others]) await run(client[kind], WARM_UP);
  for (let round = 0; round < rounds; round++) {
    for (const [at, other] of others.entries()) {
      const costs = [];
      for (const client of [first, other, other, first]) costs.push(await costOf(client, kind));
      const [a = 0, b = 0, c = 0, d = 0] = costs;
      found[at]?.costs.push((b + c) / 2);
      found[at]?.ratios.push((b + c) / (a + d));
    }
  }
  return found.map(({ name, costs, ratios }) => ({ name, costUs: middle(costs).median, ratios }));
}

/** @returns µs of CPU time for each statement */
async function costOf(client: Client, kind: 'query' | 'execute'): Promise<number> {
  const before = process.cpuUsage();
  await run(client[kind], SLICE);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / SLICE;
}

/** The median, and between what the true one lies, with a chance of 95 %. */
function middle(values: readonly number[]): { median: number; low: number; high: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[Math.min(Math.max(Math.round(index), 0), sorted.length - 1)] ?? 0;
  const half = (sorted.length - 1) / 2;
  const spread = 0.98 * Math.sqrt(sorted.length);
  return { median: at(half), low: at(half - spread), high: at(half + spread) };
}

function percent(ratio: number): string {
  const change = (ratio - 1) * 100;
  return `${change < 0 ? '−' : '+'}${Math.abs(change).toFixed(1)} %`;
}

async function run(ask: (id: number) => Promise<unknown>, statements: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < statements) await ask(next++ % ROWS);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
