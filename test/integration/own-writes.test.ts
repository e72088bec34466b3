import type { Connection } from 'mysql2/promise';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshSchema, untilReplicated } from '../cluster.js';
import { asRoot, eventually, ranOn, startProxy, value, PRIMARY_ID, type TestProxy } from '../proxy.js';
import { delayReplicas, onReplicas } from '../replicas.js';
import { UNTOLD_WRITES, UNTOLD_ROUTINES } from '../untold-writes.js';

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
afterEach(async () => onReplicas('START REPLICA SQL_THREAD'));

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
    await onReplicas('STOP REPLICA SQL_THREAD');
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
    await onReplicas('STOP REPLICA SQL_THREAD');
    const writer = await proxy.connect({ database: 'own_writes' });
    await writer.query('INSERT INTO t (v) VALUES (2001)');
    // The monitor leaves a replica out that applies nothing; until it has looked, this one is answered by a replica.
    expect(await value(client, 'SELECT 1')).toBe(1);
  });
});

describe('what was committed without an answer that tells what, while no replica applies anything, is seen', () => {
  beforeAll(async () => {
    await asRoot(...UNTOLD_ROUTINES.map((sql) => sql.replaceAll('SCHEMA', 'own_writes')));
    await untilReplicated();
    // Replicas stay in use, however late they are.
    proxy = await startProxy({ options: { maxLagMs: 3_600_000 } });
    // What the function does is known: else its call would bind the session to the primary.
    await eventually(async () => {
      const caller = await proxy.connect({ database: 'own_writes' });
      try {
        await caller.query('TRUNCATE untold');
        await caller.query('SELECT untold_writes()');
        expect(await value(caller, '/* rwsplit: consistency=eventual */ SELECT @@server_id')).not.toBe(PRIMARY_ID);
      } finally {
        await caller.end();
      }
    });
  });

  afterEach(async () => delayReplicas(0));

  test.each(Object.entries(UNTOLD_WRITES))('%s', async (_, { statements, isAcknowledged }) => {
    const other = await proxy.connect({ database: 'own_writes' });
    await other.query("SET @rwsplit_consistency = 'global'");
    await client.query('TRUNCATE untold');
    await client.query('TRUNCATE untold_2');
    await untilReplicated();
    await delayReplicas(3_600);
    await eventually(() => expect(proxy.proxy.snapshot.replicas).toHaveLength(2));
    for (const sql of statements) await client.query(sql).catch(() => {});
    const count = 'SELECT (SELECT COUNT(*) FROM untold) + (SELECT COUNT(*) FROM untold_2)';
    expect(await value(client, `/* rwsplit: consistency=eventual */ ${count}`), 'a replica answers').toBe(0);
    for (let i = 0; i < 3; i++) {
      expect(await value(client, count)).toBe(1);
      if (isAcknowledged) expect(await value(other, count), 'another session, under global').toBe(1);
    }
  });
});
