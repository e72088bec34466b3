import { createConnection, type Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MariadbCluster } from '../mariadb/cluster.js';
import { ranOn, row, startProxy, value, type Row, type TestProxy } from '../proxy.js';

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
    await whileNothingIsApplied(async () => {
      await client.query('INSERT INTO n (v) VALUES (1)');
      expect(await ranOn(client, 'FROM n')).toBe(PRIMARY);
      await client.beginTransaction();
      await client.query('INSERT INTO n (v) VALUES (2)');
      await client.commit();
      expect(await value(client, 'SELECT COUNT(*) FROM n')).toBe(2);
      // What others read is left open: soon nothing is read from replicas that apply nothing.
      for (const replica of cluster.replicas) expect(await value(replica, `SELECT COUNT(*) FROM ${SCHEMA}.n`)).toBe(0);
    });
  });
});

test.each(['INSERT INTO n (v) VALUES (1) RETURNING id', 'DELETE FROM n RETURNING id', 'SELECT NEXT VALUE FOR seq'])(
  'what was written by what gives rows, %s, is seen at once',
  async (sql) => {
    const client = await connect();
    await cluster.root(0).query(`INSERT INTO ${SCHEMA}.n (v) VALUES (1)`);
    await cluster.untilReplicated();
    await whileNothingIsApplied(async () => {
      await client.query(sql);
      expect(await ranOn(client, 'FROM (SELECT COUNT(*) FROM n) AS counted')).toBe(PRIMARY);
    });
  },
);

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

describe('what a session has set is there wherever its statements run', () => {
  const SETTINGS: readonly (readonly [set: string, ask: string, expected: unknown])[] = [
    ["SET time_zone = '+05:00'", '@@time_zone', '+05:00'],
    ["SET sql_mode = 'ANSI_QUOTES'", '@@sql_mode', 'ANSI_QUOTES'],
    ['SET NAMES latin1 COLLATE latin1_bin', '@@collation_connection', 'latin1_bin'],
    ['SET join_cache_level = 4', '@@join_cache_level', 4],
    ['SET max_statement_time = 7.5', '@@max_statement_time', 7.5],
    ['SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', '@@tx_isolation', 'READ-COMMITTED'],
    ['USE mysql_other', 'DATABASE()', 'mysql_other'],
  ];

  test.each(SETTINGS)('%s', async (set, ask, expected) => {
    await cluster.root(0).query('CREATE OR REPLACE DATABASE mysql_other');
    await cluster.untilReplicated();
    const client = await connect();
    await client.query(set);
    for (let i = 0; i < 4; i++) {
      const seen = await row(client, `SELECT ${ask} AS seen, @@server_id AS id`);
      expect(String(seen['seen'])).toBe(String(expected));
      expect(seen['id']).not.toBe(PRIMARY);
    }
    const other = await connect();
    for (let i = 0; i < 4; i++) expect(String(await value(other, `SELECT ${ask}`))).not.toBe(String(expected));
  });

  test.each(['SELECT 1', 'INSERT INTO n (v) VALUES (1)'])('but not what was for one statement, %s', async (sql) => {
    const client = await connect();
    await client.query("SET time_zone = '+01:00'");
    await client.query(`SET STATEMENT time_zone = '+07:00', sort_buffer_size = 400000 FOR ${sql}`);
    for (let i = 0; i < 4; i++) {
      expect(await row(client, 'SELECT @@time_zone AS zone, @@sort_buffer_size AS size')).toMatchObject({
        zone: '+01:00',
        size: 2_097_152,
      });
    }
  });
});

test('prepared statements run on replicas and on the primary', async () => {
  const client = await connect();
  await client.execute('INSERT INTO n (v) VALUES (?)', [7]);
  await cluster.untilReplicated();
  for (let i = 0; i < 4; i++) {
    const [rows] = await client.execute<Row[]>('SELECT v, @@server_id <> 1 AS onReplica FROM n WHERE v = ?', [7]);
    expect(rows).toEqual([{ v: 7, onReplica: 1 }]);
  }
});

test('a transaction stays on the primary, a read-only one on a replica, and a temporary table with its session', async () => {
  const client = await connect();
  await client.query('START TRANSACTION');
  expect(await ranOn(client)).toBe(PRIMARY);
  await client.query('COMMIT');
  await client.query('START TRANSACTION READ ONLY');
  const replica = await ranOn(client);
  expect(replica).not.toBe(PRIMARY);
  expect(await ranOn(client)).toBe(replica);
  await client.query('COMMIT');
  await client.query('CREATE TEMPORARY TABLE t (a INT)');
  await client.query('INSERT INTO t VALUES (5)');
  expect(await value(client, 'SELECT a FROM t')).toBe(5);
  await cluster.untilReplicated();
  expect(await ranOn(client, 'FROM n RIGHT JOIN (SELECT 1) AS one ON TRUE')).not.toBe(PRIMARY);
});

test('what a replica refuses because it is read-only runs on the primary', async () => {
  await cluster
    .root(0)
    .query(
      `CREATE FUNCTION ${SCHEMA}.writes() RETURNS INT DETERMINISTIC BEGIN INSERT INTO n (v) VALUES (1); RETURN 1; END`,
    );
  await cluster.untilReplicated();
  const client = await connect();
  expect(await value(client, 'SELECT /* rwsplit: replica */ writes()')).toBe(1);
  expect(await value(client, 'SELECT COUNT(*) FROM n')).toBe(1);
});

test('a session whose sql_mode is ORACLE stays on the primary, until that is taken back', async () => {
  const client = await connect();
  await client.query("SET sql_mode = 'ORACLE'");
  expect(await ranOn(client)).toBe(PRIMARY);
  // In this mode a sequence is asked like a table.
  expect(await served(client, 'SELECT seq.nextval')).toEqual([PRIMARY]);
  await client.query('SET sql_mode = DEFAULT');
  expect(await ranOn(client)).not.toBe(PRIMARY);
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

describe('roles', () => {
  test('go along to other connections, and are after COM_RESET_CONNECTION what they are on a server', async () => {
    const root = cluster.root(0);
    await root.query("CREATE OR REPLACE USER with_roles IDENTIFIED BY 'roles-1'");
    await root.query('CREATE OR REPLACE ROLE reader');
    await root.query('GRANT reader TO with_roles');
    await cluster.untilReplicated();
    const account = { user: 'with_roles', password: 'roles-1' };
    const { host = '', port = 0 } = cluster.nodes[0] ?? {};
    const proxied = await proxy.connect(account);
    const alone = await createConnection({ host, port, ...account });
    const roles = async () => Promise.all([proxied, alone].map(async (it) => value(it, 'SELECT CURRENT_ROLE()')));
    try {
      for (const sql of ['DO 1', 'SET ROLE reader', 'SET ROLE NONE', 'SET ROLE reader', 'DO 2']) {
        await Promise.all([proxied.query(sql), alone.query(sql)]);
        const [seen, expected] = await roles();
        expect(seen, sql).toBe(expected);
      }
      expect(await ranOn(proxied)).not.toBe(PRIMARY);
      await Promise.all([proxied.reset(), alone.reset()]);
      const [seen, expected] = await roles();
      expect(seen).toBe(expected);
    } finally {
      await alone.end();
    }
  });
});
