import { beforeAll, expect, test } from 'vitest';
import { createPool } from '../../driver/promise.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated, whileLocked } from '../cluster.js';
import { onReplicas } from '../replicas.js';
import { asRoot, eventually, PRIMARY_ID } from '../proxy.js';
import { openPool, options, ranOn, value } from './driver.js';

const SCHEMA = 'driver_rules';

beforeAll(async () => {
  await freshSchema(SCHEMA);
  await asRoot(
    `USE ${SCHEMA}`,
    `CREATE TABLE ${SCHEMA}.cart (id INT PRIMARY KEY)`,
    `CREATE TABLE ${SCHEMA}.item (id INT PRIMARY KEY)`,
    `INSERT INTO ${SCHEMA}.item VALUES (1)`,
    `CREATE FUNCTION ${SCHEMA}.counts() RETURNS INT READS SQL DATA BEGIN DECLARE n INT; SELECT COUNT(*) INTO n FROM item; RETURN n; END`,
    `CREATE FUNCTION ${SCHEMA}.writes() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO cart VALUES (1); RETURN 1; END`,
    `CREATE FUNCTION ${SCHEMA}.holds_rows() RETURNS INT READS SQL DATA BEGIN DECLARE n INT; SELECT COUNT(*) INTO n FROM cart FOR UPDATE; RETURN n; END`,
    `CREATE FUNCTION ${SCHEMA}.is_remade() RETURNS INT DETERMINISTIC RETURN 1`,
    `CREATE SQL SECURITY INVOKER VIEW ${SCHEMA}.writing AS SELECT writes() AS w FROM item`,
    `CREATE SQL SECURITY INVOKER VIEW ${SCHEMA}.counting AS SELECT counts() AS n FROM item`,
  );
  await untilReplicated();
});

/** As the pool names it. */
function nodeName(index: number): string {
  const { host, port } = nodeInfo(index);
  return `${host}:${port}`;
}

test('a rule sends the reads that fit it where it says, and moves no write; a hint outweighs it', async () => {
  const pool = openPool({
    database: SCHEMA,
    consistency: 'eventual',
    rules: [
      { table: `${SCHEMA}.cart`, to: 'primary' },
      { user: 'somebody', to: 'primary' },
      { user: clusterInfo().accounts.app.user, to: `node=${nodeName(2)}` },
    ],
  });
  const connection = await pool.getConnection();
  await connection.ping();
  for (const client of [pool, connection]) {
    for (let i = 0; i < 3; i++) expect(await ranOn(client)).toBe(3);
    expect(await ranOn(client, 'FROM item LEFT JOIN cart USING (id)')).toBe(PRIMARY_ID);
    expect(await ranOn(client, `/* rwsplit: node=${nodeName(1)} */`)).toBe(2);
    await client.query('DELETE FROM item WHERE id = 9');
  }
  await connection.query('START TRANSACTION READ ONLY');
  expect(await ranOn(connection, 'FROM item')).toBe(3);
  await connection.query('COMMIT');
  expect(await pool.explain('SELECT * FROM cart')).toMatchObject({ to: 'primary', reason: 'rule' });
  expect(() => createPool(options({ rules: [{ to: 'anywhere' }] }))).toThrow(TypeError);
});

test('reads that no replica can take have a bound on the primary: others wait, and writes do not', async () => {
  const [primary] = clusterInfo().nodes;
  const balance = { primaryReadsMax: 1 };
  const pool = openPool({ database: SCHEMA, nodes: primary === undefined ? [] : [primary], balance });
  const impatient = openPool({
    database: SCHEMA,
    nodes: primary === undefined ? [] : [primary],
    balance,
    acquireTimeout: 200,
  });
  const blocked: Promise<number>[] = [];
  const order: string[] = [];
  let second: Promise<unknown> | undefined;
  await whileLocked(`${SCHEMA}.item`, async () => {
    blocked.push(ranOn(pool, 'FROM item'), ranOn(impatient, 'FROM item'));
    second = ranOn(pool).then(() => order.push('second'));
    await expect(ranOn(impatient)).rejects.toMatchObject({
      code: 'RWSPLIT_PRIMARY_BUSY',
      outcome: 'not-executed',
      route: { to: 'primary', reason: 'no-replica' },
    });
    await pool.query('DELETE FROM cart');
    expect(order).toEqual([]);
  });
  expect(await Promise.all(blocked)).toEqual([PRIMARY_ID, PRIMARY_ID]);
  await second;
});

