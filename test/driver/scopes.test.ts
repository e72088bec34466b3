import type { ResultSetHeader } from 'mysql2';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import type { PromiseSplitPool } from '../../driver/promise.js';
import { openPool, ranOn, value } from './driver.js';

const SCHEMA = 'driver_scopes';
/** The servers are looked at once: that replicas apply nothing is not found out. */
const WAIT = { database: SCHEMA, consistencyWait: 50, monitor: { interval: 3_600_000 } } as const;

beforeAll(async () => {
  await freshSchema(SCHEMA);
  const pool = openPool({ database: SCHEMA });
  await pool.query('CREATE TABLE t (v INT)');
  await pool.query(
    'CREATE FUNCTION writes() RETURNS INT NOT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO t VALUES (9); RETURN 9; END',
  );
  await untilReplicated();
});

async function onReplicas(sql: string): Promise<void> {
  for (const index of [1, 2]) {
    const connection = await connectDirect(index, clusterInfo().accounts.root);
    await connection.query(sql);
  }
}

describe('while no replica applies anything', () => {
  let pool: PromiseSplitPool;
  let other: PromiseSplitPool;
  beforeEach(async () => {
    [pool, other] = [openPool(WAIT), openPool(WAIT)];
    for (const it of [pool, other]) await ranOn(it);
    await onReplicas('STOP REPLICA SQL_THREAD');
  });
  afterEach(async () => {
    await onReplicas('START REPLICA SQL_THREAD');
    await untilReplicated();
  });

  test('a pool reads its own writes from the primary, whichever way they were made', async () => {
    const connection = await pool.getConnection();
    const writes = [
      async () => pool.query('INSERT INTO t VALUES (1)'),
      async () => pool.execute('INSERT INTO t VALUES (?)', [1]),
      async () => connection.query('INSERT INTO t VALUES (1)'),
      async () => {
        await connection.beginTransaction();
        await connection.execute('INSERT INTO t VALUES (1)');
        await connection.commit();
      },
      async () => pool.query('SELECT writes()'),
      async () => pool.primary.query('INSERT INTO t VALUES (1)'),
    ];
    for (const [done, write] of writes.entries()) {
      const before = Number(await value(pool.primary, 'SELECT COUNT(*) FROM t'));
      await write();
      expect([done, await value(pool, 'SELECT COUNT(*) FROM t')]).toEqual([done, before + 1]);
      expect([done, await value(connection, 'SELECT COUNT(*) FROM t')]).toEqual([done, before + 1]);
    }
  });

  test('a scope sees what is written in it, and does not wait for what others write', async () => {
    await pool.query('INSERT INTO t VALUES (2)');
    await pool.scope(async () => {
      expect(await ranOn(pool)).not.toBe(1);
      await pool.query('INSERT INTO t VALUES (2)');
      expect(await ranOn(pool)).toBe(1);
    });
    expect(await pool.scope(async () => ranOn(pool))).not.toBe(1);
    expect(await ranOn(pool)).toBe(1);
  });

  test('a token carries what was written to another pool', async () => {
    const [writer, reader] = [pool, other];
    const token = await writer.scope(async () => {
      await writer.query('INSERT INTO t VALUES (3)');
      return writer.token();
    });
    expect(token).toMatch(/^[0-9a-f-]{36}:\d+/);
    expect(await ranOn(reader)).not.toBe(1);
    await reader.withToken(token, async () => {
      expect(await ranOn(reader)).toBe(1);
      expect(await value(reader, 'SELECT COUNT(*) > 0 FROM t WHERE v = 3')).toBe(1);
    });
    expect(() => reader.withToken('nonsense', () => 1)).toThrow('this is no token');
  });

  test('eventual reads do not wait, those of the level primary never leave it', async () => {
    await pool.query('INSERT INTO t VALUES (4)');
    expect(await ranOn(pool, '/* rwsplit: consistency=eventual */')).not.toBe(1);
    expect(await ranOn(pool)).toBe(1);
    expect(await ranOn(openPool({ ...WAIT, consistency: 'primary' }))).toBe(1);
  });
});

test('primary and replica are pools of one side', async () => {
  const pool = openPool(WAIT);
  expect(await ranOn(pool.primary)).toBe(1);
  expect(await ranOn(pool.replica)).not.toBe(1);
  await expect(pool.replica.query('INSERT INTO t VALUES (5)')).rejects.toMatchObject({ errno: 1290 });
  const connection = await pool.replica.getConnection();
  expect(await value(connection, 'SELECT @@super_read_only')).toBe(1);
  connection.release();
});

test('hints move reads', async () => {
  const pool = openPool(WAIT);
  const { host, port } = clusterInfo().nodes[2] ?? { host: '', port: 0 };
  expect(await ranOn(pool, '/* rwsplit: primary */')).toBe(1);
  for (let i = 0; i < 3; i++) expect(await ranOn(pool, `/* rwsplit: node=${host}:${port} */`)).toBe(3);
});

test('explain says where a statement would go, and status what is known of the servers', async () => {
  const pool = openPool(WAIT);
  expect(await pool.explain('SELECT * FROM t WHERE v = ?', [1])).toMatchObject({ to: 'replica', reason: 'read' });
  expect(await pool.explain('SELECT * FROM t FOR UPDATE')).toMatchObject({ to: 'primary', reason: 'locking-read' });
  await pool.query<ResultSetHeader>('INSERT INTO t VALUES (6)');
  await ranOn(pool);
  const status = pool.status();
  expect(status.nodes.map(({ role, health }) => [role, health])).toEqual([
    ['primary', 'up'],
    ['replica', 'up'],
    ['replica', 'up'],
  ]);
  expect(status.nodes[0]).toMatchObject({ connections: 1, free: 1, waiting: 0 });
  expect(status.routes).toContainEqual({ node: status.primary, to: 'primary', reason: 'write', statements: 1 });
});
