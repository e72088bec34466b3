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

/** Prints what a statement costs the application's process: with the driver, and beside that with what mysql2 has for the same servers. */
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
    const [primary, replica = primary, other = primary] = nodes;
    const bare = (of: ClusterNode): Pool => mysql2.createPool({ ...address(of), ...accounts.app });
    const split = (...of: ClusterNode[]): Pool => createPool({ nodes: of.map(address), ...accounts.app });
    const pairs: Pair[] = [
      [clientOf('a pool of mysql2', bare(replica)), clientOf('another one', bare(replica))],
      [
        clientOf('a pool of mysql2', bare(replica)),
        clientOf('the driver, one server', createPool({ ...address(replica), ...accounts.app })),
      ],
      [clientOf('a pool of mysql2', bare(primary)), clientOf('the driver, a primary alone', split(primary))],
      [clientOf('a pool of mysql2', bare(replica)), clientOf('the driver, one replica', split(primary, replica))],
      [inTurn([bare(replica), bare(other)]), clientOf('the driver, two replicas', split(...nodes))],
      [clusterOf([replica, other], accounts.app), clientOf('the driver, two replicas', split(...nodes))],
    ];
    for (const kind of ['query', 'execute'] as const) {
      const rows = [];
      for (const { names, costUs, ratios } of await measured(pairs, kind, rounds)) {
        const { median, low, high } = middle(ratios);
        rows.push([
          ...names,
          ...costUs.map((it) => it.toFixed(2)),
          percent(median),
          `${percent(low)} to ${percent(high)}`,
        ]);
      }
      const header = ['', `${kind} with`, 'CPU µs', 'CPU µs', 'more', '19 times of 20'];
      process.stdout.write(`${formatTable(header, rows)}\n`);
    }
    for (const { end } of pairs.flat()) await end();
  } finally {
    await cluster.stop();
  }
}

/** Two that ask the same servers. */
type Pair = readonly [bare: Client, driver: Client];

/** As who has two replicas and mysql2 spreads reads by hand. */
function inTurn(pools: readonly [Pool, Pool]): Client {
  let turn = 0;
  const next = (): Pool => pools[turn++ % 2 === 0 ? 0 : 1];
  return {
    name: 'two pools of mysql2, in turn',
    query: async (id) => next().query(SQL, [id]),
    execute: async (id) => next().execute(SQL, [id]),
    end: async () => {
      for (const pool of pools) await pool.end();
    },
  };
}

function clusterOf(nodes: readonly ClusterNode[], login: { readonly user: string; readonly password: string }): Client {
  const cluster = mysql2.createPoolCluster();
  for (const { host, port } of nodes) cluster.add(`${port}`, { host, port, ...login });
  return { ...clientOf('PoolCluster of mysql2', cluster.of('*')), end: async () => cluster.end() };
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
  readonly names: readonly string[];
  readonly costUs: readonly number[];
  /** Of what the driver's costs to what the bare one's cost at the same time. */
  readonly ratios: readonly number[];
}

/** In which order the bare one and the driver are measured: each comes as often first, last, and after itself. */
const TURNS = [0, 1, 1, 0, 1, 0, 0, 1] as const;

/**
 * Measures pairs in short slices, by turns. Both ask the same servers, as often, and what else the machine does slows down both: what changes
 * from slice to slice is in both, and the ratio stays.
 */
async function measured(pairs: readonly Pair[], kind: 'query' | 'execute', rounds: number): Promise<Measured[]> {
  const found = pairs.map((pair) => ({ pair, costs: [new Array<number>(), new Array<number>()] as const }));
  for (const client of pairs.flat()) await run(client[kind], WARM_UP);
  for (let round = 0; round < rounds; round++) {
    for (const { pair, costs } of found) {
      const sums: [number, number] = [0, 0];
      for (const turn of TURNS) sums[turn] += await costOf(pair[turn], kind);
      for (const turn of [0, 1] as const) costs[turn].push((sums[turn] * 2) / TURNS.length);
    }
  }
  return found.map(({ pair, costs: [bare, driver] }) => ({
    names: pair.map(({ name }) => name),
    costUs: [middle(bare).median, middle(driver).median],
    ratios: driver.map((cost, at) => cost / (bare[at] ?? cost)),
  }));
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