test('a primary that is the only node answers as many reads at once as there are connections', async () => {
  const pool = openPool({ database: SCHEMA, nodes: [nodeInfo(0)], connectionLimit: 4 });
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const waiting = `SELECT COUNT(*) AS n FROM performance_schema.processlist WHERE DB = '${SCHEMA}' AND STATE LIKE 'Waiting for table%'`;
  const reads: Promise<number>[] = [];
  await whileLocked(`${SCHEMA}.item`, async () => {
    reads.push(...Array.from({ length: 4 }, async () => ranOn(pool, 'FROM item')));
    await eventually(async () => expect((await root.query(waiting))[0]).toEqual([{ n: 4 }]));
  });
  expect(await Promise.all(reads)).toEqual(Array.from({ length: 4 }, () => PRIMARY_ID));
});

test('a call of a stored function that only reads runs on replicas, any other on the primary', async () => {
  const pool = openPool({ database: SCHEMA });
  // A connection of its own: one on which an unknown function ran keeps what that may have left.
  const connection = await pool.getConnection();
  await connection.ping();
  const call = (name: string): string => `FROM item WHERE ${name}() IS NOT NULL`;
  await eventually(async () => expect(await ranOn(pool, call('counts'))).not.toBe(PRIMARY_ID));
  for (const client of [pool, connection]) {
    await eventually(async () => expect(await ranOn(client, call('counts'))).not.toBe(PRIMARY_ID));
    expect(await ranOn(client, call('holds_rows'))).toBe(PRIMARY_ID);
    await client.query('DELETE FROM cart');
    expect(await ranOn(client, call('writes'))).toBe(PRIMARY_ID);
    expect(await value(client, 'SELECT COUNT(*) FROM cart')).toBe(1);
  }
  connection.release();
});

test('a stored function that is made anew through the pool is not known any more', async () => {
  const pool = openPool({ database: SCHEMA, ...clusterInfo().accounts.root });
  await eventually(async () => expect(await ranOn(pool, 'FROM item WHERE is_remade() = 1')).not.toBe(PRIMARY_ID));
  await pool.query('DROP FUNCTION is_remade');
  const body = 'BEGIN INSERT INTO cart VALUES (1); RETURN 1; END';
  await pool.query(`CREATE FUNCTION is_remade() RETURNS INT DETERMINISTIC MODIFIES SQL DATA ${body}`);
  await pool.query('DELETE FROM cart');
  expect(await ranOn(pool, 'FROM item WHERE is_remade() = 1')).toBe(PRIMARY_ID);
});

test('where the user cannot see what functions do, all calls run on the primary', async () => {
  const account = { user: 'driver_rules', password: 'rules-1' };
  await asRoot(
    `CREATE USER IF NOT EXISTS ${account.user} IDENTIFIED BY '${account.password}'`,
    `GRANT SELECT, EXECUTE ON ${SCHEMA}.* TO ${account.user}`,
  );
  const pool = openPool({ database: SCHEMA, ...account });
  for (let i = 0; i < 10; i++) expect(await ranOn(pool, 'FROM item WHERE counts() = 1')).toBe(PRIMARY_ID);
});

test('a view that writes by what it calls is refused by a replica, and runs on the primary, at once from then on', async () => {
  const pool = openPool({ database: SCHEMA });
  const connection = await pool.getConnection();
  await connection.ping();
  for (const client of [pool, connection]) {
    for (const sql of ['SELECT w FROM writing', 'SELECT /* rwsplit: replica */ writes()']) {
      await client.query('DELETE FROM cart');
      await untilReplicated();
      await onReplicas('STOP REPLICA SQL_THREAD');
      try {
        expect(await value(client, sql)).toBe(1);
        expect(await value(client, 'SELECT COUNT(*) FROM cart'), sql).toBe(1);
      } finally {
        await onReplicas('START REPLICA SQL_THREAD');
      }
    }
    // A replica that was looked at while its applier stood still comes back with the next look.
    await eventually(async () => {
      expect(await value(client, 'SELECT @@server_id FROM counting')).not.toBe(PRIMARY_ID);
    });
  }
  expect(await pool.explain('SELECT w FROM writing')).toMatchObject({ to: 'primary', reason: 'replica-refused' });
  connection.release();
});
