import type { Connection } from 'mysql2';
import type { PoolConnection } from 'mysql2/promise';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { SplitError } from '../../driver/promise.js';
import { seenAs } from '../../driver/mysql2/seen-as.js';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { eventually } from '../proxy.js';
import { openPool, value, type Row } from './driver.js';

const SCHEMA = 'driver_lost';
const SLOW = 'INSERT INTO t (v) SELECT SLEEP(30) FROM DUAL';
let connection: PoolConnection;

beforeAll(async () => {
  await freshSchema(SCHEMA);
  await openPool({ database: SCHEMA }).query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
  await untilReplicated();
});
beforeEach(async () => {
  const pool = openPool({ database: SCHEMA });
  await pool.query('DELETE FROM t');
  connection = await pool.getConnection();
  await connection.ping();
});

/** @param sql what it has to be running; whatever it does where absent */
async function kill({ threadId }: PoolConnection, sql?: string): Promise<void> {
  const root = await connectDirect(0, clusterInfo().accounts.root);
  try {
    const find = 'SELECT INFO AS info FROM performance_schema.processlist WHERE ID = ?';
    await eventually(async () => {
      const [[row]] = await root.query<Row[]>(find, [threadId]);
      if (sql !== undefined) expect(row?.['info']).toBe(sql);
    });
    await root.query('KILL ?', [threadId]);
    await eventually(async () => expect((await root.query<Row[]>(find, [threadId]))[0]).toHaveLength(0));
  } finally {
    root.destroy();
  }
}

async function outcomesOf(running: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(running);
  return settled.map((it) => (it.status === 'fulfilled' ? 'executed' : seenAs<SplitError>(it.reason).outcome));
}

async function written(): Promise<number[]> {
  const [rows] = await connection.query<Row[]>('SELECT v FROM t ORDER BY id FOR UPDATE');
  return rows.map(({ v }) => Number(v));
}

test('what waits behind a lost statement has been sent to nobody: it goes on, in its order', async () => {
  const running = outcomesOf([
    connection.query(SLOW),
    connection.execute('INSERT INTO t (v) VALUES (?)', [1]),
    connection.query('INSERT INTO t (v) VALUES (2)'),
    connection.query('SELECT COUNT(*) AS n FROM t'),
    connection.ping(),
  ]);
  const streamed = seenAs<Connection>(connection.connection).query('INSERT INTO t (v) VALUES (3)');
  const ended = new Promise((resolve) => {
    streamed.once('end', resolve);
  });
  await kill(connection, SLOW);
  expect(await running).toEqual(['unknown', 'executed', 'executed', 'executed', 'executed']);
  await ended;
  expect(await written()).toEqual([1, 2, 3]);
});

test('of a transaction that is lost nothing goes on, its COMMIT neither', async () => {
  await connection.beginTransaction();
  await connection.query('INSERT INTO t (v) VALUES (1)');
  const running = [connection.query(SLOW), connection.query('INSERT INTO t (v) VALUES (2)'), connection.commit()];
  await Promise.all([kill(connection, SLOW), ...running.map(async (it) => it.catch(() => {}))]);
  for (const statement of running) {
    await expect(statement).rejects.toMatchObject({ errno: 1213, outcome: 'not-executed' });
  }
  expect(await written()).toEqual([]);
});

test('what was to build on a lost statement is not executed', async () => {
  await connection.query('CREATE DATABASE IF NOT EXISTS driver_lost_other');
  const slow = 'SET @a = SLEEP(30)';
  const running = outcomesOf([
    connection.query(slow),
    connection.query('INSERT INTO t (v) VALUES (@a)'),
    connection.query('USE driver_lost_other'),
  ]);
  await kill(connection, slow);
  expect(await running).toEqual(['unknown', 'not-executed', 'not-executed']);
  expect(await written()).toEqual([]);
});

test('a session whose idle connection is lost answers a ping, is reset, and has its user', async () => {
  await connection.query("SET time_zone = '+04:00'");
  await kill(connection);
  await connection.ping();
  expect(await value(connection, 'SELECT @@time_zone FOR UPDATE')).toBe('+04:00');
  expect(await value(connection, 'SELECT DATABASE() FOR UPDATE')).toBe(SCHEMA);
});

test('a reset of a lost connection ends what went with it', async () => {
  await connection.beginTransaction();
  await connection.query('INSERT INTO t (v) VALUES (1)');
  await kill(connection);
  await expect(connection.ping()).rejects.toMatchObject({ code: 'PROTOCOL_CONNECTION_LOST' });
  await connection.reset();
  expect(await written()).toEqual([]);
});

test('another user is told that its session is lost, and never goes on as the pool’s', async () => {
  const { user, password } = clusterInfo().accounts.root;
  await connection.changeUser({ user, password, database: SCHEMA });
  await kill(connection);
  await expect(connection.query('INSERT INTO t (v) VALUES (1)')).rejects.toMatchObject({
    code: 'RWSPLIT_SESSION_LOST',
  });
});

test('a prepared statement goes on where its session does, and is closed where its server is gone', async () => {
  const insert = await connection.prepare('INSERT INTO t (v) VALUES (?)');
  const read = await connection.prepare('SELECT v + ? AS sum FROM t');
  const unused = await connection.prepare('SELECT 1');
  await insert.execute([1]);
  await kill(connection);
  await unused.close();
  await insert.execute([2]);
  await insert.execute([3]);
  const [rows] = await read.execute([10]);
  expect(rows).toEqual([{ sum: 11 }, { sum: 12 }, { sum: 13 }]);
  await insert.close();
  await read.close();
  expect(await written()).toEqual([1, 2, 3]);
});

test('an execution of a prepared statement that is lost has an unknown outcome, one that waited behind it runs', async () => {
  const slow = await connection.prepare('INSERT INTO t (v) SELECT SLEEP(?)');
  const insert = await connection.prepare('INSERT INTO t (v) VALUES (?)');
  const running = outcomesOf([slow.execute([30]), insert.execute([7])]);
  await kill(connection, 'INSERT INTO t (v) SELECT SLEEP(30)');
  expect(await running).toEqual(['unknown', 'executed']);
  expect(await written()).toEqual([7]);
});
