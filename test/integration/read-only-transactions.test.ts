import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { asRoot, PRIMARY_ID, ranOn, startProxy, value, type Row, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
let client: Connection;
beforeAll(async () => {
  await freshSchema('read_only');
  // Few connections: what one session leaves behind, the next one would meet.
  proxy = await startProxy({ poolMax: 4 });
  const writer = await proxy.connect({ database: 'read_only' });
  await writer.query('CREATE TABLE t (id INT PRIMARY KEY, v INT)');
  await writer.query('INSERT INTO t VALUES (1, 10), (2, 20)');
  await asRoot(
    'CREATE FUNCTION read_only.writes() RETURNS INT DETERMINISTIC MODIFIES SQL DATA ' +
      'BEGIN UPDATE read_only.t SET v = v + 1; RETURN 1; END',
  );
  await untilReplicated();
});
beforeEach(async () => {
  client = await proxy.connect({ database: 'read_only' });
});

async function statements(...all: readonly string[]): Promise<void> {
  for (const sql of all) await client.query(sql);
}

/** The nodes on which so many reads ran, each once. */
async function nodesOf(reads: number): Promise<number[]> {
  const seen = new Set<number>();
  for (let i = 0; i < reads; i++) seen.add(await ranOn(client, 'FROM t LIMIT 1'));
  return [...seen];
}

/** The error's number; 0 when there is none. */
async function errnoOf(sql: string): Promise<number> {
  try {
    await client.query(sql);
    return 0;
  } catch (error) {
    return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : -1;
  }
}

/** Ends all connections of `doomed` on the replicas. Resolves when none is left. */
async function killClients(): Promise<void> {
  for (const node of [1, 2]) {
    const root = await connectDirect(node, clusterInfo().accounts.root);
    const sql = "SELECT id FROM information_schema.processlist WHERE user = 'doomed'";
    for (let left = true; left;) {
      const [clients] = await root.query<Row[]>(sql);
      for (const { id } of clients) await root.query('KILL ?', [id]).catch(() => {});
      left = clients.length > 0;
    }
  }
}

describe('a read-only transaction', () => {
  test.each([
    [['START TRANSACTION READ ONLY']],
    [['start transaction /* c */ with consistent snapshot, read only']],
    [['SET TRANSACTION READ ONLY', 'BEGIN']],
    [['SET TRANSACTION ISOLATION LEVEL READ COMMITTED', 'SET TRANSACTION READ ONLY', 'START TRANSACTION']],
    [['SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY', 'START TRANSACTION']],
    [['SET SESSION TRANSACTION READ ONLY', 'BEGIN']],
    [['SET SESSION TRANSACTION READ ONLY', 'SET autocommit=0']],
  ])('runs on one replica from its beginning to its end: %j', async (opening) => {
    await statements(...opening);
    const nodes = await nodesOf(6);
    expect(nodes).toHaveLength(1);
    expect(nodes).not.toContain(PRIMARY_ID);
    await client.query('COMMIT');
  });

  test('leaves nothing behind: the next one may be on another replica, and writes work', async () => {
    const nodes = new Set<number>();
    for (let i = 0; i < 4; i++) {
      await client.query('START TRANSACTION READ ONLY');
      for (const node of await nodesOf(2)) nodes.add(node);
      await client.query(i % 2 === 0 ? 'COMMIT' : 'ROLLBACK');
    }
    expect(nodes).toEqual(new Set([2, 3]));
    expect(await errnoOf('UPDATE t SET v = 11 WHERE id = 1')).toBe(0);
    expect(await nodesOf(4)).toHaveLength(2);
  });

  test('keeps its snapshot', async () => {
    await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t');
    const writer = await proxy.connect({ database: 'read_only' });
    const before = await value(client, 'SELECT v FROM t WHERE id = 2');
    await writer.query('UPDATE t SET v = v + 1 WHERE id = 2');
    await untilReplicated();
    expect(await value(client, 'SELECT v FROM t WHERE id = 2')).toBe(before);
    await client.query('COMMIT');
    expect(await value(client, 'SELECT v FROM t WHERE id = 2')).toBe(Number(before) + 1);
  });

  test('sees what its session wrote before', async () => {
    for (let i = 0; i < 30; i++) {
      await client.query('UPDATE t SET v = ? WHERE id = 1', [1000 + i]);
      await client.query('START TRANSACTION READ ONLY');
      expect(await value(client, 'SELECT v FROM t WHERE id = 1')).toBe(1000 + i);
      await client.query('COMMIT');
    }
  });

  test.each(['INSERT INTO t VALUES (9, 9)', 'SELECT writes()', 'SELECT /* rwsplit: replica */ writes()'])(
    'refuses writes with the words of MySQL, and goes on: %s',
    async (sql) => {
      await client.query('START TRANSACTION READ ONLY');
      await client.query('SELECT * FROM t');
      expect(await errnoOf(sql)).toBe(1792);
      expect(await errnoOf('SELECT * FROM t')).toBe(0);
      await client.query('COMMIT');
      expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    },
  );

  test('goes on at the primary with what a replica cannot do, savepoints included', async () => {
    await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t', 'SAVEPOINT a');
    expect(await value(client, "SELECT GET_LOCK('read_only', 0)")).toBe(1);
    expect(await nodesOf(2)).toEqual([PRIMARY_ID]);
    expect(await errnoOf('UPDATE t SET v = 0')).toBe(1792);
    expect(await errnoOf('ROLLBACK TO a')).toBe(0);
    await statements('COMMIT', "DO RELEASE_LOCK('read_only')");
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
  });

  test('that another statement ends by itself ends on the replica, too', async () => {
    await statements('START TRANSACTION READ ONLY', 'SELECT * FROM t', 'CREATE TABLE x (a INT)');
    expect(await errnoOf('INSERT INTO x VALUES (1)')).toBe(0);
    expect(await nodesOf(4)).not.toContain(PRIMARY_ID);
  });

  test('with an access mode for the next one only does not outlive it', async () => {
    await statements(
      'SET TRANSACTION READ ONLY',
      'START TRANSACTION',
      'SELECT * FROM t',
      'COMMIT',
      'START TRANSACTION',
    );
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    await statements('COMMIT', 'SET TRANSACTION READ ONLY', 'START TRANSACTION');
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(1792);
    await client.query('ROLLBACK');
    await statements('SET TRANSACTION READ ONLY', 'START TRANSACTION READ WRITE');
    expect(await ranOn(client, 'FROM t LIMIT 1')).toBe(PRIMARY_ID);
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    await client.query('ROLLBACK');
  });

  test('runs on the primary where plain reads lock, or the user says so', async () => {
    await client.query('START TRANSACTION READ ONLY /* rwsplit: primary */');
    expect(await nodesOf(2)).toEqual([PRIMARY_ID]);
    await client.query('COMMIT');
    await statements('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'START TRANSACTION READ ONLY');
    expect(await nodesOf(2)).toEqual([PRIMARY_ID]);
    await client.query('COMMIT');
    await statements('SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'START TRANSACTION READ ONLY');
    expect(await nodesOf(2)).toEqual([PRIMARY_ID]);
    await client.query('COMMIT');
  });

  test('serves prepared statements, and has its own connection while others come and go', async () => {
    const others = await Promise.all([1, 2, 3].map(async () => proxy.connect({ database: 'read_only' })));
    await client.query('START TRANSACTION READ ONLY');
    const nodes = new Set<unknown>();
    for (let i = 0; i < 8; i++) {
      const [rows] = await client.execute('SELECT @@server_id AS id, ? AS x', [i]);
      nodes.add(JSON.stringify(Array.isArray(rows) ? Reflect.get(rows[0] ?? {}, 'id') : undefined));
      await Promise.all(others.map(async (other) => other.query('SELECT COUNT(*) FROM t')));
    }
    expect([...nodes]).toHaveLength(1);
    await client.query('COMMIT');
  });

  test('whose server ends its connection goes on elsewhere before it has read, and is to begin anew afterwards', async () => {
    const root = await connectDirect(0, clusterInfo().accounts.root);
    await root.query("CREATE USER IF NOT EXISTS doomed IDENTIFIED BY 'd'");
    await root.query('GRANT ALL ON read_only.* TO doomed');
    await untilReplicated();
    client = await proxy.connect({ user: 'doomed', password: 'd', database: 'read_only' });
    await client.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    await killClients();
    expect(await ranOn(client, 'FROM t LIMIT 1')).toBe(PRIMARY_ID);
    await client.query('COMMIT');
    await client.query('START TRANSACTION READ ONLY');
    await client.query('SELECT * FROM t');
    await killClients();
    expect(await errnoOf('SELECT * FROM t')).toBe(1213);
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
    await client.query('START TRANSACTION READ ONLY');
    expect(await nodesOf(2)).not.toContain(PRIMARY_ID);
    await client.query('COMMIT');
  });

  test('of a client that leaves does not stay open on the replica', async () => {
    const leaving = await proxy.connect({ database: 'read_only' });
    await leaving.query('START TRANSACTION READ ONLY');
    await leaving.query('SELECT * FROM t');
    leaving.destroy();
    for (let i = 0; i < 12; i++) {
      const [[row]] = await client.query<never[]>('SELECT @@session.transaction_read_only AS ro');
      expect(row).toEqual({ ro: 0 });
    }
    expect(await errnoOf('UPDATE t SET v = v + 1')).toBe(0);
  });
});
