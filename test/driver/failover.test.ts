import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool, type PromiseSplitPool, type SplitError } from '../../driver/promise.js';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { followSource } from '../../docker/cluster/replication.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { eventually } from '../proxy.js';
import { ranOn, value, type Row } from './driver.js';

let cluster: Cluster;
let roots: Connection[];
let pool: PromiseSplitPool;
/** Its statements wait for a primary only shortly. */
let hasty: PromiseSplitPool;
/** It has no connection to any server before there is no primary. */
let fresh: PromiseSplitPool;

beforeAll(async () => {
  cluster = await startCluster({ fast: true });
  roots = await Promise.all(
    cluster.nodes.map(async ({ host, port }) => createConnection({ host, port, ...cluster.accounts.root })),
  );
  for (const root of roots) root.on('error', () => {});
  await at(0).query('CREATE DATABASE moves');
  await at(0).query('CREATE TABLE moves.t (id INT PRIMARY KEY)');
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  pool = createPool({ nodes, ...cluster.accounts.app, database: 'moves', connectTimeout: 2_000 });
  hasty = createPool({ nodes, ...cluster.accounts.app, database: 'moves', hold: { timeout: 100 } });
  fresh = createPool({ nodes, ...cluster.accounts.app, database: 'moves' });
  await eventually(async () => expect(await value(pool, 'SELECT COUNT(*) FROM t')).toBe(0));
});
afterAll(async () => {
  await pool?.end().catch(() => {});
  await hasty?.end().catch(() => {});
  await fresh?.end().catch(() => {});
  for (const root of roots ?? []) root.destroy();
  await cluster?.stop();
});

function at(index: number): Connection {
  const root = roots[index];
  if (root === undefined) throw new Error(`no node ${index}`);
  return root;
}

/** A replica is made the primary, as an operator does it; the others follow it. */
async function promote(index: number, others: readonly number[]): Promise<void> {
  const root = at(index);
  await root.query('STOP REPLICA');
  await root.query('RESET REPLICA ALL');
  await root.query('SET GLOBAL super_read_only = OFF');
  await root.query('SET GLOBAL read_only = OFF');
  for (const other of others) {
    await at(other).query('STOP REPLICA');
    await at(other).query('RESET REPLICA ALL');
    await followSource(at(other), cluster.nodes[index]?.port ?? 0, cluster.accounts.root);
  }
}

/** Writes without end. What is acknowledged is remembered, and what is said of the rest. */
class Writer {
  readonly acknowledged: number[] = [];
  readonly errors: SplitError[] = [];
  readonly #from: number;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(from: number, write: (id: number) => Promise<unknown>) {
    this.#from = from;
    this.#running = this.#run(write);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(write: (id: number) => Promise<unknown>): Promise<void> {
    for (let id = this.#from; !this.#stopped; id++) {
      try {
        await write(id);
        this.acknowledged.push(id);
      } catch (error) {
        if (error instanceof Error) this.errors.push(error);
      }
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }
}

async function untilWritten(writer: Writer): Promise<void> {
  const before = writer.acknowledged.length;
  await eventually(() => expect(writer.acknowledged.length).toBeGreaterThan(before + 20));
}

async function presentIds(): Promise<Set<number>> {
  const [rows] = await pool.primary.query<Row[]>('SELECT id FROM t');
  return new Set(rows.map(({ id }) => Number(id)));
}

test('writes follow a planned change of roles, and no application sees an error of it', async () => {
  const moves: unknown[] = [];
  pool.on('failover', (move) => moves.push(move));
  const session = await pool.getConnection();
  const writers = [
    new Writer(1_000_000, async (id) => pool.execute('INSERT INTO t VALUES (?)', [id])),
    new Writer(2_000_000, async (id) => pool.query('INSERT INTO t VALUES (?)', [id])),
    // As ORMs do it: a connection for each statement.
    new Writer(3_000_000, async (id) => {
      const connection = await pool.getConnection();
      try {
        await connection.query('INSERT INTO t VALUES (?)', [id]);
      } finally {
        connection.release();
      }
    }),
    // One connection for all.
    new Writer(4_000_000, async (id) => session.query('INSERT INTO t VALUES (?)', [id])),
  ];
  for (const writer of writers) await untilWritten(writer);
  await at(0).query('SET GLOBAL super_read_only = ON');
  const [[executed]] = await at(0).query<Row[]>('SELECT @@GLOBAL.gtid_executed AS gtids');
  await at(1).query('SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 20)', [Object.values(executed ?? {})[0]]);
  await promote(1, [0, 2]);
  for (const writer of writers) await untilWritten(writer);
  for (const writer of writers) await writer.stop();
  session.release();
  const present = await presentIds();
  for (const { acknowledged, errors } of writers) {
    expect(acknowledged.filter((id) => !present.has(id))).toEqual([]);
    expect(errors).toEqual([]);
  }
  const acknowledged = new Set(writers.flatMap((writer) => writer.acknowledged));
  expect([...present].filter((id) => !acknowledged.has(id))).toEqual([]);
  const [from, to] = cluster.nodes.map(({ host, port }) => `${host}:${port}`);
  expect(moves).toEqual([{ from, to }]);
  await eventually(async () => {
    const reads = new Set<number>();
    for (let i = 0; i < 6; i++) reads.add(await ranOn(pool));
    expect(reads).toEqual(new Set([1, 3]));
  });
});

