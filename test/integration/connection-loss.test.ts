import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { asRoot, eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';

const VICTIM = { user: 'loss_victim', password: 'x' };

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('loss');
  await asRoot(
    'DROP USER IF EXISTS loss_victim',
    'CREATE USER loss_victim IDENTIFIED WITH caching_sha2_password BY "x"',
    'GRANT ALL ON loss.* TO loss_victim',
    'CREATE TABLE loss.t (id INT PRIMARY KEY)',
  );
  await untilReplicated();
  proxy = await startProxy({ poolMax: 1 });
});

/** Ends all that the victim's sessions have on a node, as an administrator does. */
async function killVictims(node: number): Promise<number> {
  const root = await connectDirect(node, clusterInfo().accounts.root);
  const find = async (): Promise<Row[]> =>
    (await root.query<Row[]>('SELECT ID AS id FROM performance_schema.processlist WHERE USER = ?', [VICTIM.user]))[0];
  const found = await find();
  for (const { id } of found) await root.query('KILL ?', [id]).catch(() => {});
  await eventually(async () => expect(await find()).toEqual([]));
  return found.length;
}

describe('a server connection that is killed', () => {
  test('while nobody uses it is replaced', async () => {
    const client = await proxy.connect({ ...VICTIM, database: 'loss' });
    await client.query('DELETE FROM t');
    expect(await value(client, 'SELECT 1')).toBe(1);
    for (const node of [0, 1, 2]) await killVictims(node);
    await client.query('INSERT INTO t VALUES (1)');
    for (let i = 0; i < 4; i++) expect(await value(client, 'SELECT 1')).toBe(1);
  });

  test('while a session holds it with a transaction costs that, once: it may be run again, as after a deadlock', async () => {
    const client = await proxy.connect({ ...VICTIM, database: 'loss' });
    await client.query("SET SESSION sql_mode = 'ANSI_QUOTES'");
    await client.query('BEGIN');
    await client.query('INSERT INTO t VALUES (91)');
    expect(await killVictims(0)).toBe(1);
    await expect(client.query('INSERT INTO t VALUES (92)')).rejects.toMatchObject({
      errno: 1213,
      sqlState: '40001',
      message: expect.stringMatching(/^rwsplit: .*nothing of it was committed/),
    });
    await client.query('BEGIN');
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE id > 90')).toBe(0);
    await client.query('COMMIT');
    expect(await value(client, 'SELECT @@sql_mode')).toBe('ANSI_QUOTES');
  });

  test('while a session holds it with a transaction is no error to a ROLLBACK', async () => {
    const client = await proxy.connect({ ...VICTIM, database: 'loss' });
    await client.query('BEGIN');
    await client.query('INSERT INTO t VALUES (93)');
    expect(await killVictims(0)).toBe(1);
    await client.query('ROLLBACK');
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE id > 90')).toBe(0);
  });

  test('without autocommit, but no transaction, is not noticed', async () => {
    const client = await proxy.connect({ ...VICTIM, database: 'loss' });
    await client.query('SET autocommit = 0');
    expect(await killVictims(0)).toBe(1);
    await client.query('INSERT INTO t VALUES (94)');
    await client.query('ROLLBACK');
    expect(await value(client, 'SELECT @@autocommit')).toBe(0);
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE id > 90')).toBe(0);
  });

  test('that gave LAST_INSERT_ID() is an error to who asks for that, once, and to nobody else', async () => {
    await asRoot('CREATE TABLE IF NOT EXISTS loss.numbered (id INT AUTO_INCREMENT PRIMARY KEY)');
    const client = await proxy.connect({ ...VICTIM, database: 'loss' });
    await client.query('INSERT INTO numbered VALUES ()');
    expect(await killVictims(0)).toBe(1);
    await client.query('DELETE FROM t WHERE id > 90');
    await expect(client.query('SELECT LAST_INSERT_ID()')).rejects.toMatchObject({
      message: expect.stringMatching(/LAST_INSERT_ID\(\) was lost/),
    });
    await client.query('INSERT INTO numbered VALUES (1000)');
    await client.query('INSERT INTO numbered VALUES ()');
    expect(await value(client, 'SELECT LAST_INSERT_ID()')).toBe(1001);
  });

  test.each([
    ['a user variable', 'SET @x = 1'],
    ['a temporary table', 'CREATE TEMPORARY TABLE tmp (id INT)'],
    ['a named lock', "SELECT GET_LOCK('loss', 0)"],
    ['locked tables', 'LOCK TABLES t READ'],
  ])('while a session holds it with %s ends that session with a clear error', async (_name, sql) => {
    const client = await proxy.connect({ ...VICTIM, database: 'loss' });
    await client.query(sql);
    expect(await killVictims(0)).toBe(1);
    await expect(client.query('SELECT 1')).rejects.toMatchObject({
      errno: 2013,
      message: expect.stringMatching(/^rwsplit: .*session.* gone.*connect again/),
    });
    // The session must not go on as a new one that knows nothing of the old one's state.
    await expect(client.query('SELECT 1')).rejects.toThrow();
    const next = await proxy.connect({ ...VICTIM, database: 'loss' });
    expect(await value(next, 'SELECT COUNT(*) FROM t')).toBeGreaterThanOrEqual(0);
  });

  test('while a write runs there leaves it at that: the write is not sent again', async () => {
    const client = await proxy.connect({ ...VICTIM, database: 'loss' });
    const direct = await connectDirect(0, { ...clusterInfo().accounts.root, database: 'loss' });
    await direct.query('BEGIN');
    await direct.query('INSERT INTO t VALUES (77)');
    const write = client.query('INSERT INTO t VALUES (77)').then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    );
    const root = await connectDirect(0, clusterInfo().accounts.root);
    await eventually(async () =>
      expect(
        await value(
          root,
          'SELECT COUNT(*) FROM performance_schema.processlist WHERE USER = ? AND INFO LIKE "INSERT%"',
          [VICTIM.user],
        ),
      ).toBe(1),
    );
    await killVictims(0);
    expect(await write).toMatch(/lost the connection|gone|Query execution was interrupted/);
    await direct.query('ROLLBACK');
    expect(await value(direct, 'SELECT COUNT(*) FROM t WHERE id = 77')).toBe(0);
    const next = await proxy.connect({ ...VICTIM, database: 'loss' });
    await next.query('DELETE FROM t');
  });
});

