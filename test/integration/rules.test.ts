import { beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/classify/digest.js';
import { clusterInfo, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { PRIMARY_ID, ranOn, startProxy } from '../proxy.js';
import { MYSQL } from '../unit/classify/modes.js';

beforeAll(async () => {
  await freshSchema('rules');
  await freshSchema('rules_2');
  const own = await startProxy();
  const writer = await own.connect({ database: 'rules' });
  await writer.query('CREATE TABLE cart (id INT PRIMARY KEY)');
  await writer.query('CREATE TABLE item (id INT PRIMARY KEY)');
  await writer.query('CREATE TABLE rules_2.cart (id INT PRIMARY KEY)');
  await untilReplicated();
});

/** As the configuration names it. */
function nodeName(index: number): string {
  const { host, port } = nodeInfo(index);
  return `${host}:${port}`;
}

describe('a rule', () => {
  test('for a table sends the reads that name it where it says, and no others', async () => {
    const own = await startProxy({ rules: [{ table: 'rules.cart', to: 'primary' }] });
    const client = await own.connect({ database: 'rules' });
    for (const from of ['cart', 'item JOIN `cart` USING (id)', '(SELECT * FROM rules.cart) AS x']) {
      expect(await ranOn(client, `FROM (SELECT 1) AS a LEFT JOIN ${from} ON 1`)).toBe(PRIMARY_ID);
    }
    expect(await ranOn(client, 'FROM (SELECT 1) AS a LEFT JOIN item ON 1')).not.toBe(PRIMARY_ID);
    expect(await ranOn(client, 'FROM (SELECT 1) AS a LEFT JOIN rules_2.cart ON 1')).not.toBe(PRIMARY_ID);
    expect(await ranOn(client, "FROM (SELECT 'cart') AS a")).not.toBe(PRIMARY_ID);
    await client.query('USE rules_2');
    expect(await ranOn(client, 'FROM (SELECT 1) AS a LEFT JOIN cart ON 1')).not.toBe(PRIMARY_ID);
  });

  test('for a user or a schema can name a node, also for read-only transactions; the first that fits counts', async () => {
    const { user } = clusterInfo().accounts.app;
    const own = await startProxy({
      rules: [
        { user: 'somebody', to: 'primary' },
        { schema: 'rules_2', to: `node=${nodeName(1)}` },
        { user, to: `node=${nodeName(2)}` },
      ],
    });
    const client = await own.connect({ database: 'rules' });
    for (let i = 0; i < 3; i++) expect(await ranOn(client)).toBe(3);
    await client.query('START TRANSACTION READ ONLY');
    expect(await ranOn(client)).toBe(3);
    await client.query('COMMIT');
    await client.query('USE rules_2');
    for (let i = 0; i < 3; i++) expect(await ranOn(client)).toBe(2);
    expect(await ranOn(client, '/* rwsplit: primary */')).toBe(PRIMARY_ID);
  });

  test('for a digest holds for all statements of that digest', async () => {
    const sql = Buffer.from('SELECT @@server_id FROM (SELECT 1) AS x WHERE 1 = 1');
    const digest = digestOf(sql, 0, sql.length, MYSQL).hash;
    const own = await startProxy({ rules: [{ digest, to: 'primary' }] });
    const client = await own.connect();
    for (let i = 0; i < 3; i++) expect(await ranOn(client, `FROM (SELECT ${i}) AS x WHERE 1 = ${i} OR 1`)).not.toBe(1);
    for (let i = 0; i < 3; i++) await client.query(`SELECT @@server_id FROM (SELECT ${i}) AS x WHERE 1 = ${i}`);
    expect(own.proxy.counts()).toContainEqual({ node: nodeName(0), target: 'primary', reason: 'rule', statements: 3 });
  });

  test('never sends a write to a replica', async () => {
    const { user } = clusterInfo().accounts.app;
    const own = await startProxy({ rules: [{ user, to: 'replica' }] });
    const client = await own.connect({ database: 'rules' });
    await client.query('INSERT INTO item VALUES (1)');
    await client.query('SELECT * FROM item FOR UPDATE');
    await client.query('BEGIN');
    await client.query('DELETE FROM item');
    await client.query('COMMIT');
    expect(own.proxy.counts().filter(({ target }) => target !== 'primary')).toEqual([]);
  });
});
