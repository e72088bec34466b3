import type { Connection } from 'mysql2';
import type { PoolConnection } from 'mysql2/promise';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { seenAs } from '../../driver/mysql2/seen-as.js';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { eventually } from '../proxy.js';
import { openPool, ranOn, value, type Row } from './driver.js';

const SCHEMA = 'driver_connections';
let connection: PoolConnection;

beforeAll(async () => {
  await freshSchema(SCHEMA);
  await openPool({ database: SCHEMA }).query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
  await untilReplicated();
});
beforeEach(async () => {
  connection = await openPool({ database: SCHEMA }).getConnection();
  // The session is known when its first command has ended.
  await connection.ping();
});

test('reads of a connection run on replicas, writes on the primary, and it sees what it wrote', async () => {
  expect(await ranOn(connection)).not.toBe(1);
  await connection.query('INSERT INTO t (v) VALUES (1)');
  expect(await ranOn(connection, 'FROM t LIMIT 1')).not.toBe(1);
  const [rows] = await connection.execute<Row[]>('SELECT @@server_id AS id, COUNT(*) AS n FROM t WHERE v = ?', [1]);
  expect(rows[0]?.['id']).not.toBe(1);
  expect(rows[0]?.['n']).toBeGreaterThan(0);
  expect(await value(connection, 'SELECT LAST_INSERT_ID()')).toBeGreaterThan(0);
});

test('a transaction is all on one connection to the primary, however it is begun', async () => {
  const [id] = [await value(connection, 'SELECT CONNECTION_ID()')];
  for (const begin of [async () => connection.beginTransaction(), async () => connection.query('BEGIN')]) {
    await begin();
    expect(await value(connection, 'SELECT v FROM (SELECT @@server_id AS v) AS x')).toBe(1);
    await connection.query('INSERT INTO t (v) VALUES (2)');
    const [rows] = await connection.query<Row[]>('SELECT COUNT(*) AS n FROM t WHERE v = 2');
    expect(rows[0]?.['n']).toBe(1);
    await connection.rollback();
    expect(await ranOn(connection)).not.toBe(1);
  }
  expect(await value(connection, 'SELECT CONNECTION_ID()')).toBe(id);
});

test.each([
  ['SELECT @a := 1', undefined],
  ["SELECT GET_LOCK('driver', 0)", 'SELECT RELEASE_ALL_LOCKS()'],
  ['CREATE TEMPORARY TABLE tmp (x INT)', undefined],
  ['SET autocommit = 0', 'SET autocommit = 1'],
  ['LOCK TABLES t READ', 'UNLOCK TABLES'],
])('%s keeps the reads of the session where that is', async (begin, end) => {
  await connection.query(begin);
  const rest = begin.includes('TEMPORARY') ? 'FROM tmp RIGHT JOIN (SELECT 1) AS x ON TRUE' : '';
  expect(await ranOn(connection, rest)).toBe(1);
  if (end === undefined) return;
  await connection.query(end);
  await eventually(async () => expect(await ranOn(connection)).not.toBe(1));
});

test('what a session sets goes along to replicas, and is not what another one meets there', async () => {
  const pool = openPool({ database: SCHEMA, connectionLimit: 1 });
  const session = await pool.getConnection();
  await session.ping();
  await session.query("SET time_zone = '+05:00', sql_mode = 'ANSI_QUOTES'");
  await session.query('USE information_schema');
  const told = 'SELECT @@server_id AS id, @@time_zone AS zone, @@sql_mode AS mode, DATABASE() AS place';
  for (let i = 0; i < 3; i++) {
    const [[row]] = await session.query<Row[]>(told);
    expect(row).toMatchObject({ zone: '+05:00', mode: 'ANSI_QUOTES', place: 'information_schema' });
    expect(row?.['id']).not.toBe(1);
  }
  await session.query('DO 0');
  for (let i = 0; i < 3; i++) {
    const [[row]] = await pool.query<Row[]>(told);
    expect(row).toMatchObject({ zone: 'SYSTEM', place: SCHEMA });
    expect(row?.['mode']).not.toContain('ANSI_QUOTES');
    expect(row?.['id']).not.toBe(1);
  }
});

test('commands that are sent ahead keep their order, and see what those before them did', async () => {
  const order: string[] = [];
  const run = async (sql: string): Promise<unknown> => {
    const [rows] = await connection.query<Row[]>(sql);
    order.push(sql);
    return rows;
  };
  const [before, , during] = await Promise.all([
    run('SELECT COUNT(*) AS n FROM t WHERE v = 3'),
    run('INSERT INTO t (v) VALUES (3)'),
    run('SELECT COUNT(*) AS n FROM t WHERE v = 3 '),
    connection.ping().then(() => order.push('ping')),
  ]);
  expect(before).toEqual([{ n: 0 }]);
  expect(during).toEqual([{ n: 1 }]);
  expect(order.map((it) => it.slice(0, 6))).toEqual(['SELECT', 'INSERT', 'SELECT', 'ping']);
});

