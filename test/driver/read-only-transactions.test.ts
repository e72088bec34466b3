import type { PoolConnection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { asRoot, PRIMARY_ID } from '../proxy.js';
import { openPool, ranOn, value, type Row } from './driver.js';

const SCHEMA = 'driver_read_only';
let connection: PoolConnection;

beforeAll(async () => {
  await freshSchema(SCHEMA);
  const writer = openPool({ database: SCHEMA });
  await writer.query('CREATE TABLE t (id INT PRIMARY KEY, v INT)');
  await writer.query('INSERT INTO t VALUES (1, 10), (2, 20)');
  await asRoot(
    `CREATE FUNCTION ${SCHEMA}.writes() RETURNS INT DETERMINISTIC MODIFIES SQL DATA ` +
      `BEGIN UPDATE ${SCHEMA}.t SET v = v + 1; RETURN 1; END`,
  );
  await untilReplicated();
});
beforeEach(async () => {
  // One connection to each server: what a session leaves behind, the next one would meet.
  connection = await openPool({ database: SCHEMA, connectionLimit: 1 }).getConnection();
  await connection.ping();
});

async function statements(...all: readonly string[]): Promise<void> {
  for (const sql of all) await connection.query(sql);
}

async function nodesOf(reads: number): Promise<number[]> {
  const seen = new Set<number>();
  for (let i = 0; i < reads; i++) seen.add(await ranOn(connection, 'FROM t LIMIT 1'));
  return [...seen];
}

async function errnoOf(sql: string): Promise<number> {
  try {
    await connection.query(sql);
    return 0;
  } catch (error) {
    return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : -1;
  }
}

describe('a read-only transaction', () => {
  test.each([
    [['START TRANSACTION READ ONLY']],
    [['start transaction /* c */ with consistent snapshot, read only']],
    [['SET TRANSACTION READ ONLY', 'BEGIN']],
    [['SET TRANSACTION ISOLATION LEVEL READ COMMITTED', 'SET TRANSACTION READ ONLY', 'START TRANSACTION']],
    [['SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY', 'START TRANSACTION']],
    [['SET SESSION TRANSACTION READ ONLY', 'BEGIN']],
  ])('runs on one replica from its beginning to its end: %j', async (opening) => {
    await statements(...opening);
    const nodes = await nodesOf(6);
    expect(nodes).toHaveLength(1);
    expect(nodes).not.toContain(PRIMARY_ID);
    await connection.query('COMMIT');
  });

  test('that beginTransaction() begins is one where SET TRANSACTION READ ONLY came before it', async () => {
    await connection.query('SET TRANSACTION READ ONLY');
    await connection.beginTransaction();
    expect(await nodesOf(2)).not.toContain(PRIMARY_ID);
    await connection.commit();
    await connection.beginTransaction();
    expect(await nodesOf(2)).toEqual([PRIMARY_ID]);
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    await connection.rollback();
  });

  test('leaves nothing behind: the next one may be on another replica, and writes work', async () => {
    const nodes = new Set<number>();
    for (let i = 0; i < 6; i++) {
      await connection.query('START TRANSACTION READ ONLY');
      for (const node of await nodesOf(2)) nodes.add(node);
      await connection.query(i % 2 === 0 ? 'COMMIT' : 'ROLLBACK');
    }
    expect(nodes).toEqual(new Set([2, 3]));
    expect(await errnoOf('UPDATE t SET v = 11 WHERE id = 1')).toBe(0);
    expect(await nodesOf(4)).toHaveLength(2);
  });

  test('keeps its snapshot', async () => {
    await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t');
    const writer = openPool({ database: SCHEMA });
    const before = await value(connection, 'SELECT v FROM t WHERE id = 2');
    await writer.query('UPDATE t SET v = v + 1 WHERE id = 2');
    await untilReplicated();
    expect(await value(connection, 'SELECT v FROM t WHERE id = 2')).toBe(before);
    await connection.query('COMMIT');
    expect(await value(connection, 'SELECT v FROM t WHERE id = 2')).toBe(Number(before) + 1);
  });

  test('sees what was written before its first read, wherever in the pool', async () => {
    const pool = openPool({ database: SCHEMA });
    const reader = await pool.getConnection();
    await reader.ping();
    for (let i = 0; i < 30; i++) {
      if (i % 2 === 0) await pool.query('UPDATE t SET v = ? WHERE id = 1', [1000 + i]);
      await reader.query('START TRANSACTION READ ONLY');
      if (i % 2 === 1) await pool.query('UPDATE t SET v = ? WHERE id = 1', [1000 + i]);
      expect(await value(reader, 'SELECT v FROM t WHERE id = ?', [1])).toBe(1000 + i);
      await reader.query('COMMIT');
    }
  });

  test.each(['INSERT INTO t VALUES (9, 9)', 'SELECT writes()', 'SELECT /* rwsplit: replica */ writes()'])(
    'refuses writes with the words of MySQL, and goes on: %s',
    async (sql) => {
      await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t');
      expect(await errnoOf(sql)).toBe(1792);
      expect(await errnoOf('SELECT * FROM t')).toBe(0);
      await connection.query('COMMIT');
      expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    },
  );

  test('goes on at the primary with what a replica cannot do, savepoints included', async () => {
    await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t', 'SAVEPOINT a');
    expect(await value(connection, "SELECT GET_LOCK('driver_read_only', 0)")).toBe(1);
    expect(await nodesOf(2)).toEqual([PRIMARY_ID]);
    expect(await errnoOf('UPDATE t SET v = 0')).toBe(1792);
    expect(await errnoOf('ROLLBACK TO a')).toBe(0);
    await statements('COMMIT', "DO RELEASE_LOCK('driver_read_only')");
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
  });

  test('that another statement ends by itself ends on the replica, too', async () => {
    await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t', 'CREATE TABLE x (a INT)');
    expect(await errnoOf('INSERT INTO x VALUES (1)')).toBe(0);
    expect(await nodesOf(4)).not.toContain(PRIMARY_ID);
  });

  test('takes statements that nobody waited for in their order', async () => {
    const core = connection;
    const all = [
      'START TRANSACTION READ ONLY',
      'SELECT 1 AS a',
      'SAVEPOINT b',
      'SELECT 2 AS a',
      'COMMIT',
      'SELECT 3 AS a',
    ];
    const order: string[] = [];
    await Promise.all(all.map(async (sql) => core.query(sql).then(() => order.push(sql))));
    expect(order).toEqual(all);
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    await statements('START TRANSACTION READ ONLY');
    const nodes = await Promise.all([0, 1, 2].map(async () => ranOn(connection, 'FROM t LIMIT 1')));
    expect(new Set(nodes).size).toBe(1);
    expect(nodes).not.toContain(PRIMARY_ID);
    const [rows] = await connection.execute<Row[]>('SELECT @@server_id AS id FROM t LIMIT 1');
    expect(rows[0]?.['id']).toBe(nodes[0]);
    await connection.query('COMMIT');
  });

  test('takes what is prepared for good along to the primary', async () => {
    await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t');
    const statement = await connection.prepare('SELECT @@server_id AS id FROM t LIMIT 1');
    const [rows] = await statement.execute([]);
    expect(rows).toMatchObject([{ id: PRIMARY_ID }]);
    expect(await errnoOf('UPDATE t SET v = 0')).toBe(1792);
    await statement.close();
    await connection.query('COMMIT');
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
  });

  test('ends with the session: its connections are free of it', async () => {
    const pool = openPool({ database: SCHEMA, connectionLimit: 1 });
    for (let i = 0; i < 4; i++) {
      const one = await pool.getConnection();
      await one.ping();
      await one.query('START TRANSACTION READ ONLY');
      await one.query('SELECT * FROM t');
      one.release();
      await pool.query('UPDATE t SET v = ? WHERE id = 2', [i]);
      expect(await value(pool, 'SELECT v FROM t WHERE id = 2')).toBe(i);
      expect(await ranOn(pool)).not.toBe(PRIMARY_ID);
    }
  });

  test('whose replica goes away goes on at the primary as long as it has read nothing, else says so', async () => {
    const { app } = clusterInfo().accounts;
    for (const hasRead of Array.from({ length: 40 }, (_, i) => i % 2 === 1)) {
      await connection.query('START TRANSACTION READ ONLY');
      if (hasRead) await connection.query('SELECT * FROM t');
      for (const node of [1, 2]) {
        const root = await connectDirect(node, clusterInfo().accounts.root);
        const sql = `SELECT id FROM information_schema.processlist WHERE user = '${app.user}' AND db = '${SCHEMA}'`;
        const [clients] = await root.query<Row[]>(sql);
        for (const { id } of clients) await root.query('KILL ?', [id]).catch(() => {});
      }
      const answer = ranOn(connection, 'FROM t LIMIT 1');
      if (hasRead) await expect(answer).rejects.toThrow(/closed/);
      else expect(await answer).toBe(PRIMARY_ID);
      await connection.query('ROLLBACK');
      expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    }
  });
});