test('a hinted read that may write, and that runs on the primary as there is no replica, is not sent again', async () => {
  await asRoot(
    'DROP FUNCTION IF EXISTS loss.lingers',
    'CREATE FUNCTION loss.lingers() RETURNS INT DETERMINISTIC BEGIN INSERT INTO loss.t VALUES (78); RETURN SLEEP(4); END',
  );
  const alone = await startProxy({ nodes: [nodeInfo(0)] });
  const client = await alone.connect({ ...VICTIM, database: 'loss' });
  const call = client.query('SELECT /* rwsplit: replica */ lingers()').then(
    () => 'it succeeded',
    (error: unknown) => String(error),
  );
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const running = 'SELECT COUNT(*) FROM performance_schema.processlist WHERE USER = ? AND COMMAND = "Query"';
  await eventually(async () => expect(await value(root, running, [VICTIM.user])).toBe(1));
  await killVictims(0);
  expect(await call).toMatch(/lost the connection|gone|Query execution was interrupted/);
});

describe('a server that dies', () => {
  let cluster: Cluster;
  let own: TestProxy;
  let observers: Connection[];
  beforeAll(async () => {
    cluster = await startCluster({ fast: true, provider: clusterInfo().provider });
    own = await startProxy({
      nodes: cluster.nodes,
      accounts: cluster.accounts,
      options: { hold: { timeoutMs: 500 } },
    });
    observers = await Promise.all(
      cluster.nodes.map(({ host, port }) => createConnection({ host, port, ...cluster.accounts.root })),
    );
    for (const observer of observers) observer.on('error', () => {});
  });
  afterAll(async () => {
    for (const observer of observers) observer.destroy();
    await cluster.stop();
  });

  test('while a read waits on a replica: another server answers, and reads go on', async () => {
    const client = await own.connect(cluster.accounts.app);
    const read = value(client, 'SELECT @@server_id + SLEEP(3)');
    const running = await nodeThatSleeps(observers);
    expect(running).toBeGreaterThan(0);
    await cluster.nodes[running]?.kill();
    const answeredBy = await read;
    expect(answeredBy).not.toBe(running + 1);
    expect([1, 2, 3]).toContain(answeredBy);
    for (let i = 0; i < 6; i++) expect(await value(client, 'SELECT @@server_id')).not.toBe(running + 1);

    // It comes back, and gets its part of the reads again.
    await cluster.nodes[running]?.restart();
    await eventually(async () => expect(await value(client, 'SELECT @@server_id')).toBe(running + 1));
    observers[running]?.destroy();
  });

  test('while a transaction reads on the primary: the transaction is lost, and nobody else answers in its place', async () => {
    const client = await own.connect(cluster.accounts.app);
    await client.query('BEGIN');
    const read = value(client, 'SELECT @@server_id + SLEEP(3)').then(String, (error: unknown) => error);
    expect(await nodeThatSleeps(observers.slice(0, 1))).toBe(0);
    await cluster.nodes[0].kill();
    expect(await read).toMatchObject({ errno: 1213, message: expect.stringMatching(/^rwsplit: the open transaction/) });

    const reader = await own.connect(cluster.accounts.app);
    await eventually(async () => expect([2, 3]).toContain(await value(reader, 'SELECT @@server_id')));
    await expect(reader.query('CREATE DATABASE nowhere')).rejects.toMatchObject({
      message: expect.stringMatching(/^rwsplit: .*was not executed/),
    });
    // A read does not need what a write lacks.
    expect([2, 3]).toContain(await value(reader, 'SELECT @@server_id'));
    expect([2, 3]).toContain(await value(client, 'SELECT @@server_id'));
  });
});

/** The index of the server on which the read sleeps. */
async function nodeThatSleeps(observers: readonly Connection[]): Promise<number> {
  let running = -1;
  await eventually(async () => {
    for (const [index, observer] of observers.entries()) {
      const sleeping = await value(
        observer,
        'SELECT COUNT(*) FROM performance_schema.processlist WHERE USER = "app" AND INFO LIKE "SELECT @@server_id + SLEEP%"',
      );
      if (sleeping === 1) running = index;
    }
    expect(running).toBeGreaterThanOrEqual(0);
  });
  return running;
}