test('what a read left is asked of the server that it ran on', async () => {
  const [rows] = await connection.query<Row[]>("SELECT 1 + 'x' AS n, @@server_id AS id");
  expect(rows[0]?.['id']).not.toBe(1);
  const [warnings] = await connection.query<Row[]>('SHOW WARNINGS');
  expect(warnings).toMatchObject([{ Code: 1292 }]);
  await connection.query('SELECT SQL_CALC_FOUND_ROWS 1 FROM (SELECT 1 UNION SELECT 2 UNION SELECT 3) AS x LIMIT 1');
  expect(await value(connection, 'SELECT FOUND_ROWS()')).toBe(3);
});

test('a statement that was prepared for good runs as often as it is asked to', async () => {
  const statement = await connection.prepare('SELECT ? + 1 AS n');
  expect(await statement.execute([1])).toMatchObject([[{ n: 2 }], expect.anything()]);
  expect(await statement.execute([5])).toMatchObject([[{ n: 6 }], expect.anything()]);
  await statement.close();
});

test('reset brings a session back to the replicas, changeUser keeps it in its schema', async () => {
  await connection.query('SET @a = 1');
  await connection.reset();
  await connection.ping();
  expect(await value(connection, 'SELECT @a IS NULL')).toBe(1);
  await connection.reset();
  await connection.ping();
  expect(await ranOn(connection)).not.toBe(1);
  await connection.changeUser({ database: 'information_schema' });
  await connection.ping();
  expect(await value(connection, 'SELECT DATABASE()')).toBe('information_schema');
});

test('what an application sets on every new connection is on the replicas too', async () => {
  const pool = openPool({ database: SCHEMA });
  pool.pool.on('connection', (fresh) => fresh.query("SET time_zone = '+03:00'"));
  const [rows] = await pool.query<Row[]>('SELECT @@time_zone AS zone, @@server_id AS id');
  expect(rows).toEqual([{ zone: '+03:00', id: rows[0]?.['id'] }]);
  expect(rows[0]?.['id']).not.toBe(1);
  const session = await pool.getConnection();
  await session.ping();
  const [own] = await session.query<Row[]>('SELECT @@time_zone AS zone, @@server_id AS id');
  expect(own[0]?.['zone']).toBe('+03:00');
  expect(own[0]?.['id']).not.toBe(1);
});

test('a statement that is refused before it is sent leaves nothing of what it would have been', async () => {
  const { connection: core } = connection;
  const read = { sql: 'SELECT ? AS a FOR UPDATE', values: [undefined] };
  expect(() => Reflect.apply(Reflect.get(core, 'execute'), core, [read, () => {}])).toThrow(
    'must not contain undefined',
  );
  await connection.query("SET time_zone = '+07:00'");
  const [rows] = await connection.query<Row[]>('SELECT @@time_zone AS zone, @@server_id AS id');
  expect(rows[0]?.['zone']).toBe('+07:00');
  expect(rows[0]?.['id']).not.toBe(1);
});

test('a replica’s connection with a transaction of somebody open on it answers no reads of the pool', async () => {
  const { nodes } = clusterInfo();
  const two = nodes.slice(0, 2).map(({ host, port }) => ({ host, port }));
  const pool = openPool({ nodes: two, connectionLimit: 1 });
  expect(await ranOn(pool)).toBe(2);
  const session = await pool.replica.getConnection();
  await session.beginTransaction();
  session.release();
  expect(await ranOn(pool)).toBe(1);
  const again = await pool.replica.getConnection();
  await again.rollback();
  again.release();
  expect(await ranOn(pool)).toBe(2);
});

test.each(['with a callback', 'as a stream'])(
  'a read %s whose connection is killed runs elsewhere, and its session goes on',
  async (how) => {
    const sql = `SELECT SLEEP(1) AS s, '${how}' AS how`;
    const running =
      how === 'as a stream'
        ? seenAs<Connection>(connection.connection).query(sql).stream().toArray()
        : connection.query<Row[]>(sql).then(([rows]) => rows);
    await eventually(async () => expect(await killRunning(sql)).toBe(true));
    expect(await running).toEqual([{ s: 0, how }]);
    await connection.query('INSERT INTO t (v) VALUES (4)');
    expect(await value(connection, 'SELECT COUNT(*) > 0 FROM t WHERE v = 4')).toBe(1);
  },
);

/** @returns whether a connection to a replica was running it, and is no more */
async function killRunning(sql: string): Promise<boolean> {
  for (const index of [1, 2]) {
    const root = await connectDirect(index, clusterInfo().accounts.root);
    const find = 'SELECT ID AS id FROM performance_schema.processlist WHERE INFO = ?';
    const [[row]] = await root.query<Row[]>(find, [sql]);
    if (row !== undefined) await root.query('KILL ?', [row['id']]);
    root.destroy();
    // It runs elsewhere at once.
    if (row !== undefined) return true;
  }
  return false;
}
