import type { Connection } from 'mysql2/promise';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, nodeInfo } from '../cluster.js';
import { eventually, PRIMARY_ID, ranOn, startProxy, value, type Row, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
let monitor: Connection;
beforeAll(async () => {
  await freshSchema('commanded');
  proxy = await startProxy();
  monitor = await proxy.connect(clusterInfo().accounts.monitor);
});
afterEach(async () => {
  for (const index of [1, 2]) await command('RESUME', index);
  await eventually(() => expect(proxy.proxy.snapshot.replicas).toHaveLength(2));
});

/** As the configuration names it. */
function nodeName(index: number): string {
  const { host, port } = nodeInfo(index);
  return `${host}:${port}`;
}

async function command(verb: string, index: number): Promise<Row | undefined> {
  const [rows] = await monitor.query<Row[]>(`RWSPLIT ${verb} '${nodeName(index)}'`);
  return rows[0];
}

async function shown(index: number): Promise<Row | undefined> {
  const [rows] = await monitor.query<Row[]>('SHOW RWSPLIT NODES');
  return rows.find((it) => it['node'] === nodeName(index));
}

async function until(index: number, state: Record<string, unknown>): Promise<void> {
  await eventually(async () => expect(await shown(index)).toMatchObject(state));
}

/** How many sessions the application has on a server. */
async function sessionsOn(index: number): Promise<number> {
  const root = await connectDirect(index, clusterInfo().accounts.root);
  const sql = 'SELECT COUNT(*) FROM performance_schema.processlist WHERE USER = ? AND ID <> CONNECTION_ID()';
  const count = Number(await value(root, sql, [clusterInfo().accounts.app.user]));
  root.destroy();
  return count;
}

/** A read that goes on until it is killed. */
async function readLong(on: number): Promise<{ answer: Promise<unknown>; end: () => Promise<void> }> {
  const client = await proxy.connect();
  const answer = value(client, `SELECT /* rwsplit: node=${nodeName(on)} */ @@server_id + SLEEP(600)`);
  await eventually(async () => {
    const [rows] = await monitor.query<Row[]>('SHOW RWSPLIT SESSIONS');
    const session = rows.find((it) => it['id'] === client.threadId);
    expect(String(session?.['runs_on'])).toMatch(`${nodeName(on)}#`);
  });
  return {
    answer,
    end: async () => {
      await (await proxy.connect()).query(`KILL QUERY ${client.threadId}`);
    },
  };
}

describe('RWSPLIT DRAIN', () => {
  test('gives a node no new reads; what runs there comes to its end, then it is in maintenance', async () => {
    const long = await readLong(1);
    expect(await command('DRAIN', 1)).toEqual({
      node: nodeName(1),
      was: 'up',
      health: 'draining',
      what: 'no new reads; in maintenance when no connection there is in use any more',
    });
    const client = await proxy.connect();
    for (let i = 0; i < 4; i++) expect(await ranOn(client)).toBe(3);
    expect(await ranOn(client, `/* rwsplit: node=${nodeName(1)} */`)).toBe(3);
    expect(await shown(1)).toMatchObject({ health: 'draining', why: 'by command; connections in use there: 1' });
    await long.end();
    // SLEEP() says 1 when it is interrupted: it was the same server to the end.
    expect(await long.answer).toBe(2 + 1);
    await until(1, { health: 'maintenance', why: 'by command' });
    await eventually(async () => expect(await sessionsOn(1)).toBe(0));
  });

  test('waits for a read-only transaction, which goes on where it is', async () => {
    const client = await proxy.connect();
    await client.query(`START TRANSACTION /* rwsplit: node=${nodeName(2)} */ READ ONLY`);
    expect(await ranOn(client)).toBe(3);
    await command('DRAIN', 2);
    expect(await ranOn(client)).toBe(3);
    expect(await shown(2)).toMatchObject({ health: 'draining' });
    await client.query('COMMIT');
    await until(2, { health: 'maintenance' });
    expect(await ranOn(client)).toBe(2);
  });

  test('does not wait for a client that is idle, for nothing but the warnings that it might ask for', async () => {
    const client = await proxy.connect();
    await client.query(`SELECT /* rwsplit: node=${nodeName(2)} */ 1/0`);
    expect(await command('DRAIN', 2)).toMatchObject({ health: 'draining' });
    await until(2, { health: 'maintenance' });
    await expect(client.query('SHOW WARNINGS')).rejects.toThrow(/its server is being drained/);
    expect(await ranOn(client)).toBe(2);
  });

  test('of a node where nothing runs has it in maintenance at once', async () => {
    const own = await startProxy();
    const admin = await own.connect(clusterInfo().accounts.monitor);
    const [rows] = await admin.query<Row[]>(`rwsplit drain "${nodeName(1)}" -- for an update`);
    expect(rows).toMatchObject([{ was: 'up', health: 'maintenance' }]);
  });
});

describe('RWSPLIT MAINTENANCE', () => {
  test('is at once: a read that has had no answer runs elsewhere', async () => {
    const long = await readLong(1);
    expect(await command('MAINTENANCE', 1)).toMatchObject({ was: 'up', health: 'maintenance' });
    await eventually(async () => {
      const [rows] = await monitor.query<Row[]>('SHOW RWSPLIT SESSIONS');
      expect(rows.some((it) => String(it['runs_on']).startsWith(`${nodeName(2)}#`))).toBe(true);
    });
    await long.end();
    expect(await long.answer).toBe(3 + 1);
  });

  test('of all replicas leaves reads to the primary, until they are resumed', async () => {
    const client = await proxy.connect();
    for (const index of [1, 2]) await command('MAINTENANCE', index);
    for (let i = 0; i < 3; i++) expect(await ranOn(client)).toBe(PRIMARY_ID);
    const atPrimary = { node: nodeName(0), target: 'primary', reason: 'no-replica' };
    expect(proxy.proxy.counts()).toContainEqual(expect.objectContaining(atPrimary));
    // It stays out however often it is looked at.
    const { version } = proxy.proxy.snapshot;
    await eventually(() => expect(proxy.proxy.snapshot.version).toBeGreaterThan(version + 20));
    expect(await shown(1)).toMatchObject({ health: 'maintenance', why: 'by command' });
    expect(await command('RESUME', 1)).toMatchObject({ was: 'maintenance', what: expect.stringContaining('again') });
    await until(1, { health: 'up' });
    expect(Number((await shown(1))?.['share_percent'])).toBeLessThan(100);
    for (let i = 0; i < 3; i++) expect(await ranOn(client)).toBe(2);
  });
});

describe('a command to a node', () => {
  test.each(['DRAIN', 'MAINTENANCE'])('is refused for the primary, with what to do: %s', async (verb) => {
    await expect(command(verb, 0)).rejects.toMatchObject({
      errno: 1210,
      message: expect.stringMatching(
        / is the primary, and writes have nowhere else to go: make another node the primary/,
      ),
    });
    expect(await shown(0)).toMatchObject({ role: 'primary', health: 'up' });
  });

  test('that is not there is refused, and the nodes are named', async () => {
    await expect(monitor.query("RWSPLIT DRAIN 'db9:3306'")).rejects.toMatchObject({
      errno: 1210,
      message: `rwsplit: there is no node 'db9:3306'; there are ${[0, 1, 2].map((it) => `'${nodeName(it)}'`).join(', ')}`,
    });
  });

  test('is for the monitor account only', async () => {
    const client = await proxy.connect();
    await expect(client.query(`RWSPLIT MAINTENANCE '${nodeName(1)}'`)).rejects.toMatchObject({ errno: 1227 });
    expect(await shown(1)).toMatchObject({ health: 'up' });
  });

  test('that was under none says so', async () => {
    expect(await command('RESUME', 2)).toMatchObject({ was: 'up', what: 'it was not out of service by command' });
  });
});