test('while there is no primary, reads go on and writes wait: they run on the next one', async () => {
  const transaction = await pool.getConnection();
  await transaction.query("SET time_zone = '+01:00'");
  await transaction.beginTransaction();
  await transaction.query('INSERT INTO t VALUES (1)');
  const locker = await pool.getConnection();
  await locker.query("SELECT GET_LOCK('moves', 1)");
  const idle = await pool.getConnection();
  await idle.query('CREATE DATABASE IF NOT EXISTS elsewhere');
  await idle.query('USE elsewhere');
  const prepared = await idle.prepare('INSERT INTO moves.t VALUES (?)');
  // Who has read there what was written has replicas that have it.
  await eventually(async () => expect([1, 3]).toContain(await ranOn(pool)));
  await cluster.nodes[1]?.kill();
  for (let i = 0; i < 20; i++) expect([1, 3]).toContain(await ranOn(pool));
  await expect(transaction.query('INSERT INTO t VALUES (2)')).rejects.toMatchObject({
    errno: 1213,
    code: 'ER_LOCK_DEADLOCK',
    sqlState: '40001',
    outcome: 'not-executed',
  });
  await eventually(() => expect(pool.status().primary).toBeUndefined());
  await expect(locker.query('SELECT 1')).rejects.toMatchObject({ code: 'RWSPLIT_SESSION_LOST' });
  await expect(hasty.query('INSERT INTO t VALUES (3)')).rejects.toMatchObject({
    code: 'RWSPLIT_NO_PRIMARY',
    outcome: 'not-executed',
    route: { to: 'primary', reason: 'write' },
  });
  // None of them may run without the one before it.
  const together = await hasty.getConnection();
  const refused = await Promise.allSettled([
    together.beginTransaction(),
    together.query('INSERT INTO t VALUES (4)'),
    together.execute('INSERT INTO t VALUES (?)', [5]),
    together.commit(),
  ]);
  for (const it of refused) {
    expect(it).toMatchObject({ reason: { code: 'RWSPLIT_NO_PRIMARY', outcome: 'not-executed' } });
  }
  together.release();
  const reader = await pool.getConnection();
  await reader.query("SET time_zone = '+02:00'");
  expect(await value(reader, 'SELECT @@time_zone')).toBe('+02:00');
  expect([1, 3]).toContain(await ranOn(reader));
  const late = await fresh.getConnection();
  await late.query("SET time_zone = '+03:00'");
  const later = [
    late.query('INSERT INTO t VALUES (17)'),
    pool.query('INSERT INTO t VALUES (10)'),
    pool.execute('INSERT INTO t VALUES (?)', [11]),
    transaction.query('INSERT INTO t VALUES (12)'),
    idle.query('INSERT INTO moves.t VALUES (13)'),
    prepared.execute([18]),
    reader.query('INSERT INTO t VALUES (14)'),
    reader.query('INSERT INTO t VALUES (15)'),
    locker.query('INSERT INTO t VALUES (16)'),
  ];
  await eventually(() => expect(pool.status().held).toBeGreaterThan(4));
  const writer = new Writer(5_000_000, async (id) => pool.execute('INSERT INTO t VALUES (?)', [id]));
  await promote(2, [0]);
  await Promise.all(later);
  await untilWritten(writer);
  await writer.stop();
  expect(await value(transaction, 'SELECT @@time_zone FOR UPDATE')).toBe('+01:00');
  expect(await value(reader, 'SELECT @@time_zone FOR UPDATE')).toBe('+02:00');
  expect(await value(idle, 'SELECT DATABASE() FOR UPDATE')).toBe('elsewhere');
  await transaction.ping();
  await prepared.close();
  await transaction.rollback();
  for (const session of [transaction, locker, idle, reader, late]) session.release();
  const present = await presentIds();
  expect(writer.errors).toEqual([]);
  expect(writer.acknowledged.filter((id) => !present.has(id))).toEqual([]);
  expect([1, 2, 3, 4, 5].filter((id) => present.has(id))).toEqual([]);
  expect([10, 11, 12, 13, 14, 15, 16, 17, 18].filter((id) => !present.has(id))).toEqual([]);
});

test('a replica that goes away takes no read with it', async () => {
  await eventually(() => expect(pool.status().nodes.filter(({ health }) => health === 'up')).toHaveLength(2));
  const failures: unknown[] = [];
  const running = Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 30; i++) {
      await pool.query('SELECT SLEEP(0.005)').catch((error: unknown) => failures.push(error));
    }
  });
  await cluster.nodes[0]?.kill();
  await Promise.all(running);
  expect(failures).toEqual([]);
});
