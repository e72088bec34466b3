import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MariadbCluster } from '../mariadb/cluster.js';
import { ranOn, row, startProxy, value, type TestProxy } from '../proxy.js';

const PRIMARY = 1;
const SCHEMA = 'rwsplit_mariadb';

let cluster: MariadbCluster;
let proxy: TestProxy;
beforeAll(async () => {
  cluster = await MariadbCluster.start();
  proxy = await startProxy({ nodes: cluster.nodes });
});

beforeEach(async () => {
  await cluster.root(0).query(`CREATE OR REPLACE DATABASE ${SCHEMA}`);
  await cluster.root(0).query(`CREATE TABLE ${SCHEMA}.n (id INT AUTO_INCREMENT PRIMARY KEY, v INT)`);
  await cluster.root(0).query(`CREATE SEQUENCE ${SCHEMA}.seq`);
  await cluster.untilReplicated();
});

const connect = async () => proxy.connect({ database: SCHEMA });

/** Nothing that is written from now on gets to any replica, while `then` runs. */
async function whileNothingIsApplied(then: () => Promise<void>): Promise<void> {
  await Promise.all(cluster.replicas.map(async (replica) => replica.query('STOP SLAVE SQL_THREAD')));
  try {
    await then();
  } finally {
    await Promise.all(cluster.replicas.map(async (replica) => replica.query('START SLAVE')));
  }
}

test('the primary and its replicas are found, and reads are spread over all replicas', async () => {
  const client = await connect();
  const served = new Set<number>();
  for (let i = 0; i < 6; i++) served.add(await ranOn(client));
  expect(served).toEqual(new Set([2, 3]));
});

describe('what a session wrote it sees at once', () => {
  test('on a replica that has it', async () => {
    const client = await connect();
    for (let i = 1; i <= 20; i++) {
      await client.query('INSERT INTO n (v) VALUES (?)', [i]);
      expect(await row(client, 'SELECT COUNT(*) AS n, @@server_id <> 1 AS onReplica FROM n')).toMatchObject({ n: i });
    }
    await cluster.untilReplicated();
    expect(await ranOn(client, 'FROM n LIMIT 1')).not.toBe(PRIMARY);
  });

  test('on the primary, where no replica gets it', async () => {
    const client = await connect();
    const other = await connect();
    await whileNothingIsApplied(async () => {
      await client.query('INSERT INTO n (v) VALUES (1)');
      expect(await ranOn(client, 'FROM n')).toBe(PRIMARY);
      await client.beginTransaction();
      await client.query('INSERT INTO n (v) VALUES (2)');
      await client.commit();
      expect(await value(client, 'SELECT COUNT(*) FROM n')).toBe(2);
      expect(await value(other, 'SELECT COUNT(*) FROM n')).toBe(0);
    });
  });
});

test.each([
  'INSERT INTO n (v) VALUES (1)',
  'INSERT INTO n (v) VALUES (1) RETURNING id',
  'DELETE FROM n RETURNING id',
  'REPLACE INTO n (id, v) VALUES (1, 1) RETURNING v',
  'SELECT v FROM n FOR UPDATE',
  'SELECT v FROM n LOCK IN SHARE MODE',
  'SELECT v FROM n FOR UPDATE SKIP LOCKED',
  'SELECT NEXT VALUE FOR seq',
  'SELECT NEXTVAL(seq)',
  'SELECT PREVIOUS VALUE FOR seq',
  'SELECT LASTVAL(seq)',
  'SELECT SETVAL(seq, 50)',
  "EXECUTE IMMEDIATE 'INSERT INTO n (v) VALUES (1)'",
  'BEGIN NOT ATOMIC INSERT INTO n (v) VALUES (1); END',
  'SET STATEMENT max_statement_time = 10 FOR INSERT INTO n (v) VALUES (1)',
  '/*M! INSERT INTO n (v) VALUES (1) */',
  '/*!100100 INSERT INTO n (v) VALUES (1) */',
  'TRUNCATE TABLE n',
])('%s runs on the primary', async (sql) => {
  const client = await connect();
  expect(await served(client, sql)).toEqual([PRIMARY]);
});

test.each([
  'SELECT v FROM n LIMIT 1 ROWS EXAMINED 100',
  'SELECT v FROM n /*M! WHERE v > 1 */',
  'WITH RECURSIVE r AS (SELECT 1 AS a UNION SELECT a + 1 FROM r WHERE a < 5) SELECT * FROM r',
  "SELECT JSON_VALUE('{}', '$.a')",
  'VALUES (1), (2)',
])('%s runs on a replica', async (sql) => {
  const client = await connect();
  const [node] = await served(client, sql);
  expect(node).toBeGreaterThan(PRIMARY);
});

/** Which servers were sent a statement of the client. */
async function served(client: Connection, sql: string): Promise<number[]> {
  const counts = () =>
    cluster.nodes.map(({ host, port }) =>
      proxy.proxy
        .counts()
        .filter(({ node }) => node === `${host}:${port}`)
        .reduce((sum, { statements }) => sum + statements, 0),
    );
  const before = counts();
  await client.query(sql);
  return counts().flatMap((count, index) => (count > (before[index] ?? 0) ? [index + 1] : []));
}
