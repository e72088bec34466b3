import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { clusterInfo, connectDirect, nodeInfo } from '../cluster.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';
import { HoldingRelay } from '../holding-relay.js';

const DIALECTS = [
  0,
  Capability.DEPRECATE_EOF,
  Capability.QUERY_ATTRIBUTES,
  Capability.FOUND_ROWS,
  Capability.MULTI_STATEMENTS,
  Capability.DEPRECATE_EOF | Capability.FOUND_ROWS,
];

let observer: Connection;
beforeAll(async () => {
  observer = await connectDirect(0, clusterInfo().accounts.root);
  await observer.query('DROP DATABASE IF EXISTS pools');
  await observer.query('CREATE DATABASE pools');
  await observer.query('CREATE TABLE pools.numbers (id INT PRIMARY KEY, v INT)');
  await observer.query('INSERT INTO pools.numbers VALUES (1, 1), (2, 2)');
});

/** Connections of `app` to the primary. */
async function connections(): Promise<number> {
  return Number(await value(observer, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app'"));
}

async function noConnections(): Promise<void> {
  await eventually(async () => expect(await connections()).toBe(0));
}

async function rawClient(proxy: TestProxy, capabilities: number): Promise<RawClient> {
  return RawClient.logIn({ ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port, capabilities });
}

/** A client whose connection to the primary is kept: it may ask what its UPDATE did. */
async function keeperOf(proxy: TestProxy): Promise<Connection> {
  const keeper = await proxy.connect();
  await keeper.query('UPDATE pools.numbers SET v = v + 1');
  return keeper;
}

describe('the maximum of server connections', () => {
  test('is for all clients of a user together, however they talk: those that are idle make room', async () => {
    await noConnections();
    const proxy = await startProxy({ poolMax: 2 });
    for (let round = 0; round < 3; round++) {
      for (const capabilities of DIALECTS) {
        const client = await rawClient(proxy, capabilities);
        await client.query('/* rwsplit: primary */ DO 1');
        // What a login is checked with may be there beside them.
        expect(await connections()).toBeLessThanOrEqual(2 + DIALECTS.length);
        client.destroy();
      }
    }
    await proxy.proxy.stop();
  });

  test('makes the others wait until one is free, and then serves each, however many there are', async () => {
    await noConnections();
    const proxy = await startProxy({ poolMax: 2 });
    const clients = await Promise.all(
      [...DIALECTS, ...DIALECTS, ...DIALECTS].map(async (capabilities) => rawClient(proxy, capabilities)),
    );
    let most = 0;
    const counting = setInterval(() => void connections().then((n) => (most = Math.max(most, n))), 20);
    await Promise.all(
      clients.map(async (client, i) => {
        for (let round = 0; round < 5; round++) {
          await client.query('BEGIN');
          const packets = await client.query(`SELECT ${i}`);
          expect(packets.at(-2)?.payload.toString()).toBe(`${String.fromCharCode(String(i).length)}${i}`);
          await client.query('COMMIT');
        }
      }),
    );
    clearInterval(counting);
    expect(most).toBeLessThanOrEqual(2 + DIALECTS.length);
    await proxy.proxy.stop();
  });

  test('that is reached keeps nobody from logging in, into a schema too', async () => {
    const proxy = await startProxy({ poolMax: 1 });
    const holder = await proxy.connect({ database: 'mysql' });
    await holder.query('BEGIN');
    const client = await proxy.connect({ database: 'information_schema' });
    await expect(proxy.connect({ database: 'no_such_schema' })).rejects.toMatchObject({ errno: 1049 });
    await holder.query('COMMIT');
    expect(await value(client, 'SELECT DATABASE()')).toBe('information_schema');
    await proxy.proxy.stop();
  });

  test('takes connections that lie idle, of whichever clients, before one that a session keeps for its next question', async () => {
    const proxy = await startProxy({ poolMax: 2 });
    const keeper = await keeperOf(proxy);
    const idle = await rawClient(proxy, Capability.FOUND_ROWS);
    await idle.query('/* rwsplit: primary */ DO 1');
    const other = await proxy.connect();
    await other.query('BEGIN');
    expect(await value(keeper, 'SELECT ROW_COUNT()')).toBe(2);
    // What is open would be waited for.
    await other.query('COMMIT');
    await proxy.proxy.stop();
  });

  test('takes one that is being made for nobody before one that a session keeps for its next question', async () => {
    const relay = await HoldingRelay.start(nodeInfo(0));
    const proxy = await startProxy({ nodes: [relay.address], poolMax: 3 });
    const keeper = await keeperOf(proxy);
    const [first, second, third] = await Promise.all([proxy.connect(), proxy.connect(), proxy.connect()]);
    const watcher = await proxy.connect(clusterInfo().accounts.monitor);
    const oneWaits = async (): Promise<void> => {
      const [rows] = await watcher.query<Row[]>('SHOW RWSPLIT POOLS');
      expect(rows.map((it) => it['waiting'])).toContain(1);
    };
    await first.query('BEGIN');
    relay.holdNew();
    const begun = second.query('BEGIN');
    await eventually(oneWaits);
    // It gets this one, and the one that is being made for it is nobody's.
    await first.query('COMMIT');
    await begun;
    const ran = third.query('DO 1');
    await eventually(oneWaits);
    expect(await value(keeper, 'SELECT ROW_COUNT()')).toBe(2);
    relay.letNew();
    await ran;
    await second.query('COMMIT');
    await proxy.proxy.stop();
    relay.stop();
  });

  test('takes one that a session keeps for its next question where there is no other; what is gone with it is an error', async () => {
    const proxy = await startProxy({ poolMax: 1 });
    const keeper = await keeperOf(proxy);
    const other = await proxy.connect();
    await other.query('/* rwsplit: primary */ DO 1');
    await expect(keeper.query('SELECT ROW_COUNT()')).rejects.toThrow('what the previous statement left is gone');
    await keeper.query('UPDATE pools.numbers SET v = v + 1');
    await other.query('/* rwsplit: primary */ DO 1');
    // There were none.
    expect((await keeper.query('SHOW WARNINGS'))[0]).toEqual([]);
    await keeper.query('INSERT IGNORE INTO pools.numbers VALUES (1, 1)');
    await other.query('/* rwsplit: primary */ DO 1');
    await expect(keeper.query('SHOW WARNINGS')).rejects.toThrow('what the previous statement left is gone');
    for (const question of ['SELECT LAST_INSERT_ID(), ROW_COUNT()', 'SELECT LAST_INSERT_ID(), @@warning_count']) {
      await keeper.query('INSERT IGNORE INTO pools.numbers VALUES (1, 1), (3, 3)');
      await other.query('/* rwsplit: primary */ DO 1');
      await expect(keeper.query(question)).rejects.toThrow('what the previous statement left is gone');
    }
    await proxy.proxy.stop();
  });

  test('that is reached is a clear error after a bounded time, and the queue has an end', async () => {
    const proxy = await startProxy({ poolMax: 1, options: { pool: { acquireTimeoutMs: 300, queueMax: 1 } } });
    const holder = await proxy.connect();
    await holder.query('BEGIN');
    const others = await Promise.all([1, 2, 3].map(() => proxy.connect()));
    const outcomes = await Promise.all(
      others.map((it) =>
        it.query('/* rwsplit: primary */ DO 1').then(
          () => 'ran',
          (error: unknown) => (error instanceof Error ? error.message : error),
        ),
      ),
    );
    for (const outcome of outcomes) expect(outcome).toMatch(/rwsplit: all 1 connections of 'app' to .* were in use/);
    await holder.query('COMMIT');
    expect(await value(others[0] ?? holder, 'SELECT 1')).toBe(1);
    await proxy.proxy.stop();
  });
});

test('connections are replaced when they have lived for long enough, and no statement notices', async () => {
  const proxy = await startProxy({ poolMax: 1, options: { pool: { maxLifetimeMs: 1_200 } } });
  const client = await proxy.connect();
  const threads = new Set<unknown>();
  await eventually(async () => {
    await client.query('BEGIN');
    const [rows] = await observer.query<Row[]>(
      "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = 'app'",
    );
    for (const { id } of rows) threads.add(id);
    await client.query('COMMIT');
    expect(threads.size).toBeGreaterThan(2);
  });
  await proxy.proxy.stop();
});

test('so many connections as are to be kept are there, however idle', async () => {
  await noConnections();
  const proxy = await startProxy({ options: { pool: { min: 3, idleMs: 1_000 } } });
  const client = await proxy.connect();
  await client.query('/* rwsplit: primary */ DO 1');
  await eventually(async () => expect(await connections()).toBeGreaterThanOrEqual(3));
  await proxy.proxy.stop();
  await noConnections();
});

test('a replica that goes down is not stormed with attempts, while reads go on elsewhere', async () => {
  const relay = await HoldingRelay.start(nodeInfo(1));
  const proxy = await startProxy({ nodes: [nodeInfo(0), relay.address, nodeInfo(2)] });
  const clients = await Promise.all(Array.from({ length: 10 }, () => proxy.connect()));
  await Promise.all(clients.map((client) => client.query('SELECT 1')));
  relay.cut();
  for (let round = 0; round < 60; round++) {
    const answers = await Promise.all(clients.map((client) => value(client, 'SELECT 1')));
    expect(answers).toEqual(clients.map(() => 1));
  }
  // Ten may have been under way when it went; then one at a time, after pauses; and the monitor's.
  expect(relay.attempts).toBeLessThan(30);
  relay.stop();
});
