import type { Connection } from 'mysql2/promise';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema } from '../cluster.js';
import { ranOn, startProxy, value, PRIMARY_ID, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
let client: Connection;
beforeAll(async () => {
  await freshSchema('own_writes');
  proxy = await startProxy();
  const writer = await proxy.connect({ database: 'own_writes' });
  await writer.query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
});
beforeEach(async () => {
  client = await proxy.connect({ database: 'own_writes' });
});
afterEach(async () => replicas('START REPLICA SQL_THREAD'));

/** Runs a statement on each replica, past the proxy. */
async function replicas(sql: string): Promise<void> {
  const { nodes, accounts } = clusterInfo();
  for (let i = 1; i < nodes.length; i++) {
    const connection = await connectDirect(i, accounts.root);
    await connection.query(sql);
  }
}

describe('a session sees what it has written', () => {
  test('right away, by every kind of write and read', async () => {
    for (let i = 1; i <= 50; i++) {
      await client.query('INSERT INTO t (v) VALUES (?)', [i]);
      expect(await value(client, `SELECT COUNT(*) FROM t WHERE v = ${i}`)).toBe(1);
      await client.execute('UPDATE t SET v = -v WHERE v = ?', [i]);
      const [rows] = await client.execute('SELECT COUNT(*) AS n FROM t WHERE v = ?', [-i]);
      expect(rows).toEqual([{ n: 1 }]);
    }
  });

  test('while no replica applies anything: then the primary answers', async () => {
    await replicas('STOP REPLICA SQL_THREAD');
    await client.query('INSERT INTO t (v) VALUES (1001)');
    for (let i = 0; i < 4; i++) expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 1001')).toBe(1);
    await client.beginTransaction();
    await client.query('INSERT INTO t (v) VALUES (1002)');
    await client.commit();
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 1002')).toBe(1);
    await client.query('CREATE TABLE made (id INT)');
    expect(await value(client, 'SELECT COUNT(*) FROM made')).toBe(0);
    await client.query('DROP TABLE made');
    expect(await ranOn(client)).toBe(PRIMARY_ID);
  });

  test('and one that has written nothing does not wait', async () => {
    await replicas('STOP REPLICA SQL_THREAD');
    const writer = await proxy.connect({ database: 'own_writes' });
    await writer.query('INSERT INTO t (v) VALUES (2001)');
    // The monitor leaves a replica out that applies nothing; until it has looked, this one is answered by a replica.
    expect(await value(client, 'SELECT 1')).toBe(1);
  });
});
