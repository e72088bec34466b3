import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { asRoot, eventually, PRIMARY_ID, startProxy, value, type Row, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
let client: Connection;
beforeAll(async () => {
  await freshSchema('stored');
  await freshSchema('stored_2');
  await asRoot(
    'CREATE TABLE stored.t (id INT PRIMARY KEY)',
    'CREATE FUNCTION stored.here(a INT) RETURNS INT READS SQL DATA RETURN a + 1000 * counted()',
    'CREATE FUNCTION stored.counted() RETURNS INT READS SQL DATA BEGIN DECLARE n INT; SELECT COUNT(*) INTO n FROM t; RETURN n; END',
    'CREATE FUNCTION stored.keeps() RETURNS INT DETERMINISTIC BEGIN SET @kept = 1; RETURN 1; END',
    'CREATE FUNCTION stored.calls() RETURNS INT DETERMINISTIC RETURN keeps()',
    'CREATE FUNCTION stored.changes() RETURNS INT DETERMINISTIC RETURN 1',
    'CREATE FUNCTION stored.twice() RETURNS INT DETERMINISTIC RETURN 1',
    'CREATE TABLE stored.log (id INT AUTO_INCREMENT PRIMARY KEY, v INT)',
    'CREATE FUNCTION stored.adds(a INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO log (v) VALUES (a); RETURN a + 1; END',
    'CREATE PROCEDURE stored.fills(a INT, OUT b INT) BEGIN SET b = a + 1; INSERT INTO log SET v = a; SET a = adds(b); END',
    'CREATE PROCEDURE stored.says(a INT) BEGIN INSERT INTO log SET v = a; SELECT a; END',
    'CREATE PROCEDURE stored.leaves(a INT) SELECT a INTO @left',
    'CREATE FUNCTION stored_2.twice() RETURNS INT DETERMINISTIC BEGIN SET @kept = 1; RETURN 1; END',
  );
  await untilReplicated();
  proxy = await startProxy();
});
beforeEach(async () => {
  client = await proxy.connect({ database: 'stored' });
});

/** The node that answers. */
async function nodeOf(call: string): Promise<number> {
  return Number(await value(client, `SELECT @@server_id FROM (SELECT 1) AS x WHERE ${call} IS NOT NULL`));
}

describe('a stored function', () => {
  test('that only reads runs on the replicas', async () => {
    const nodes = new Set([await nodeOf('here(1)'), await nodeOf('stored.here(1)'), await nodeOf('`counted`()')]);
    expect(nodes).not.toContain(PRIMARY_ID);
  });

  test.each(['keeps()', 'calls()', 'twice()', 'stored_2.twice()', 'unknown_one()'])(
    'that may do more runs on the primary: %s',
    async (call) => {
      if (call === 'unknown_one()') await expect(nodeOf(call)).rejects.toThrow(/does not exist/);
      else expect(await nodeOf(call)).toBe(PRIMARY_ID);
    },
  );

  test('of a name that others have too is known with its schema', async () => {
    expect(await nodeOf('stored.twice()')).not.toBe(PRIMARY_ID);
  });

  test('is not known any more when it is made anew through the proxy', async () => {
    await eventually(async () => expect(await nodeOf('changes()')).not.toBe(PRIMARY_ID));
    const admin = await proxy.connect({ ...clusterInfo().accounts.root, database: 'stored' });
    await admin.query('DROP FUNCTION changes');
    await asRoot('CREATE FUNCTION stored.changes() RETURNS INT DETERMINISTIC BEGIN SET @kept = 1; RETURN 1; END');
    expect(await nodeOf('changes()')).toBe(PRIMARY_ID);
  });

  test('that may read a temporary table of the session runs where that is', async () => {
    await client.query('CREATE TEMPORARY TABLE t (id INT)');
    await client.query('INSERT INTO t VALUES (1), (2)');
    expect(await nodeOf('stored.counted()')).toBe(PRIMARY_ID);
    expect(await value(client, 'SELECT stored.counted()')).toBe(2);
  });
});

test('a statement that calls a stored function, and that a demoted primary refuses, is not run again on the next one', async () => {
  await asRoot('CREATE FUNCTION stored.puts() RETURNS INT DETERMINISTIC BEGIN INSERT INTO t VALUES (7); RETURN 1; END');
  const root = await connectDirect(0, clusterInfo().accounts.root);
  // It looks too rarely to see that the primary takes no writes for a while.
  const late = await startProxy({ options: { monitorIntervalMs: 3_600_000 } });
  const caller = await late.connect({ database: 'stored' });
  const writer = await late.connect({ database: 'stored' });
  await root.query('SET GLOBAL super_read_only = ON');
  let insert: Promise<unknown>;
  try {
    await expect(caller.query('SELECT puts()')).rejects.toMatchObject({ errno: 1290 });
    insert = writer.query('INSERT INTO t VALUES (8)');
  } finally {
    await root.query('SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF');
  }
  await insert;
  expect(await value(root, 'SELECT GROUP_CONCAT(id) FROM stored.t')).toBe('8');
});

describe('a session that has called a stored routine', () => {
  let monitor: Connection;
  beforeEach(async () => {
    // The other one may have forgotten what it knew.
    const fresh = await startProxy();
    monitor = await fresh.connect({ ...clusterInfo().accounts.monitor });
    client = await fresh.connect({ database: 'stored' });
  });

  async function bonds(): Promise<{ pins: unknown; holds: unknown; keeps: boolean }> {
    const [sessions] = await monitor.query<Row[]>('SHOW RWSPLIT SESSIONS');
    const found = sessions.find((it) => it['id'] === client.threadId);
    return { pins: found?.['pins'], holds: String(found?.['holds']), keeps: found?.['keeps'] !== '' };
  }

  test('keeps nothing where the function writes and leaves nothing on its connection', async () => {
    expect(await value(client, 'SELECT adds(1)')).toBe(2);
    expect(await bonds()).toEqual({ pins: '', holds: '', keeps: false });
    expect(await value(client, 'SELECT COUNT(*) FROM log WHERE v = 1'), 'it sees what was written').toBe(1);
    expect(await value(client, 'SELECT LAST_INSERT_ID()'), 'which a function sets back').toBe(0);
  });

  test('keeps what LAST_INSERT_ID() is after a procedure, as long as nobody else needs the connection', async () => {
    await client.query('CALL fills(5, @b)');
    const { pins, holds, keeps } = await bonds();
    expect({ pins, keeps }).toEqual({ pins: '', keeps: true });
    expect(holds).toMatch(/^user-variable \d+s, last-insert-id /);
    expect(await value(client, 'SELECT @b')).toBe(6);
    await client.query('CALL says(1)');
    expect(await bonds()).toMatchObject({ pins: '', keeps: true });
  });

  test('gives its connection to others that wait for one', async () => {
    const narrow = await startProxy({ poolMax: 1 });
    const one = await narrow.connect({ database: 'stored' });
    const other = await narrow.connect({ database: 'stored' });
    await one.query('CALL says(7)');
    const id = await value(one, 'SELECT MAX(id) FROM log /* rwsplit: primary */');
    await other.query('CALL says(8)');
    expect(await value(one, 'SELECT LAST_INSERT_ID()')).toBe(id);
    expect(await value(other, 'SELECT LAST_INSERT_ID()')).toBe(Number(id) + 1);
  });

  test('keeps its connection where it is not known what was left there', async () => {
    await client.query('CALL leaves(5)');
    expect((await bonds()).holds).toContain('procedure-call');
    expect(await value(client, 'SELECT @left')).toBe(5);
    await client.query('SELECT keeps()');
    expect((await bonds()).pins).toMatch(/^stored-function/);
    expect(await value(client, 'SELECT @kept')).toBe(1);
  });
});
