import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshSchema, untilReplicated } from '../cluster.js';
import { PRIMARY_ID, ranOn, startProxy, value, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
let client: Connection;
beforeAll(async () => {
  await freshSchema('temporary');
  proxy = await startProxy({ poolMax: 3 });
  const writer = await proxy.connect({ database: 'temporary' });
  await writer.query('CREATE TABLE t (id INT PRIMARY KEY)');
  await untilReplicated();
});
beforeEach(async () => {
  client = await proxy.connect({ database: 'temporary' });
});

describe('a session with a temporary table', () => {
  test('reads that one on the primary, and others on the replicas', async () => {
    await client.query('CREATE TEMPORARY TABLE mine (a INT)');
    await client.query('INSERT INTO mine VALUES (1)');
    for (let i = 0; i < 4; i++) {
      expect(await ranOn(client, 'FROM mine')).toBe(PRIMARY_ID);
      expect(await ranOn(client, 'FROM (SELECT 1) AS x LEFT JOIN t ON 1')).not.toBe(PRIMARY_ID);
      const [rows] = await client.execute('SELECT @@server_id AS id, a FROM mine WHERE a = ?', [1]);
      expect(rows).toEqual([{ id: PRIMARY_ID, a: 1 }]);
    }
  });

  test('is free again when it is dropped', async () => {
    await client.query('CREATE TEMPORARY TABLE IF NOT EXISTS `temporary`.`mine` SELECT 1 AS a');
    expect(await ranOn(client, 'FROM mine')).toBe(PRIMARY_ID);
    await client.query('DROP TEMPORARY TABLE mine');
    await expect(client.query('SELECT * FROM mine')).rejects.toThrow(/doesn't exist/);
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
  });

  test('stays on the primary for all where the name is not known any more', async () => {
    await client.query('CREATE TEMPORARY TABLE mine (a INT)');
    await client.query('ALTER TABLE mine RENAME TO yours');
    expect(await ranOn(client)).toBe(PRIMARY_ID);
    expect(await value(client, 'SELECT COUNT(*) FROM yours')).toBe(0);
  });

  test('keeps it from everybody else, also when others wait for connections and when it leaves', async () => {
    const leaving = await proxy.connect({ database: 'temporary' });
    await leaving.query('CREATE TEMPORARY TABLE mine (a INT)');
    const others = await Promise.all(Array.from({ length: 6 }, async () => proxy.connect({ database: 'temporary' })));
    const seen = async (): Promise<boolean[]> =>
      Promise.all(
        others.map(async (other) =>
          other.query('SELECT * FROM mine FOR UPDATE').then(
            () => true,
            () => false,
          ),
        ),
      );
    expect(await seen()).not.toContain(true);
    expect(await value(leaving, 'SELECT COUNT(*) FROM mine')).toBe(0);
    leaving.destroy();
    expect(await seen()).not.toContain(true);
  });
});
