import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { asRoot, PRIMARY_ID, startProxy, value, type TestProxy } from '../proxy.js';

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
    expect(await nodeOf('changes()')).not.toBe(PRIMARY_ID);
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
