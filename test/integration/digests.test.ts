import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo } from '../cluster.js';
import { asRoot, eventually, ranOn, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

let proxy: TestProxy;
let client: Connection;
let admin: Connection;
beforeAll(async () => {
  await freshSchema('digests');
  await asRoot(
    'CREATE TABLE digests.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)',
    'CREATE FUNCTION digests.writes(n INT) RETURNS INT BEGIN INSERT INTO digests.t (v) VALUES (n); RETURN n; END',
    'CREATE FUNCTION digests.writes_too(n INT) RETURNS INT BEGIN INSERT INTO digests.t (v) VALUES (n); RETURN n; END',
    'CREATE FUNCTION digests.writes_once(n INT) RETURNS INT BEGIN INSERT INTO digests.t (v) VALUES (n); RETURN n; END',
    'CREATE FUNCTION digests.writes_slowly(n INT) RETURNS INT BEGIN INSERT INTO digests.t (v) VALUES (n); RETURN SLEEP(n); END',
  );
});
beforeEach(async () => {
  // Each test counts for itself.
  proxy = await startProxy();
  client = await proxy.connect({ database: 'digests' });
  admin = await proxy.connect(clusterInfo().accounts.monitor);
});

const nameOf = (index: number): string => `${nodeInfo(index).host}:${nodeInfo(index).port}`;

async function digests(statement: string): Promise<Record<string, unknown>[]> {
  const [rows] = await admin.query<Row[]>('SHOW RWSPLIT DIGESTS');
  return rows
    .filter((it) => it['statement'] === statement)
    .map(({ target, node, reason, count, refused }) => ({ target, node, reason, count, refused }));
}

describe('SHOW RWSPLIT DIGESTS', () => {
  test('shows for each kind of statement where it ran, why, and how often', async () => {
    for (let id = 0; id < 4; id++) await client.query(`SELECT v FROM t WHERE id = ${id}`);
    await client.query('BEGIN');
    await client.query('select v FROM t /* in it */ WHERE id=5');
    await client.query('COMMIT');
    await client.query("INSERT INTO t (v) VALUES ('1'), (2)");
    const statement = 'select v from t where id = ?';
    const found = await digests(statement);
    expect(found).toHaveLength(3);
    expect(found).toEqual(
      expect.arrayContaining([
        { target: 'replica', node: nameOf(1), reason: 'read', count: 2, refused: 0 },
        { target: 'replica', node: nameOf(2), reason: 'read', count: 2, refused: 0 },
        { target: 'primary', node: nameOf(0), reason: 'in-transaction', count: 1, refused: 0 },
      ]),
    );
    expect(await digests('insert into t(v) values (?), ...')).toMatchObject([{ reason: 'write', count: 1 }]);
    const [rows, fields] = await admin.query<Row[]>('SHOW RWSPLIT DIGESTS');
    expect(fields.map((it) => it.name)).toEqual([
      'digest',
      'statement',
      'target',
      'node',
      'reason',
      'count',
      'refused',
    ]);
    expect(rows.map((it) => Number(it['count']))).toEqual(rows.map((it) => Number(it['count'])).sort((a, b) => b - a));
    expect(rows[0]?.['digest']).toMatch(/^[0-9a-f]{16}$/);
  });

  test('counts a prepared statement when it runs, with its like that was not prepared', async () => {
    const prepared = await client.prepare('SELECT v FROM t WHERE id = ? LIMIT 1');
    expect(await digests('select v from t where id = ? limit ?')).toEqual([]);
    await prepared.execute([1]);
    await prepared.execute([2]);
    await client.query('SELECT v FROM t WHERE id = 3 LIMIT 1');
    const counts = (await digests('select v from t where id = ? limit ?')).map((it) => Number(it['count']));
    expect(counts.reduce((a, b) => a + b)).toBe(3);
  });

  test('shows no literal, no password among them', async () => {
    await client.query("CREATE USER 'digests'@'%' IDENTIFIED BY 'horse-staple'");
    await client.query("DROP USER 'digests'@'%'");
    expect(await digests('create user ?@? identified by ?')).toMatchObject([{ reason: 'administration', count: 1 }]);
    const [rows] = await admin.query<Row[]>('SHOW RWSPLIT DIGESTS');
    expect(JSON.stringify(rows)).not.toContain('horse-staple');
  });

  test.each(['show rwsplit digests', '/* c */ SHOW\tRwsplit -- c\n DIGESTS ; ', 'SHOW RWSPLIT DIGESTS;'])(
    'is known in any spelling: %j',
    async (sql) => {
      await client.query('SELECT 1');
      const [rows] = await admin.query<Row[]>(sql);
      expect(rows).toMatchObject([{ statement: 'select ?', count: 1 }]);
    },
  );

  test.each(['SHOW RWSPLIT', 'SHOW RWSPLIT NOTHING', 'SHOW RWSPLIT DIGESTS LIMIT 1', 'SHOW RWSPLIT DIGESTS; SELECT 1'])(
    "leaves to MySQL what is none of the proxy's: %s",
    async (sql) => {
      await expect(admin.query(sql)).rejects.toMatchObject({ errno: 1064 });
    },
  );

  test("is for the monitor's account only", async () => {
    for (const sql of ['SHOW RWSPLIT DIGESTS', 'SHOW RWSPLIT ROUTES']) {
      await expect(client.query(sql)).rejects.toMatchObject({
        errno: 1227,
        sqlState: '42000',
        message: expect.stringContaining(`'${clusterInfo().accounts.monitor.user}'`),
      });
    }
    expect(await value(client, 'SELECT 1')).toBe(1);
  });

  test('leaves the session as it is: its transaction, what the statement before left', async () => {
    await admin.query("SELECT CAST('no number' AS SIGNED)");
    await admin.query('SHOW RWSPLIT DIGESTS');
    expect(await value(admin, 'SHOW COUNT(*) WARNINGS')).toBe(1);
    await admin.query('BEGIN');
    const id = await value(admin, 'SELECT CONNECTION_ID()');
    await admin.query('SHOW RWSPLIT DIGESTS');
    expect(await value(admin, 'SELECT CONNECTION_ID()')).toBe(id);
    await admin.query('COMMIT');
    expect(await ranOn(admin)).not.toBe(1);
  });

  test('is a result set of the form that the client asked for', async () => {
    await client.query('SELECT 1');
    for (const capabilities of [0, Capability.DEPRECATE_EOF, Capability.DEPRECATE_EOF | Capability.QUERY_ATTRIBUTES]) {
      const { host, port } = proxy;
      const raw = await RawClient.logIn({ host, port, ...clusterInfo().accounts.monitor, capabilities });
      const attributes = (capabilities & Capability.QUERY_ATTRIBUTES) === 0 ? [] : [0, 1];
      raw.send(Buffer.concat([Buffer.of(3, ...attributes), Buffer.from('SHOW RWSPLIT ROUTES')]));
      const packets = [];
      const count = (capabilities & Capability.DEPRECATE_EOF) === 0 ? 8 : 7;
      for (let i = 0; i < count; i++) packets.push(await raw.read());
      expect(packets.map((it) => it.sequenceId)).toEqual(packets.map((_, index) => index + 1));
      expect(packets[0]?.payload).toEqual(Buffer.of(4));
      expect(packets.at(-1)?.payload[0]).toBe(0xfe);
      raw.destroy();
    }
  });
});

test('SHOW RWSPLIT ROUTES shows how many statements ran where and why', async () => {
  await client.query('INSERT INTO t (v) VALUES (1)');
  const [rows] = await admin.query<Row[]>('SHOW RWSPLIT ROUTES');
  expect(rows).toEqual([{ node: nameOf(0), target: 'primary', reason: 'write', count: 1 }]);
});

describe('a statement that a replica refuses as a write', () => {
  const refusedOnce = (count: number) => [
    { target: 'primary', node: nameOf(0), reason: 'replica-refused', count, refused: 0 },
    { target: 'replica', node: expect.any(String), reason: 'hint-replica', count: 1, refused: 1 },
  ];

  test('runs on the primary, and from then on goes there at once', async () => {
    for (let n = 1; n <= 3; n++) {
      const session = await proxy.connect({ database: 'digests' });
      expect(await value(session, `/* rwsplit: replica */ SELECT writes(${7000 + n})`)).toBe(7000 + n);
      expect(await value(session, 'SELECT GROUP_CONCAT(v ORDER BY v) FROM t WHERE v > 7000')).toContain(`${7000 + n}`);
    }
    expect(await digests('select writes(?)')).toEqual(refusedOnce(3));
    expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v > 7000 FOR UPDATE')).toBe(3);
  });

  test('binds its session, as any function does that may write', async () => {
    await client.query('/* rwsplit: replica */ SELECT writes(1)');
    expect(await ranOn(client)).toBe(1);
  });

  test('goes to the primary at once for other sessions, too, prepared or not', async () => {
    await client.query('/* rwsplit: replica */ SELECT writes_too(1)');
    const [second, third] = [
      await proxy.connect({ database: 'digests' }),
      await proxy.connect({ database: 'digests' }),
    ];
    await second.query('/* rwsplit: replica */ SELECT writes_too(2)');
    await third.execute('/* rwsplit: replica */ SELECT writes_too(?)', [3]);
    expect(await digests('select writes_too(?)')).toEqual(refusedOnce(3));
  });

  test('is sent to the primary once: should that be lost, nobody knows what became of it', async () => {
    const root = await connectDirect(0, clusterInfo().accounts.root);
    for (let n = 0; n < 2; n++) {
      const session = await proxy.connect({ database: 'digests' });
      const error = session.query('/* rwsplit: replica */ SELECT writes_slowly(30)').then(
        () => 'done',
        (failure: unknown) => failure,
      );
      await eventually(async () => {
        const [rows] = await root.query<Row[]>(
          "SELECT ID AS id FROM performance_schema.processlist WHERE STATE = 'User sleep'",
        );
        const [row] = rows;
        expect(row).toBeDefined();
        await root.query('KILL ?', [row?.['id']]);
      });
      expect(await error).toMatchObject({ errno: 2013 });
    }
    expect(await digests('select writes_slowly(?)')).toEqual(refusedOnce(2));
  });

  test('is not remembered where the session itself asked to read only', async () => {
    await client.query('SET SESSION TRANSACTION READ ONLY');
    const sql = '/* rwsplit: replica */ SELECT writes_once(1)';
    await expect(client.query(sql)).rejects.toMatchObject({ errno: 1792 });
    const other = await proxy.connect({ database: 'digests' });
    await other.query(sql);
    const found = await digests('select writes_once(?)');
    const total = (name: string): number =>
      found.filter((it) => it['reason'] === 'hint-replica').reduce((sum, it) => sum + Number(it[name]), 0);
    expect([total('count'), total('refused')]).toEqual([2, 2]);
  });
});
