import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { DEFAULTS } from '../../src/defaults.js';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { PRIMARY_ID, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';
import { param, StepRunner } from '../differential/steps.js';

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('prepared');
  await freshSchema('prepared_2');
  proxy = await startProxy({ poolMax: 3 });
  const writer = await connectDirect(0, { database: 'prepared' });
  await writer.query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100), b LONGBLOB)');
  for (const schema of ['prepared', 'prepared_2']) {
    await writer.query(`CREATE TABLE ${schema}.here (name VARCHAR(20))`);
    await writer.query(`INSERT INTO ${schema}.here VALUES ('${schema}')`);
  }
  await untilReplicated();
});

describe('a prepared statement', () => {
  test('runs where its text belongs', async () => {
    const client = await proxy.connect({ database: 'prepared' });
    const nodes: unknown[] = [];
    for (let i = 0; i < 6; i++) nodes.push(await executed(client, 'SELECT @@server_id'));
    expect(nodes.filter((node) => node === 2)).toHaveLength(3);
    expect(nodes.filter((node) => node === 3)).toHaveLength(3);
    await client.execute('INSERT INTO t (v) VALUES (?)', ['x']);
    expect(await executed(client, 'SELECT @@server_id FROM t LIMIT 1 FOR UPDATE')).toBe(PRIMARY_ID);
    expect(await executed(client, 'SELECT LAST_INSERT_ID()')).toBeGreaterThan(0);
    expect([2, 3]).toContain(await executed(client, 'SELECT @@server_id'));
  });

  test('takes values of every type, also when the types change from one execution to the next', async () => {
    const client = await proxy.connect();
    const values = [
      1,
      'text',
      null,
      1.5,
      true,
      'ünï 日本',
      0,
      '',
      -7,
      null,
      '2026-11-23',
      1e300,
      'x'.repeat(300),
      12345678901,
    ];
    for (let round = 0; round < 3; round++) {
      for (const [i, one] of values.entries()) {
        const other = values[(i * 5 + round) % values.length] ?? null;
        const [rows] = await client.execute<Row[]>('SELECT CAST(? AS CHAR) AS a, CAST(? AS CHAR) AS b', [one, other]);
        expect(rows).toEqual([{ a: asText(one), b: asText(other) }]);
      }
    }
  });

  test('is not changed by how another client ran the same text', async () => {
    const [first, second] = [await proxy.connect(), await proxy.connect()];
    const sql = 'SELECT ? AS v';
    for (let i = 0; i < 4; i++) await first.execute(sql, [1.5]);
    for (let i = 0; i < 4; i++) expect(await executed(second, sql, ['abc'])).toBe('abc');
    for (let i = 0; i < 4; i++) await first.execute(sql, [new Date(0)]);
    for (let i = 0; i < 4; i++) expect(await executed(second, sql, ['abc'])).toBe('abc');
    const third = await proxy.connect();
    for (let i = 0; i < 4; i++) expect(await executed(third, sql, ['def'])).toBe('def');
  });

  test('means the schema in which it was prepared', async () => {
    const client = await proxy.connect({ database: 'prepared' });
    const other = await proxy.connect({ database: 'prepared_2' });
    const statement = await client.prepare('SELECT name FROM here');
    await client.query('USE prepared_2');
    for (let i = 0; i < 4; i++) {
      const [rows] = await statement.execute([]);
      expect(rows).toEqual([{ name: 'prepared' }]);
      expect(await executed(other, 'SELECT name FROM here')).toBe('prepared_2');
      expect(await value(client, 'SELECT DATABASE()')).toBe('prepared_2');
    }
    await statement.close();
  });

  test('that has to be prepared once more in a transaction does not end it', async () => {
    const client = await proxy.connect({ database: 'prepared' });
    const direct = await connectDirect(0, { database: 'prepared' });
    const statement = await client.prepare('SELECT ? AS given FROM here');
    await statement.execute([1]);
    await client.query('SET autocommit = 0');
    await client.query("INSERT INTO t (v) VALUES ('not to be kept')");
    const [rows] = await statement.execute([2]);
    expect(rows).toMatchObject([{ given: 2 }]);
    expect(await value(direct, "SELECT COUNT(*) FROM t WHERE v = 'not to be kept'")).toBe(0);
    await client.query('ROLLBACK');
    expect(await value(client, "SELECT COUNT(*) FROM t WHERE v = 'not to be kept'")).toBe(0);
  });

  test('that cannot be prepared where it is to run leaves the error for SHOW ERRORS', async () => {
    const client = await proxy.connect({ database: 'prepared' });
    const statement = await client.prepare('SELECT ? AS given FROM here');
    await statement.execute([1]);
    await client.query("SET time_zone = '+03:00'");
    await client.query('LOCK TABLES t READ');
    await expect(statement.execute([1])).rejects.toThrow('was not locked with LOCK TABLES');
    expect((await client.query('SHOW ERRORS'))[0]).toMatchObject([{ Code: 1100 }]);
    await client.query('UNLOCK TABLES');
    const [rows] = await statement.execute([2]);
    expect(rows).toMatchObject([{ given: 2 }]);
  });

  test('keeps its own values when many clients run the same text at once', async () => {
    const clients = await Promise.all(Array.from({ length: 10 }, () => proxy.connect()));
    await Promise.all(
      clients.map(async (client, who) => {
        for (let i = 0; i < 20; i++) {
          const sent = (who + i) % 2 === 0 ? `s${who}-${i}` : who * 1000 + i;
          expect(String(await executed(client, 'SELECT ? AS own', [sent]))).toBe(String(sent));
        }
      }),
    );
  });

  test('takes long data, and forgets it after the execution', async () => {
    const raw = await RawClient.logIn({ ...clusterInfo().accounts.app, ...proxy, database: 'prepared' });
    const steps = new StepRunner(raw);
    await steps.run({ does: 'prepare', name: 'w', sql: 'INSERT INTO t (v, b) VALUES (?, ?)' });
    for (let i = 0; i < 17; i++) await steps.run({ does: 'long-data', name: 'w', index: 1, data: 'x'.repeat(1 << 20) });
    await steps.run({ does: 'execute', name: 'w', params: [param.string('long'), param.sent()] });
    await steps.run({ does: 'execute', name: 'w', params: [param.string('short'), param.string('y')] });
    const direct = await connectDirect(0, { database: 'prepared' });
    expect(await value(direct, "SELECT LENGTH(b) FROM t WHERE v = 'long'")).toBe(17 << 20);
    expect(await value(direct, "SELECT LENGTH(b) FROM t WHERE v = 'short'")).toBe(1);
  });

  test('that is closed is not prepared any more for the client', async () => {
    const raw = await RawClient.logIn({ ...clusterInfo().accounts.app, ...proxy });
    const steps = new StepRunner(raw);
    await steps.run({ does: 'prepare', name: 'p', sql: 'SELECT 1' });
    expect((await steps.run({ does: 'execute', name: 'p' })).length).toBeGreaterThan(1);
    await steps.run({ does: 'close', name: 'p' });
    expect((await steps.run({ does: 'execute', name: 'p' }))[0]).toContain('Unknown prepared statement handler');
  });
});

