import type { Connection, ResultSetHeader } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { commandCounts, PRIMARY_ID, ranOn, startProxy, value, type Row, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
let client: Connection;
beforeAll(async () => {
  await freshSchema('routing');
  proxy = await startProxy();
  const writer = await proxy.connect({ database: 'routing' });
  await writer.query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
  await writer.query('INSERT INTO t (v) VALUES (1), (2)');
  await untilReplicated();
});
beforeEach(async () => {
  client = await proxy.connect({ database: 'routing' });
});

describe('reads', () => {
  test('go to both replicas in equal parts and never to the primary', async () => {
    const seen = new Map<number, number>();
    for (let i = 0; i < 40; i++) {
      const node = await ranOn(client, 'FROM t LIMIT 1');
      seen.set(node, (seen.get(node) ?? 0) + 1);
    }
    expect(Object.fromEntries(seen)).toEqual({ 2: 20, 3: 20 });
  });

  test.each([
    "SELECT @@server_id FROM t WHERE v = 1 OR 'FOR UPDATE' = ''",
    '(SELECT @@server_id)',
    'WITH x AS (SELECT @@server_id AS id) SELECT id FROM x',
    'SELECT @@server_id UNION ALL SELECT 9 LIMIT 1',
    '/* a comment */ SELECT @@server_id -- another',
    'VALUES ROW(@@server_id)',
  ])('a read stays a read however it is written: %s', async (sql) => {
    expect([2, 3]).toContain(Number(await value(client, sql)));
  });

  test.each([
    'FROM t WHERE id = 1 FOR UPDATE',
    'FROM t WHERE id = 1 for update;',
    'FROM t WHERE id = 1\nFOR/* between */\tUPDATE',
    'FROM t WHERE id = 1 FOR SHARE',
    'FROM t WHERE id = 1 FOR UPDATE SKIP LOCKED',
    'FROM t WHERE id = 1 LOCK IN SHARE MODE',
    'FROM t WHERE id IN (SELECT * FROM (SELECT id FROM t FOR UPDATE) AS x) LIMIT 1',
    "WHERE GET_LOCK('routing', 0) + RELEASE_LOCK('routing')",
    'INTO @id',
  ])('a read that locks or leaves something behind goes to the primary: %s', async (rest) => {
    if (rest === 'INTO @id') await client.query('SELECT @@server_id INTO @id');
    expect(await (rest === 'INTO @id' ? value(client, 'SELECT @id') : ranOn(client, rest))).toBe(PRIMARY_ID);
  });

  test('go to the primary when there is no replica', async () => {
    const alone = await startProxy({ nodes: [nodeInfo(0)] });
    const connection = await alone.connect();
    expect(await ranOn(connection)).toBe(PRIMARY_ID);
    expect(await ranOn(connection)).toBe(PRIMARY_ID);
  });
});

describe('writes', () => {
  test('reach the primary only', async () => {
    const commands = [
      'insert',
      'update',
      'update_multi',
      'delete',
      'replace',
      'create_table',
      'alter_table',
      'drop_table',
      'truncate',
    ];
    const before = await commandCounts(commands);
    await client.query('CREATE TABLE w (id INT PRIMARY KEY, v INT)');
    await client.query('ALTER TABLE w ADD COLUMN x INT');
    await client.query('INSERT INTO w (id) VALUES (1)');
    await client.query('UPDATE w SET v = 2');
    await client.query('WITH x AS (SELECT 1 AS id) UPDATE w JOIN x USING (id) SET v = 3');
    await client.query('REPLACE INTO w (id) VALUES (1)');
    await client.query('DELETE FROM w');
    await client.query('TRUNCATE w');
    await client.query('DROP TABLE w');
    const after = await commandCounts(commands);
    const [primary, ...replicas] = after.map((counts, node) =>
      Object.fromEntries(commands.map((name) => [name, (counts[name] ?? 0) - (before[node]?.[name] ?? 0)])),
    );
    expect(primary).toEqual({ ...Object.fromEntries(commands.map((name) => [name, 1])), update: 1, update_multi: 1 });
    for (const replica of replicas) expect(Object.values(replica)).toEqual(commands.map(() => 0));
  });

  test('are counted with the node, the target and the reason', async () => {
    const own = await startProxy();
    const connection = await own.connect({ database: 'routing' });
    await connection.query('INSERT INTO t (v) VALUES (70)');
    for (let i = 0; i < 4; i++) await connection.query('SELECT 1');
    const primary = `${nodeInfo(0).host}:${nodeInfo(0).port}`;
    expect(own.proxy.counts()).toContainEqual({ node: primary, target: 'primary', reason: 'write', statements: 1 });
    expect(own.proxy.counts().filter((it) => it.reason === 'read')).toEqual(
      expect.arrayContaining(
        [1, 2].map((n) => {
          const node = `${nodeInfo(n).host}:${nodeInfo(n).port}`;
          return { node, target: 'replica', reason: 'read', statements: 2 };
        }),
      ),
    );
  });
});

describe('a transaction', () => {
  test.each(['BEGIN', 'START TRANSACTION', 'begin work', 'START TRANSACTION READ WRITE', '/* c */ BEGIN'])(
    'that begins with %s stays on the primary, sees its own rows, and can be rolled back',
    async (begin) => {
      await client.query(begin);
      expect(await ranOn(client)).toBe(PRIMARY_ID);
      await client.query('INSERT INTO t (v) VALUES (100)');
      expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 100')).toBe(1);
      expect(await ranOn(client)).toBe(PRIMARY_ID);
      await client.query('ROLLBACK');
      expect(await ranOn(client)).not.toBe(PRIMARY_ID);
      expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 100 FOR UPDATE')).toBe(0);
    },
  );

  test.each([
    'SET autocommit=0',
    'SET autocommit = OFF',
    'SET AUTOCOMMIT = oFf',
    'set @@autocommit = 0',
    'SET @@session.autocommit := FALSE',
    'SET LOCAL autocommit = 0',
    "SET time_zone = '+02:00', autocommit = 0, sql_mode = ''",
    'SET @a = 1, @@autocommit = 0',
  ])('without autocommit (%s) stays on the primary until autocommit is on again', async (off) => {
    await client.query(off);
    expect(await ranOn(client)).toBe(PRIMARY_ID);
    await client.query('INSERT INTO t (v) VALUES (200)');
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 200')).toBe(1);
    await client.query('ROLLBACK');
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 200')).toBe(0);
    expect(await ranOn(client)).toBe(PRIMARY_ID);
    await client.query('SET autocommit = ON');
    // A user variable keeps its session where it is.
    if (!off.includes('@a')) expect(await ranOn(client)).not.toBe(PRIMARY_ID);
  });

  test('keeps its snapshot while others write', async () => {
    const other = await proxy.connect({ database: 'routing' });
    await client.query('SET autocommit = 0');
    const before = await value(client, 'SELECT COUNT(*) FROM t');
    await other.query('INSERT INTO t (v) VALUES (300)');
    expect(await value(client, 'SELECT COUNT(*) FROM t')).toBe(before);
    await client.query('COMMIT');
    expect(await value(client, 'SELECT COUNT(*) FROM t')).toBe(Number(before) + 1);
  });

  test('ends with a statement that commits by itself', async () => {
    await client.query('BEGIN');
    await client.query('INSERT INTO t (v) VALUES (400)');
    await client.query('CREATE TABLE commits (id INT)');
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
    await client.query('ROLLBACK');
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 400 FOR UPDATE')).toBe(1);
  });

  test('that is begun inside another one commits that', async () => {
    for (const sql of [
      'BEGIN',
      'INSERT INTO t (v) VALUES (500)',
      'BEGIN',
      'INSERT INTO t (v) VALUES (500)',
      'COMMIT',
    ]) {
      await client.query(sql);
    }
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 500 FOR UPDATE')).toBe(2);
  });

  test('that only reads refuses writes, and the next one takes them', async () => {
    await client.query('SET TRANSACTION READ ONLY');
    await client.query('START TRANSACTION');
    await expect(client.query('INSERT INTO t (v) VALUES (600)')).rejects.toMatchObject({ errno: 1792 });
    await client.query('COMMIT');
    await client.query('INSERT INTO t (v) VALUES (601)');
    await client.query('START TRANSACTION READ ONLY');
    const nodes = new Set<number>();
    for (let i = 0; i < 4; i++) nodes.add(await ranOn(client));
    await client.query('COMMIT');
    expect(nodes.size).toBe(1);
  });

  test('at SERIALIZABLE locks with plain reads, so they run on the primary', async () => {
    await client.query('SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE');
    expect(await ranOn(client)).toBe(PRIMARY_ID);
    await client.query("SET @@session.transaction_isolation = 'READ-COMMITTED'");
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
  });
});

describe('what lives on one connection', () => {
  test('a temporary table is found while it exists, and reads go to replicas when it is gone', async () => {
    await client.query('CREATE TEMPORARY TABLE tmp (id INT)');
    await client.query('INSERT INTO tmp VALUES (7)');
    expect(await value(client, 'SELECT id FROM tmp')).toBe(7);
    await client.query('CREATE TEMPORARY TABLE t (shadow INT)');
    const [rows] = await client.query<Row[]>('SELECT * FROM t');
    expect(rows).toEqual([]);
    const other = await proxy.connect({ database: 'routing' });
    await expect(other.query('SELECT * FROM tmp FOR UPDATE')).rejects.toMatchObject({ errno: 1146 });
  });

  test('a named lock is held by one session until it gives it back', async () => {
    const other = await proxy.connect();
    expect(await value(client, "SELECT GET_LOCK('routing_lock', 0)")).toBe(1);
    expect(await value(other, "SELECT GET_LOCK('routing_lock', 0)")).toBe(0);
    expect(await value(other, "SELECT RELEASE_LOCK('routing_lock')")).toBe(0);
    expect(await ranOn(client)).toBe(PRIMARY_ID);
    expect(await value(client, "SELECT RELEASE_LOCK('routing_lock')")).toBe(1);
    expect(await value(other, "SELECT GET_LOCK('routing_lock', 0)")).toBe(1);
    expect(await value(other, 'SELECT RELEASE_ALL_LOCKS()')).toBe(1);
    expect(await ranOn(other)).not.toBe(PRIMARY_ID);
  });

  test('locked tables bind the session until they are unlocked', async () => {
    await client.query('LOCK TABLES t READ');
    expect(await ranOn(client, 'FROM t LIMIT 1')).toBe(PRIMARY_ID);
    await expect(client.query('INSERT INTO t (v) VALUES (1)')).rejects.toMatchObject({ errno: 1099 });
    await client.query('UNLOCK TABLES');
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
    await client.query('FLUSH TABLES t WITH READ LOCK');
    expect(await ranOn(client, 'FROM t LIMIT 1')).toBe(PRIMARY_ID);
    await client.query('UNLOCK TABLES');
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
  });

  test('a user variable keeps its value', async () => {
    await client.query("SET @name = 'ünï', @n := 4");
    expect(await value(client, 'SELECT CONCAT(@name, @n + 1)')).toBe('ünï5');
    await client.query('SELECT @n := @n * 2');
    expect(await value(client, 'SELECT @n')).toBe(8);
  });

  test('the last insert id is the one of the last insert, also after reads on replicas', async () => {
    const [{ insertId }] = await client.query<ResultSetHeader>('INSERT INTO t (v) VALUES (800)');
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
    expect(await value(client, 'SELECT LAST_INSERT_ID()')).toBe(insertId);
    expect(await value(client, 'SELECT LAST_INSERT_ID() FROM DUAL LIMIT 1')).toBe(insertId);
    expect(await value(client, 'SELECT @@IDENTITY')).toBe(insertId);
    const [rows] = await client.execute<Row[]>('SELECT LAST_INSERT_ID() AS id');
    expect(rows[0]?.['id']).toBe(insertId);
  });

  test('warnings belong to the statement before, wherever it ran', async () => {
    await client.query("SELECT CAST('no number' AS SIGNED)");
    const [warnings] = await client.query<Row[]>('SHOW WARNINGS');
    expect(warnings).toHaveLength(1);
    expect(await value(client, 'SHOW COUNT(*) WARNINGS')).toBe(1);
    await client.query('SELECT 1');
    const [none] = await client.query<Row[]>('SHOW WARNINGS');
    expect(none).toEqual([]);
    await expect(client.query('SELECT * FROM routing.missing')).rejects.toMatchObject({ errno: 1146 });
    const [errors] = await client.query<Row[]>('SHOW ERRORS');
    expect(errors[0]?.['Code']).toBe(1146);
  });

  test('the number of rows found or changed is that of the statement before', async () => {
    await client.query('UPDATE t SET v = v + 1 WHERE id = 1');
    expect(await value(client, 'SELECT ROW_COUNT()')).toBe(1);
    await client.query('SELECT 1 UNION SELECT 2 UNION SELECT 3');
    expect(await value(client, 'SELECT FOUND_ROWS()')).toBe(3);
    await client.query('SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1');
    expect(await value(client, 'SELECT FOUND_ROWS()')).toBeGreaterThan(1);
  });
});
