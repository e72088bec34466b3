import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, freshSchema, untilReplicated } from '../cluster.js';
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
