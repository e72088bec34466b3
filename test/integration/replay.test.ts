import type { Connection, ResultSetHeader } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { HoldingRelay } from '../holding-relay.js';
import { asRoot, eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';

const CLIENT = { user: 'replayer', password: 'x', database: 'replay' };

let relay: HoldingRelay;
let proxy: TestProxy;
/** As another client, past the proxy. */
let direct: Connection;

beforeAll(async () => {
  await freshSchema('replay');
  await asRoot(
    'DROP USER IF EXISTS replayer',
    'CREATE USER replayer IDENTIFIED WITH caching_sha2_password BY "x"',
    'GRANT ALL ON replay.* TO replayer',
    'CREATE TABLE replay.t (id INT PRIMARY KEY, n INT NOT NULL DEFAULT 0, s VARCHAR(40))',
    'CREATE TABLE replay.parent (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(40))',
    'CREATE TABLE replay.child (id INT AUTO_INCREMENT PRIMARY KEY, parent INT)',
    'CREATE FUNCTION replay.writes(i INT) RETURNS INT DETERMINISTIC BEGIN INSERT INTO replay.t (id) VALUES (i); RETURN i; END',
    'CREATE PROCEDURE replay.nothing() BEGIN END',
  );
  await untilReplicated();
  relay = await HoldingRelay.start(nodeInfo(0));
  proxy = await startProxy({
    nodes: [relay.address, nodeInfo(1), nodeInfo(2)],
    options: { replay: { transactions: true, statements: 20, bytes: 10_000 } },
  });
  direct = await connectDirect(0, { ...clusterInfo().accounts.root, database: 'replay' });
});
afterAll(() => relay.stop());
beforeEach(async () => {
  await direct.query('DELETE FROM t');
  await direct.query('INSERT INTO t (id, n) VALUES (1, 10), (2, 20)');
});

async function connect(): Promise<Connection> {
  return proxy.connect(CLIENT);
}

/** All connections to the primary break, and its server ends what was open on them. */
async function breakConnections(): Promise<void> {
  relay.cut();
  const open = "SELECT COUNT(*) FROM performance_schema.processlist WHERE USER = 'replayer'";
  await eventually(async () => expect(await value(direct, open)).toBe(0));
  relay.letNew();
}

async function killClients(): Promise<void> {
  const [found] = await direct.query<Row[]>(
    "SELECT ID AS id FROM performance_schema.processlist WHERE USER = 'replayer'",
  );
  for (const { id } of found) await direct.query('KILL ?', [id]).catch(() => {});
}

async function ids(): Promise<string> {
  return String(await value(direct, 'SELECT GROUP_CONCAT(id ORDER BY id) FROM t'));
}

/** Until a statement waits for another one's lock. */
async function untilBlocked(): Promise<void> {
  const waiting = 'SELECT COUNT(*) FROM performance_schema.data_lock_waits';
  await eventually(async () => expect(await value(direct, waiting)).toBe(1));
}

async function outcomeOf(running: Promise<unknown>): Promise<unknown> {
  return running.then(
    () => 'done',
    (error: unknown) => error,
  );
}

const LOST = { errno: 1213, sqlState: '40001' };

describe('a transaction whose connection is lost', () => {
  test('goes on on another one, and what it writes is there once', async () => {
    const client = await connect();
    await client.beginTransaction();
    await client.query('INSERT INTO t (id) VALUES (3)');
    await client.query('UPDATE t SET n = n + 1 WHERE id = 1');
    expect(await value(client, 'SELECT n FROM t WHERE id = 1')).toBe(11);
    await client.query('SAVEPOINT a');
    await client.query('INSERT INTO t (id) VALUES (4)');
    await client.query('ROLLBACK TO a');
    await expect(client.query('INSERT INTO t (id) VALUES (1)')).rejects.toMatchObject({ errno: 1062 });
    await breakConnections();
    expect(await value(client, 'SELECT n FROM t WHERE id = 1')).toBe(11);
    await client.query('INSERT INTO t (id) VALUES (5)');
    expect(await value(direct, 'SELECT n FROM t WHERE id = 1')).toBe(10);
    await client.commit();
    expect(await ids()).toBe('1,2,3,5');
    expect(await value(direct, 'SELECT n FROM t WHERE id = 1')).toBe(11);
  });

  test('may be lost again and again', async () => {
    const client = await connect();
    await client.beginTransaction();
    for (let id = 3; id < 7; id++) {
      await client.query('INSERT INTO t (id) VALUES (?)', [id]);
      await breakConnections();
    }
    await client.commit();
    expect(await ids()).toBe('1,2,3,4,5,6');
  });

  test('goes on with its COMMIT, where that had not been sent', async () => {
    const client = await connect();
    await client.beginTransaction();
    await client.query('INSERT INTO t (id) VALUES (3)');
    await breakConnections();
    await client.commit();
    expect(await ids()).toBe('1,2,3');
  });

  test('is not run again for a ROLLBACK', async () => {
    const client = await connect();
    await client.beginTransaction();
    await client.query('INSERT INTO t (id) VALUES (3)');
    await breakConnections();
    await client.rollback();
    expect(await ids()).toBe('1,2');
    await client.query('INSERT INTO t (id) VALUES (4)');
    expect(await ids()).toBe('1,2,4');
  });

  test('goes on with prepared statements, with the types that they had', async () => {
    const client = await connect();
    await client.beginTransaction();
    await client.execute('INSERT INTO t (id, n, s) VALUES (?, ?, ?)', [3, 30, 'three']);
    await client.execute('INSERT INTO t (id, n, s) VALUES (?, ?, ?)', [4, '40', 'four']);
    await client.execute('INSERT INTO t (id, n, s) VALUES (?, ?, ?)', [5, 50, null]);
    const [rows] = await client.execute('SELECT * FROM t WHERE id > ?', [2]);
    await breakConnections();
    await client.execute('INSERT INTO t (id, n, s) VALUES (?, ?, ?)', [6, 60, 'six']);
    await client.commit();
    const [now] = await direct.query('SELECT * FROM t WHERE id IN (3, 4, 5)');
    expect(now).toEqual(rows);
    expect(await ids()).toBe('1,2,3,4,5,6');
  });

  test('is in the state that its session was in when it began, and in that of its own SET statements', async () => {
    const client = await connect();
    await client.query("SET SESSION sql_mode = 'ANSI_QUOTES', time_zone = '+03:00'");
    await client.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await client.beginTransaction();
    await client.query('INSERT INTO t (id, s) VALUES (3, "id")');
    await client.query("SET SESSION sql_mode = ''");
    await client.query('INSERT INTO t (id, s) VALUES (4, "text")');
    await breakConnections();
    await client.query('INSERT INTO t (id, s) VALUES (5, "text")');
    expect(await value(client, 'SELECT @@time_zone')).toBe('+03:00');
    await direct.query('UPDATE t SET n = 99 WHERE id = 1');
    expect(await value(client, 'SELECT n FROM t WHERE id = 1')).toBe(99);
    await direct.query('UPDATE t SET n = 100 WHERE id = 1');
    expect(await value(client, 'SELECT n FROM t WHERE id = 1')).toBe(100);
    await client.commit();
    expect(await value(direct, 'SELECT GROUP_CONCAT(s ORDER BY id) FROM t')).toBe('3,text,text');
    expect(await value(client, 'SELECT @@sql_mode')).toBe('');
  });

  test('without autocommit goes on too', async () => {
    const client = await connect();
    await client.query('SET autocommit = 0');
    await client.query('INSERT INTO t (id) VALUES (3)');
    await breakConnections();
    await client.query('INSERT INTO t (id) VALUES (4)');
    await client.query('COMMIT');
    await client.query('INSERT INTO t (id) VALUES (5)');
    await breakConnections();
    await client.query('ROLLBACK');
    expect(await ids()).toBe('1,2,3,4');
  });

  test('has the same LAST_INSERT_ID() as before, of its own and of the time before it', async () => {
    const client = await connect();
    const [before] = await client.query<ResultSetHeader>("INSERT INTO parent (s) VALUES ('before')");
    await client.beginTransaction();
    await client.query('INSERT INTO child (parent) VALUES (LAST_INSERT_ID())');
    // Numbers that were given to what is rolled back are not given again, by the same server.
    await breakConnections();
    await client.query('UPDATE t SET n = LAST_INSERT_ID() WHERE id = 1');
    const own = await value(client, 'SELECT LAST_INSERT_ID()');
    await client.commit();
    expect(await value(direct, 'SELECT COUNT(*) FROM child WHERE parent = ?', [before.insertId])).toBe(1);
    expect(await value(direct, 'SELECT MAX(id) FROM child')).toBe(own);
    expect(await value(direct, 'SELECT n FROM t WHERE id = 1')).toBe(own);
  });

  test('while a write of it is under way has that write done once', async () => {
    const client = await connect();
    await direct.query('BEGIN');
    await direct.query('UPDATE t SET n = n + 1 WHERE id = 1');
    await client.beginTransaction();
    await client.query('INSERT INTO t (id) VALUES (3)');
    const update = outcomeOf(client.query('UPDATE t SET n = n + 100 WHERE id = 1'));
    await untilBlocked();
    relay.cut();
    relay.letNew();
    await direct.query('ROLLBACK');
    expect(await update).toBe('done');
    await client.commit();
    expect(await ids()).toBe('1,2,3');
    expect(await value(direct, 'SELECT n FROM t WHERE id = 1')).toBe(110);
  });
});

describe('a transaction that cannot be run again costs that, once, as after a deadlock', () => {
  test('where what it has read is another now', async () => {
    const client = await connect();
    await client.beginTransaction();
    expect(await value(client, 'SELECT n FROM t WHERE id = 1')).toBe(10);
    await client.query('INSERT INTO t (id) VALUES (3)');
    await direct.query('UPDATE t SET n = 11 WHERE id = 1');
    await breakConnections();
    await expect(client.query('INSERT INTO t (id) VALUES (4)')).rejects.toMatchObject({
      ...LOST,
      message: expect.stringMatching(/another result.*nothing of it was committed: run it again/),
    });
    expect(await ids()).toBe('1,2');
    await client.beginTransaction();
    expect(await value(client, 'SELECT n FROM t WHERE id = 1')).toBe(11);
    await client.query('INSERT INTO t (id) VALUES (3)');
    await client.commit();
    expect(await ids()).toBe('1,2,3');
  });

  test('where its write has touched other rows', async () => {
    const client = await connect();
    await client.beginTransaction();
    await client.query('UPDATE t SET s = "x" WHERE n >= 10');
    await breakConnections();
    await direct.query('DELETE FROM t WHERE id = 2');
    await expect(client.commit()).rejects.toMatchObject(LOST);
    expect(await value(direct, 'SELECT COUNT(*) FROM t WHERE s = "x"')).toBe(0);
  });

  test('where it has told what no other server tells, or no other time', async () => {
    for (const sql of ['SELECT UUID()', 'SELECT NOW(6)']) {
      const client = await connect();
      await client.beginTransaction();
      await client.query(sql);
      await client.query('INSERT INTO t (id) VALUES (3)');
      await breakConnections();
      await expect(client.commit()).rejects.toMatchObject(LOST);
    }
    expect(await ids()).toBe('1,2');
  });

  test.each([
    ['called a procedure', 'CALL nothing()'],
    ['called a stored function in a write', 'INSERT INTO parent (id) VALUES (100 + writes(30))'],
    ['had more statements than are kept', Array.from({ length: 21 }, (_, at) => `UPDATE t SET n = ${at} WHERE id = 2`)],
    ['had longer statements than are kept', `UPDATE t SET s = '' WHERE id = 2 /* ${'x'.repeat(10_000)} */`],
  ])('where it has %s', async (_what, sql) => {
    const client = await connect();
    await client.beginTransaction();
    for (const statement of [sql].flat()) await client.query(statement);
    await breakConnections();
    await expect(client.query('INSERT INTO t (id) VALUES (4)')).rejects.toMatchObject(LOST);
    expect(await ids()).toBe('1,2');
    await client.query('INSERT INTO t (id) VALUES (5)');
    expect(await ids()).toBe('1,2,5');
  });

  test('where it has written to a table without transactions, which has that once', async () => {
    await asRoot('CREATE TABLE replay.plain (id INT) ENGINE=MyISAM');
    try {
      const client = await connect();
      await client.beginTransaction();
      await client.query('INSERT INTO plain VALUES (1)');
      await breakConnections();
      await expect(client.commit()).rejects.toMatchObject(LOST);
      expect(await value(direct, 'SELECT COUNT(*) FROM plain')).toBe(1);
    } finally {
      await asRoot('DROP TABLE replay.plain');
    }
  });

  test('where a write was under way, which may be one of a table without transactions', async () => {
    await asRoot('CREATE TABLE replay.plain (id INT) ENGINE=MyISAM');
    try {
      const client = await connect();
      await direct.query('LOCK TABLES plain READ');
      await client.beginTransaction();
      const insert = outcomeOf(client.query('INSERT INTO plain VALUES (1)'));
      const waiting = "SELECT COUNT(*) FROM performance_schema.processlist WHERE INFO = 'INSERT INTO plain VALUES (1)'";
      await eventually(async () => expect(await value(direct, waiting)).toBe(1));
      relay.cut();
      relay.letNew();
      await direct.query('UNLOCK TABLES');
      expect(await insert).toMatchObject(LOST);
      await eventually(async () => expect(await value(direct, waiting)).toBe(0));
      expect(await value(direct, 'SELECT COUNT(*) FROM plain')).toBeLessThanOrEqual(1);
    } finally {
      await direct.query('UNLOCK TABLES');
      await asRoot('DROP TABLE replay.plain');
    }
  });
});

test('a COMMIT that was under way is not sent again: nobody knows what became of it', async () => {
  const client = await connect();
  await client.beginTransaction();
  await client.query('INSERT INTO t (id) VALUES (3)');
  await direct.query('FLUSH TABLES WITH READ LOCK');
  const commit = outcomeOf(client.commit());
  const waiting = "SELECT COUNT(*) FROM performance_schema.processlist WHERE STATE LIKE 'Waiting for commit lock'";
  await eventually(async () => expect(await value(direct, waiting)).toBe(1));
  relay.cut();
  relay.letNew();
  expect(await commit).toMatchObject({ errno: 2013, message: expect.stringMatching(/not known/) });
  await direct.query('UNLOCK TABLES');
  await client.query('INSERT INTO t (id) VALUES (4)');
  await eventually(async () => expect(await ids()).toBe('1,2,3,4'));
});

test('what is kept of transactions goes with them', async () => {
  const small = await startProxy({
    nodes: [nodeInfo(0)],
    options: { replay: { transactions: true, bytesOfAll: 2_000 } },
  });
  const clients = await Promise.all([0, 1, 2].map(async () => small.connect(CLIENT)));
  for (let round = 0; round < 20; round++) {
    for (const [index, client] of clients.entries()) {
      await client.beginTransaction();
      await client.query(`UPDATE t SET n = ${round} WHERE id = ${index + 1} /* ${'x'.repeat(500)} */`);
      await client.commit();
    }
  }
  const [first] = clients;
  await first?.beginTransaction();
  await first?.query('INSERT INTO t (id) VALUES (3)');
  expect(await value(direct, 'SELECT COUNT(*) FROM t')).toBe(2);
  await killClients();
  await first?.commit();
  expect(await ids()).toBe('1,2,3');
});
