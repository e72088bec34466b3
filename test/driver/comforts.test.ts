import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import mysql2 from 'mysql2';
import { afterEach, expect, test } from 'vitest';
import { seenAs } from '../../driver/mysql2/seen-as.js';
import { createPool, type RwsplitPoolOptions } from '../../driver/promise.js';
import { clusterInfo, connectDirect, nodeInfo } from '../cluster.js';
import { openPool, ranOn, value } from './driver.js';

const opened: { end(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (pool) => pool.end()));
});

/** The comforts are those of a pool of one server, too. */
function single(options: RwsplitPoolOptions): ReturnType<typeof createPool> {
  const { host, port } = nodeInfo(0);
  const pool = createPool({ host, port, ...clusterInfo().accounts.app, ...options });
  opened.push(pool);
  return pool;
}

test('who waits longer for a connection than acquireTimeout gets an error, and what comes too late goes back', async () => {
  const pool = single({ connectionLimit: 1, acquireTimeout: 3_000 });
  const connection = await pool.getConnection();
  const late = { code: 'POOL_ACQUIRE_TIMEOUT' };
  await Promise.all([
    expect(pool.getConnection()).rejects.toMatchObject(late),
    expect(pool.query('SELECT 1')).rejects.toMatchObject(late),
  ]);
  connection.release();
  expect(await value(pool, 'SELECT 1')).toBe(1);
});

test('a connection that is older than maxLifetime is replaced', async () => {
  const ids = async (pool: ReturnType<typeof single>): Promise<Set<unknown>> =>
    new Set([await value(pool, 'SELECT CONNECTION_ID()'), await value(pool, 'SELECT CONNECTION_ID()')]);
  expect((await ids(single({ maxLifetime: -1 }))).size).toBe(2);
  expect((await ids(single({ maxLifetime: 60_000 }))).size).toBe(1);
});

test('a connection that was killed while it sat idle is not handed out where idle ones are looked at', async () => {
  const pool = single({ connectionLimit: 1, validateAfterIdle: -1 });
  const id = await value(pool, 'SELECT CONNECTION_ID()');
  const root = await connectDirect(0, clusterInfo().accounts.root);
  await root.query('KILL ?', [id]);
  expect(await value(pool, 'SELECT CONNECTION_ID()')).not.toBe(id);
});

test('tracing channels tell of each statement, with the server that it ran on', async () => {
  const pool = openPool();
  await ranOn(pool);
  await pool.query('SET @a = 1');
  const seen: unknown[] = [];
  const note = (message: unknown, name: string | symbol): void => {
    const { query, serverPort } = seenAs<{ query?: string; serverPort?: number }>(message);
    seen.push([String(name).split(':')[2], query, serverPort === nodeInfo(0).port ? 'primary' : 'replica']);
  };
  const channels = ['query', 'execute', 'pool:connect'].map((name) => `tracing:mysql2:${name}:start`);
  for (const name of channels) subscribe(name, note);
  await pool.query('SELECT ?', [1]);
  await pool.execute('SELECT ? FOR UPDATE', [1]);
  for (const name of channels) unsubscribe(name, note);
  expect(seen).toEqual([
    ['pool', undefined, 'replica'],
    ['query', 'SELECT 1', 'replica'],
    ['pool', undefined, 'primary'],
    ['execute', 'SELECT ? FOR UPDATE', 'primary'],
  ]);
});

test('what patches the prototype of mysql2’s connections, as OpenTelemetry does, meets each statement', async () => {
  // The class that has them: the one that is exported inherits.
  const prototype: object = Object.getPrototypeOf(mysql2.Connection.prototype);
  const original = Object.getOwnPropertyDescriptor(prototype, 'query');
  const seen: unknown[] = [];
  const { value: query }: { value?: unknown } = original ?? {};
  if (typeof query !== 'function') throw new Error('mysql2 has its query() elsewhere');
  Object.defineProperty(prototype, 'query', {
    ...original,
    value(this: { config: { port: number } }, ...args: [string | { sql: string }, ...unknown[]]) {
      const [sql] = args;
      seen.push([
        typeof sql === 'string' ? sql : sql.sql,
        this.config.port === nodeInfo(0).port ? 'primary' : 'replica',
      ]);
      return Reflect.apply(query, this, args);
    },
  });
  try {
    const pool = openPool();
    await pool.query('SELECT ?', [1]);
    await pool.query('SELECT 1 FOR UPDATE');
    const connection = await pool.getConnection();
    await connection.ping();
    await connection.query('SELECT 2');
    connection.release();
  } finally {
    if (original !== undefined) Object.defineProperty(prototype, 'query', original);
  }
  const ofMonitor = /^(?:SET session_track|SELECT @@|SHOW |SELECT MEMBER)/;
  expect(seen.filter((it) => Array.isArray(it) && !ofMonitor.test(String(it[0])))).toEqual([
    ['SELECT ?', 'replica'],
    ['SELECT 1 FOR UPDATE', 'primary'],
    ['SELECT 2', 'replica'],
  ]);
});