describe('many prepared statements', () => {
  test('do not fill up the servers', async () => {
    const client = await proxy.connect({ database: 'prepared' });
    for (let i = 0; i < 500; i++) {
      const statement = await client.prepare(`SELECT ${i} + ?`);
      const [rows] = await statement.execute([1]);
      expect(rows).toEqual([{ [`${i} + ?`]: i + 1 }]);
      await statement.close();
    }
    for (const node of [0, 1, 2]) {
      const root = await connectDirect(node, clusterInfo().accounts.root);
      const count = Number((await valueOfStatus(root, 'Prepared_stmt_count')) ?? 0);
      // 200 on each of at most 3 connections of a pool.
      expect(count).toBeLessThanOrEqual(600);
    }
  });

  test('of many clients, each used once and many left open, do not fill them up either', async () => {
    const own = await startProxy({ poolMax: 60 });
    const clients = await Promise.all(Array.from({ length: 100 }, () => own.connect()));
    const watched = await Promise.all([0, 1, 2].map((node) => connectDirect(node, clusterInfo().accounts.root)));
    const prepared = async (): Promise<number[]> =>
      Promise.all(watched.map(async (node) => Number(await valueOfStatus(node, 'Prepared_stmt_count'))));
    const ofOthers = Math.max(...(await prepared()));
    let most = 0;
    for (let round = 0; round < 100; round++) {
      await Promise.all(
        clients.map(async (client, i) => {
          const n = round * 100 + i;
          const statement = await client.prepare(`SELECT ${n} + ? /* one of ten thousand */`);
          const [rows] = await statement.execute([1]);
          expect(rows).toEqual([{ [`${n} + ?`]: n + 1 }]);
          if (round % 2 === 0) await statement.close();
        }),
      );
      if (round % 10 !== 9) continue;
      most = Math.max(most, ...(await prepared()));
    }
    expect(most).toBeGreaterThan(100);
    expect(most - ofOthers).toBeLessThanOrEqual(DEFAULTS.preparedPerNode + 60);
  });

  test('all still run after they were crowded out of the servers', async () => {
    const own = await startProxy({ poolMax: 1 });
    const client = await own.connect();
    const statements = [];
    for (let i = 0; i < 250; i++) statements.push(await client.prepare(`SELECT ${i} AS n, ? AS p`));
    for (const [i, statement] of statements.entries()) {
      const [rows] = await statement.execute([`p${i}`]);
      expect(rows).toEqual([{ n: i, p: `p${i}` }]);
    }
    const [rows] = (await statements[0]?.execute(['again'])) ?? [];
    expect(rows).toEqual([{ n: 0, p: 'again' }]);
  });
});

async function valueOfStatus(connection: Connection, name: string): Promise<unknown> {
  const [rows] = await connection.query<Row[]>('SHOW GLOBAL STATUS LIKE ?', [name]);
  return rows[0]?.['Value'];
}

async function executed(
  client: Connection,
  sql: string,
  values: (string | number | Date | null)[] = [],
): Promise<unknown> {
  const [rows] = await client.execute<Row[]>(sql, values);
  return Object.values(rows[0] ?? {})[0];
}

/** As the server writes a parameter that mysql2 sent it: numbers as DOUBLE. */
function asText(sent: string | number | boolean | null): string | null {
  if (sent === null) return null;
  if (typeof sent === 'boolean') return sent ? '1' : '0';
  return typeof sent === 'number' && sent >= 1e300 ? '1e300' : String(sent);
}
