import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PromiseSplitPool } from '../../driver/promise.js';
import { clusterInfo } from '../cluster.js';
import { MariadbCluster } from '../mariadb/cluster.js';
import { eventually } from '../proxy.js';
import { openPool, ranOn, value, type Row } from './driver.js';

const PRIMARY = 1;
const SCHEMA = 'driver_mariadb';

let cluster: MariadbCluster;
let pool: PromiseSplitPool;
beforeAll(async () => {
  cluster = await MariadbCluster.start();
});
beforeEach(async () => {
  await cluster.root(0).query(`CREATE OR REPLACE DATABASE ${SCHEMA}`);
  await cluster.root(0).query(`CREATE TABLE ${SCHEMA}.n (id INT AUTO_INCREMENT PRIMARY KEY, v INT)`);
  await cluster.root(0).query(`CREATE SEQUENCE ${SCHEMA}.seq`);
  await cluster.untilReplicated();
  pool = openPool({ nodes: cluster.nodes, database: SCHEMA, monitor: { interval: 100 } });
});

async function whileNothingIsApplied(then: () => Promise<void>): Promise<void> {
  await Promise.all(cluster.replicas.map(async (replica) => replica.query('STOP SLAVE SQL_THREAD')));
  try {
    await then();
  } finally {
    await Promise.all(cluster.replicas.map(async (replica) => replica.query('START SLAVE')));
  }
}

test('on MariaDB the primary and its replicas are found, and reads are spread over all replicas', async () => {
  const served = new Set<number>();
  for (let i = 0; i < 6; i++) served.add(await ranOn(pool));
  expect(served).toEqual(new Set([2, 3]));
  for (const sql of [
    'SELECT v FROM n FOR UPDATE',
    'SELECT NEXT VALUE FOR seq',
    'INSERT INTO n (v) VALUES (1) RETURNING id',
  ]) {
    expect(await pool.explain(sql), sql).toMatchObject({ to: 'primary' });
    await pool.query(sql);
  }
});

describe('on MariaDB, what was written through a pool is seen at once', () => {
  test('on a replica that has it', async () => {
    for (let i = 1; i <= 20; i++) {
      await pool.execute('INSERT INTO n (v) VALUES (?)', [i]);
      expect(await value(pool, 'SELECT COUNT(*) FROM n')).toBe(i);
    }
    await cluster.untilReplicated();
    expect(await ranOn(pool, 'FROM n LIMIT 1')).not.toBe(PRIMARY);
  });

  test.each([
    'INSERT INTO n (v) VALUES (1)',
    'INSERT INTO n (v) VALUES (1) RETURNING id',
    'DELETE FROM n RETURNING id',
    'SELECT NEXT VALUE FOR seq',
  ])('on the primary, where no replica gets it: %s', async (sql) => {
    await cluster.root(0).query(`INSERT INTO ${SCHEMA}.n (v) VALUES (1)`);
    await cluster.untilReplicated();
    const connection = await pool.getConnection();
    await connection.ping();
    await whileNothingIsApplied(async () => {
      for (const client of [pool, connection]) {
        await client.query(sql);
        expect(await ranOn(client, 'FROM (SELECT COUNT(*) FROM n) AS counted')).toBe(PRIMARY);
      }
    });
    connection.release();
  });
});

test('on MariaDB a transaction stays on the primary, a read-only one on a replica', async () => {
  const connection = await pool.getConnection();
  await connection.ping();
  await connection.beginTransaction();
  expect(await ranOn(connection)).toBe(PRIMARY);
  await connection.rollback();
  await connection.query('START TRANSACTION READ ONLY');
  const replica = await ranOn(connection, 'FROM (SELECT COUNT(*) FROM n) AS counted');
  expect(replica).not.toBe(PRIMARY);
  expect(await ranOn(connection)).toBe(replica);
  await expect(connection.query('INSERT INTO n (v) VALUES (1)')).rejects.toMatchObject({ errno: 1792 });
  await connection.commit();
  await connection.query("SET time_zone = '+05:00'");
  const [rows] = await connection.query<Row[]>('SELECT @@time_zone AS zone, @@server_id AS id');
  expect(rows[0]?.['zone']).toBe('+05:00');
  expect(rows[0]?.['id']).not.toBe(PRIMARY);
  connection.release();
});

test('on MariaDB what a replica refuses because it is read-only runs on the primary', async () => {
  const body = 'RETURNS INT DETERMINISTIC BEGIN INSERT INTO n (v) VALUES (1); RETURN 1; END';
  await cluster.root(0).query(`CREATE FUNCTION ${SCHEMA}.writes() ${body}`);
  await cluster.untilReplicated();
  expect(await value(pool, 'SELECT /* rwsplit: replica */ writes()')).toBe(1);
  expect(await value(pool, 'SELECT COUNT(*) FROM n')).toBe(1);
});

test('on MariaDB a pool follows when another server becomes the primary', async () => {
  await pool.query('INSERT INTO n (v) VALUES (1)');
  const [first, second, third] = [cluster.root(0), cluster.root(1), cluster.root(2)];
  await first.query('SET GLOBAL read_only = 1');
  await cluster.untilReplicated();
  const { user } = clusterInfo().accounts.root;
  const [, node = { host: '', port: 0 }] = cluster.nodes;
  const follow = async (server: typeof first): Promise<void> => {
    await server.query('STOP SLAVE');
    const sql =
      'CHANGE MASTER TO MASTER_HOST=?, MASTER_PORT=?, MASTER_USER=?, MASTER_PASSWORD=?, MASTER_USE_GTID=slave_pos';
    await server.query(sql, [node.host, node.port, user, clusterInfo().accounts.root.password]);
    await server.query('START SLAVE');
  };
  await second.query('STOP SLAVE');
  await second.query('RESET SLAVE ALL');
  await second.query('SET GLOBAL read_only = 0');
  await follow(third);
  await first.query('SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_current_pos');
  await follow(first);
  await eventually(async () => {
    await pool.query('INSERT INTO n (v) VALUES (2)');
    expect(await ranOn(pool, 'FOR UPDATE')).toBe(2);
  });
  const before = Number(await value(pool.primary, 'SELECT COUNT(*) FROM n'));
  await pool.query('INSERT INTO n (v) VALUES (3)');
  expect(await value(pool, 'SELECT COUNT(*) FROM n')).toBe(before + 1);
});
