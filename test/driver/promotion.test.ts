import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { listens } from '../../docker/cluster/listens.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { createPool, type PromiseSplitPool } from '../../driver/promise.js';
import { clusterInfo } from '../cluster.js';
import { Ledger, type LedgerClient } from '../faults/ledger.js';
import { prepareFault, type Fault } from '../faults/primary-faults.js';
import { openRelay, type OpenRelay } from '../open-relay.js';
import { eventually } from '../proxy.js';

const WRITERS = 8;

let cluster: Cluster;
let ways: readonly OpenRelay[] = [];
let pool: PromiseSplitPool;
/** Another process of the application, which follows. */
let follower: PromiseSplitPool;
const moves: unknown[] = [];
const open: Connection[] = [];

beforeAll(async () => {
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  const { app, monitor, failover } = cluster.accounts;
  ways = await Promise.all(cluster.nodes.map(async (node) => openRelay(node)));
  const nodes = ways.map(({ host, port }) => ({ host, port }));
  const options = { nodes, ...app, monitor, connectTimeout: 2_000, connectionLimit: 2 * WRITERS };
  pool = createPool({ ...options, coordinator: 'alone', failover: { account: failover, pauseMs: 0, rebuilds: true } });
  follower = createPool(options);
  pool.on('failover', (move) => moves.push(move));
  await Promise.all([pool.query('CREATE DATABASE faults'), follower.query('SELECT 1')]);
  await pool.query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
});
afterAll(async () => {
  await Promise.all([pool, follower].map(async (it) => it?.end().catch(() => {})));
  for (const connection of open) connection.destroy();
  for (const way of ways) way.close();
  await cluster?.stop();
});

async function direct({ host, port }: ClusterNode): Promise<Connection> {
  const connection = await createConnection({ host, port, ...cluster.accounts.root, database: 'faults' });
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

function primaryIndex(of: PromiseSplitPool): number {
  const { primary } = of.status();
  return ways.findIndex(({ host, port }) => `${host}:${port}` === primary);
}

function primary(): ClusterNode {
  return cluster.nodes[primaryIndex(pool)] ?? cluster.nodes[0];
}

/** By turns writers of the pool, of connections of their own, and of a process that follows. */
function writers(): Ledger {
  return new Ledger(async (writer) => {
    if (writer % 4 === 3) return byPool(follower);
    return writer % 2 === 0 ? byPool(pool) : byConnection();
  });
}

function byPool(through: PromiseSplitPool): LedgerClient {
  return {
    query: async (sql, values) => through.query(sql.replace('ledger', 'faults.ledger'), values),
    destroy: () => {},
  };
}

async function byConnection(): Promise<LedgerClient> {
  const connection = await pool.getConnection();
  connection.on('error', () => {});
  await connection.query('USE faults');
  return connection;
}

/** Starts what is down: an old primary with transactions of its own gets its data anew, for which its server ends once more. */
async function allBack(): Promise<void> {
  await waitUntil('all nodes serving', 60_000, async () => {
    for (const node of cluster.nodes) if (!(await listens(node.port))) await node.restart();
    const { nodes, failover } = pool.status();
    const areUp = nodes.every(({ role, health }) => role !== 'unknown' && health === 'up');
    const isReady = areUp && failover?.objection === undefined && primaryIndex(follower) === primaryIndex(pool);
    return isReady || undefined;
  });
}

async function underWriters(then: (ledger: Ledger) => Promise<void>): Promise<Ledger> {
  await allBack();
  const ledger = writers();
  ledger.start(WRITERS);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  await then(ledger);
  const fromMs = ledger.nowMs;
  await eventually(() => {
    const back = ledger.entries.filter((it) => it.fate === 'acknowledged' && it.sentMs >= fromMs);
    expect(new Set(back.map(({ writer }) => writer)).size).toBe(WRITERS);
  });
  await ledger.stop();
  const server = await direct(primary());
  expect(await ledger.lostOn(server)).toEqual([]);
  expect(await ledger.unexpectedOn(server)).toEqual([]);
  return ledger;
}

// The first one: whoever was promoted is followed at the addresses that the application has.
test('a primary that only the application cannot reach stays the primary', async () => {
  await allBack();
  const before = primaryIndex(pool);
  const told = moves.length;
  await underWriters(async (ledger) => {
    ways[before]?.cut();
    await eventually(() => expect(pool.status().nodes[before]?.health).toBe('down'));
    expect(ledger.acknowledgedSince(ledger.nowMs)).toBe(0);
    ways[before]?.mend();
    await eventually(() => expect(primaryIndex(pool)).toBe(before));
  });
  expect(moves).toHaveLength(told);
}, 120_000);

test.each(['killed', 'frozen', 'cut', 'lagging'] satisfies Fault[])(
  'a primary that is %s is replaced by the driver alone: nothing that was acknowledged is lost',
  async (fault) => {
    await allBack();
    const before = primaryIndex(pool);
    const prepared = await prepareFault(fault, { cluster, primary: primary(), table: 'faults.ledger' });
    const ledger = await underWriters(async () => {
      await prepared.strike(() => {});
      await eventually(() => expect(primaryIndex(pool)).not.toBe(before));
    });
    await prepared.undo();
    // Whoever had a statement under way cannot be told what became of it; nobody else sees an error.
    expect(ledger.entries.filter(({ fate, error }) => fate !== 'acknowledged' && !error.endsWith('(unknown)'))).toEqual(
      [],
    );
    await eventually(() => expect(primaryIndex(follower)).toBe(primaryIndex(pool)));
  },
  120_000,
);

test('a planned switchover under load is not noticed by any statement', async () => {
  await allBack();
  const { host, port } = ways[(primaryIndex(pool) + 1) % ways.length] ?? {};
  const ledger = await underWriters(async () => pool.switchover(`${host}:${port}`));
  expect(ledger.entries.filter(({ fate }) => fate !== 'acknowledged')).toEqual([]);
  expect(moves.at(-1)).toMatchObject({ to: `${host}:${port}` });
}, 120_000);
