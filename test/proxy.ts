import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection, type Connection, type ConnectionOptions, type RowDataPacket } from 'mysql2/promise';
import { afterAll, afterEach, beforeEach, vi } from 'vitest';
import { firstTcp } from '../proxy/listen/listeners.js';
import type { ProxyOptions } from '../proxy/options.js';
import { Proxy } from '../proxy/proxy.js';
import { createLog } from '../src/runtime/log.js';
import type { Rule } from '../src/routing/rules.js';
import type { NodeAddress } from '../src/topology/snapshot.js';
import { clusterInfo, connectDirect, untilReplicated } from './cluster.js';

export type Row = RowDataPacket;
export const PRIMARY_ID = 1;

/** What a test needs to know of a proxy in its own process. */
export interface TestProxy {
  readonly host: string;
  readonly port: number;
  readonly proxy: Proxy;
  /** A client's connection, as `app` unless told otherwise; closed when the test ends, or the file where it began outside of one. */
  connect(options?: ConnectionOptions): Promise<Connection>;
  /** Before the file ends: nothing is kept of it. */
  stop(): Promise<void>;
}

export interface TestProxyOptions {
  readonly nodes?: readonly { readonly host: string; readonly port: number }[];
  readonly poolMax?: number;
  readonly rules?: readonly Rule[];
  readonly accounts?: { readonly monitor: { user: string; password: string } };
  /** What else the proxy is set to. */
  readonly options?: Partial<ProxyOptions>;
}

/** Those that a test opened end with it: what their sessions hold would be missing for the next one. */
let connections: Connection[] = [];
const ofFile: Connection[] = [];
const proxies = new Set<Proxy>();
let inTest = false;
beforeEach(() => {
  inTest = true;
});
afterEach(async () => {
  inTest = false;
  const ended = connections;
  connections = [];
  await Promise.all(ended.map(async (connection) => connection.end().catch(() => connection.destroy())));
});
afterAll(async () => {
  for (const connection of ofFile.splice(0)) connection.destroy();
  await Promise.all([...proxies].map(async (proxy) => proxy.stop()));
  proxies.clear();
});

/** A proxy in this process, before all nodes of the shared cluster unless told otherwise; stopped when the file ends. */
export async function startProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const { nodes, accounts } = clusterInfo();
  const proxy = new Proxy(
    {
      listen: [{ host: '127.0.0.1', port: 0 }],
      nodes: (options.nodes ?? nodes).map(addressOf),
      // Who names nodes means these.
      discovery: options.nodes === undefined,
      monitor: (options.accounts ?? accounts).monitor,
      poolMax: options.poolMax ?? 20,
      rules: options.rules ?? [],
      ...options.options,
    },
    createLog(process.env['TEST_LOG'] ?? 'silent'),
  );
  proxies.add(proxy);
  const { host, port } = firstTcp(await proxy.start());
  return {
    host,
    port,
    proxy,
    connect: async (wanted = {}) => {
      const connection = await createConnection({ host, port, ...accounts.app, ...wanted });
      // A test that ends a session looks at the error of its statement, not at this one.
      connection.on('error', () => {});
      (inTest ? connections : ofFile).push(connection);
      return connection;
    },
    stop: async () => {
      proxies.delete(proxy);
      await proxy.stop();
    },
  };
}

const directories: string[] = [];
afterAll(async () => {
  await Promise.all(directories.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

/** A directory that goes with the test file. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rwsplit-test-'));
  directories.push(path);
  return path;
}

function addressOf({ host, port }: { readonly host: string; readonly port: number }): NodeAddress {
  return { name: `${host}:${port}`, host, port };
}

/** The first row of an answer. */
export async function row(connection: Connection, sql: string, values: readonly unknown[] = []): Promise<Row> {
  const [rows] = await connection.query<Row[]>(sql, [...values]);
  const [first] = rows;
  if (first === undefined) throw new Error(`no row from ${sql}`);
  return first;
}

/** The first column of the first row. */
export async function value(connection: Connection, sql: string, values: readonly unknown[] = []): Promise<unknown> {
  return Object.values(await row(connection, sql, values))[0];
}

/** The server that answers: 1 is the primary. `sql` is a select list and what follows it. */
export async function ranOn(connection: Connection, rest = ''): Promise<number> {
  return Number((await row(connection, `SELECT @@server_id AS id ${rest}`))['id']);
}

/** What is waited for where a server tells of an event in its own time. */
export async function eventually(check: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(check, { timeout: 20_000, interval: 20 });
}

/** Runs as an account that may do everything, on the primary without anything in between. */
export async function asRoot(...statements: readonly string[]): Promise<void> {
  const root = await connectDirect(0, clusterInfo().accounts.root);
  for (const statement of statements) await root.query(statement);
  await untilReplicated();
}

/** How often `app` has had each node run a statement of a kind, by what the node itself counts. */
export async function commandCounts(names: readonly string[]): Promise<Record<string, number>[]> {
  const { nodes, accounts } = clusterInfo();
  return Promise.all(
    nodes.map(async (_node, index) => {
      const root = await connectDirect(index, accounts.root);
      const [rows] = await root.query<Row[]>(
        `SELECT EVENT_NAME AS event, COUNT_STAR AS count FROM performance_schema.events_statements_summary_by_user_by_event_name
         WHERE USER = ? AND EVENT_NAME IN (?)`,
        [accounts.app.user, names.map((name) => `statement/sql/${name}`)],
      );
      root.destroy();
      return Object.fromEntries(rows.map((it) => [String(it['event']).split('/')[2], Number(it['count'])]));
    }),
  );
}
