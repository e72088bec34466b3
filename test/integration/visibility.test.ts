import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { clusterInfo, freshSchema } from '../cluster.js';
import { eventually, startProxy, type Row, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
let monitor: Connection;
beforeAll(async () => {
  await freshSchema('visible');
  proxy = await startProxy({ poolMax: 2 });
  monitor = await proxy.connect({ ...clusterInfo().accounts.monitor });
});

async function show(what: string): Promise<Row[]> {
  const [rows] = await monitor.query<Row[]>(`SHOW RWSPLIT ${what}`);
  return rows;
}

async function sessionOf(client: Connection): Promise<Row> {
  const id = client.threadId;
  const found = (await show('SESSIONS')).find((row) => row['id'] === id);
  if (found === undefined) throw new Error(`no session ${id}`);
  return found;
}

describe('SHOW RWSPLIT SESSIONS', () => {
  test('shows who a session is, and what of it is carried', async () => {
    const client = await proxy.connect({ database: 'visible' });
    await client.query("SET time_zone = '+05:30', sql_mode = 'ANSI'");
    expect(await sessionOf(client)).toMatchObject({
      user: 'app',
      address: '127.0.0.1',
      schema: 'visible',
      phase: 'idle',
      transaction: '',
      pins: '',
      keeps: '',
      variables: 'sql_mode, time_zone',
    });
  });

  test('shows what binds it to a connection, since when, and where; and that it ended', async () => {
    const client = await proxy.connect({ database: 'visible' });
    await client.query('CREATE TABLE t (a INT)');
    await client.query('LOCK TABLES t READ');
    await client.query('BEGIN');
    await client.query('LOCK TABLES t READ');
    expect(await sessionOf(client)).toMatchObject({
      pins: expect.stringMatching(/^table-lock \d+s$/),
      keeps: expect.stringMatching(/^primary 127\.0\.0\.1:\d+#\d+$/),
    });
    await eventually(async () => expect(String((await sessionOf(client))['pins'])).toMatch(/^table-lock [1-9]\d*s$/));
    await client.query('UNLOCK TABLES');
    expect(await sessionOf(client)).toMatchObject({ pins: '', keeps: '' });
    await client.query('START TRANSACTION READ ONLY');
    expect(await sessionOf(client)).toMatchObject({ transaction: 'read-only', pins: '' });
  });

  test('shows what runs, where and why, without a literal of it, and who waits', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => proxy.connect()));
    const running = clients.map((it) => it.query('/* rwsplit: primary */ SELECT SLEEP(1.5), "secret"'));
    await eventually(async () => {
      const sessions = await Promise.all(clients.map(sessionOf));
      expect(sessions.map((it) => it['phase']).toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
        'running',
        'running',
        'waiting',
      ]);
      expect(sessions[0]).toMatchObject({ statement: 'select sleep(?), ?', reason: 'hint-primary' });
      expect(JSON.stringify(sessions)).not.toContain('secret');
      const [first] = await show('POOLS');
      expect(first).toBeDefined();
      expect((await show('POOLS')).some((it) => it['waiting'] === 1 && it['of_user'] === 2 && it['max'] === 2)).toBe(
        true,
      );
    });
    await Promise.all(running);
  });

  test('is for the monitor account only, as are the pools', async () => {
    const client = await proxy.connect();
    for (const what of ['SESSIONS', 'POOLS']) {
      await expect(client.query(`SHOW RWSPLIT ${what}`)).rejects.toMatchObject({ errno: 1227 });
    }
  });
});
