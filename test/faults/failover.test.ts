import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { listens } from '../../docker/cluster/listens.js';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { main } from '../../proxy/cli/main.js';
import { clusterInfo } from '../cluster.js';
import { startRelay } from '../relay.js';
import { eventually, startProxy, temporaryDirectory, value, type Row, type TestProxy } from '../proxy.js';
import { Ledger } from './ledger.js';

let cluster: Cluster;
let proxy: TestProxy;
/** What a hook was told. */
let hooked: string;
/** Where decisions are written down. */
let audit: string;
const open: Connection[] = [];

beforeAll(async () => {
  hooked = join(await temporaryDirectory(), 'hooked');
  audit = join(await temporaryDirectory(), 'decisions.jsonl');
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  proxy = await startProxy({
    nodes: cluster.nodes,
    accounts: cluster.accounts,
    options: {
      coordinator: { kind: 'alone' },
      failover: {
        account: cluster.accounts.failover,
        pauseMs: 0,
        rebuilds: true,
        hooks: [`cat >> ${hooked}`],
        audit,
      },
    },
  });
  const client = await proxy.connect(cluster.accounts.app);
  await client.query('CREATE DATABASE faults');
  await client.query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
});
afterAll(async () => {
  for (const connection of open) connection.destroy();
  await cluster.stop();
});

async function direct(node: number): Promise<Connection> {
  const { host, port } = cluster.nodes[node] ?? cluster.nodes[0];
  const connection = await createConnection({ host, port, ...cluster.accounts.root, database: 'faults' });
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

function primaryIndex(): number {
  const { primary } = proxy.proxy.snapshot;
  return cluster.nodes.findIndex(({ port }) => port === primary?.address.port);
}

function writers(): Ledger {
  return new Ledger({ host: proxy.host, port: proxy.port, ...cluster.accounts.app, database: 'faults' });
}

/** Everything that was acknowledged is on the primary, and nothing that was said not to have been executed. */
async function expectKept(ledger: Ledger): Promise<void> {
  const server = await direct(primaryIndex());
  expect(await ledger.lostOn(server)).toEqual([]);
  expect(await ledger.unexpectedOn(server)).toEqual([]);
}

/** Starts what is down, until all nodes serve: an old primary with transactions of its own gets its data anew, for which its server ends once more. */
async function allBack(): Promise<void> {
  for (const [index, node] of cluster.nodes.entries()) {
    for (let starts = 0; !serves(index);) {
      const isUp = await listens(node.port);
      if (isUp) await new Promise((resolve) => setTimeout(resolve, 100));
      else {
        expect(starts++).toBeLessThan(4);
        await node.restart();
      }
    }
  }
}

/** What a verb of the command line prints, said to the proxy. */
async function rwsplit(...args: readonly string[]): Promise<string> {
  const { user, password } = cluster.accounts.monitor;
  process.env['FAULTS_MONITOR'] = password;
  const printed: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  try {
    const login = ['--proxy', `${proxy.host}:${proxy.port}`, '--user', user, '--password-env', 'FAULTS_MONITOR'];
    expect(await main([...args, ...login])).toBe(0);
  } finally {
    write.mockRestore();
  }
  return printed.join('');
}

function decisions(): { kind: string; outcome: string; steps: { step: string; node: string; outcome: string }[] }[] {
  const lines = readFileSync(audit, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

function serves(node: number): boolean {
  const { nodes } = proxy.proxy.snapshot;
  const found = nodes.find(({ address }) => address.port === cluster.nodes[node]?.port);
  return found?.health === 'up' && found.role !== 'unknown';
}

test('a primary that is killed is replaced, and nothing that was acknowledged is lost', async () => {
  const before = primaryIndex();
  const ledger = writers();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  const atMs = ledger.nowMs;
  await cluster.nodes[before]?.kill();
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(100));
  await ledger.stop();

  const now = primaryIndex();
  expect(now).not.toBe(before);
  await expectKept(ledger);
  // Whoever had a statement under way when the server died cannot be told what became of it; nobody else sees an error.
  const spared = ledger.entries.filter(
    (it) => it.fate !== 'acknowledged' && !it.error.includes('whether the statement was executed is not known'),
  );
  expect(spared).toEqual([]);
  const server = await direct(now);
  expect(await value(server, 'SELECT @@global.rpl_semi_sync_source_enabled')).toBe(1);
  expect(
    await value(
      server,
      'SELECT COUNT(*) FROM performance_schema.replication_connection_configuration WHERE HOST <> ""',
    ),
  ).toBe(0);
  await eventually(() => {
    const events = readFileSync(hooked, 'utf8')
      .trim()
      .split('\n')
      .map((it): unknown => JSON.parse(it));
    expect(events.at(-1)).toMatchObject({
      event: 'failover',
      from: `127.0.0.1:${cluster.nodes[before]?.port}`,
      to: `127.0.0.1:${cluster.nodes[now]?.port}`,
      lost: '',
    });
  });
  const name = `127.0.0.1:${cluster.nodes[now]?.port}`;
  const decision = decisions().find(({ kind }) => kind === 'failover');
  expect(decision).toMatchObject({ diagnosis: 'dead', outcome: `${name} is the primary` });
  expect(decision?.steps).toContainEqual(expect.objectContaining({ step: 'open', node: name, outcome: 'done' }));
  const { failover, root } = cluster.accounts;
  for (const { password } of [failover, root]) expect(readFileSync(audit, 'utf8')).not.toContain(password);
  const admin = await proxy.connect(cluster.accounts.monitor);
  const [shown] = await admin.query<Row[]>('SHOW RWSPLIT FAILOVER');
  expect(shown.map((it) => String(it['value'])).join('\n')).toMatch(`${name} is the primary`);
  const sibling = await direct([0, 1, 2].find((it) => it !== now && it !== before) ?? 0);
  await eventually(async () => expect(await ledger.lostOn(sibling)).toEqual([]));
});

test('an old primary comes back as a replica, whatever it has that nobody was told of', async () => {
  await allBack();
  const { snapshot } = proxy.proxy;
  expect(snapshot.nodes.map(({ role }) => role).toSorted()).toEqual(['primary', 'replica', 'replica']);
  const client = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await client.query("INSERT INTO ledger VALUES ('after the return')");
  const counts = async (): Promise<unknown[]> =>
    Promise.all([0, 1, 2].map(async (it) => value(await direct(it), 'SELECT COUNT(*), SUM(CRC32(id)) FROM ledger')));
  await eventually(async () => expect(new Set(await counts()).size).toBe(1));
});

test('a primary that is frozen is replaced, and is none any more when it wakes up', async () => {
  const before = primaryIndex();
  const ledger = writers();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(50));
  const atMs = ledger.nowMs;
  await cluster.nodes[before]?.freeze();
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(50));
  await cluster.nodes[before]?.thaw();
  const thawnAtMs = ledger.nowMs;
  await eventually(() => expect(ledger.acknowledgedSince(thawnAtMs)).toBeGreaterThan(50));
  await ledger.stop();

  expect(primaryIndex()).not.toBe(before);
  await expectKept(ledger);
  await allBack();
  await expectKept(ledger);
  expect(primaryIndex()).not.toBe(before);
});

test('a session lives through it, and its transaction is told to begin again', async () => {
  const client = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await client.query("SET SESSION sql_mode = 'ANSI_QUOTES'");
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('in transaction')");
  const idle = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await idle.execute('SELECT COUNT(*) FROM ledger WHERE id = ?', ['x']);
  const pinned = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await pinned.query('CREATE TEMPORARY TABLE tmp (id INT)');
  const before = primaryIndex();
  await cluster.nodes[before]?.kill();

  await expect(client.query("INSERT INTO ledger VALUES ('later')")).rejects.toMatchObject({
    errno: 1213,
    sqlState: '40001',
  });
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('in transaction')");
  await client.commit();
  expect(await value(client, 'SELECT @@sql_mode')).toBe('ANSI_QUOTES');
  await idle.execute('INSERT INTO ledger VALUES (?)', ['prepared']);
  expect(await value(idle, "SELECT COUNT(*) FROM ledger WHERE id IN ('in transaction', 'prepared', 'later')")).toBe(2);
  await expect(pinned.query('SELECT * FROM tmp')).rejects.toMatchObject({ errno: 2013 });
  expect(primaryIndex()).not.toBe(before);
});

test('a planned switchover under load is not noticed by any client', async () => {
  await allBack();
  const admin = await proxy.connect(cluster.accounts.monitor);
  const before = primaryIndex();
  const ledger = writers();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  for (const to of [(before + 1) % 3, (before + 2) % 3, before]) {
    const name = `127.0.0.1:${cluster.nodes[to]?.port}`;
    const [plan] = await admin.query<Row[]>(`RWSPLIT SWITCHOVER TO '${name}' DRY RUN`);
    expect(plan.map((it) => it['step'])).toEqual(expect.arrayContaining(['hold', 'close', 'drain', 'open', 'release']));
    expect(await rwsplit('switchover', '--to', name)).toMatch(/it is the primary now/);
    expect(primaryIndex()).toBe(to);
    const atMs = ledger.nowMs;
    await eventually(() => expect(ledger.acknowledgedSince(atMs)).toBeGreaterThan(100));
    await allBack();
  }
  await ledger.stop();
  expect(ledger.entries.filter(({ fate }) => fate !== 'acknowledged')).toEqual([]);
  await expectKept(ledger);
  for (const node of [0, 1, 2])
    await eventually(async () => expect(await ledger.lostOn(await direct(node))).toEqual([]));
});

test('a switchover waits for transactions, and leaves everything as it was where they do not end', async () => {
  await allBack();
  const admin = await proxy.connect(cluster.accounts.monitor);
  const before = primaryIndex();
  const name = `127.0.0.1:${cluster.nodes[(before + 1) % 3]?.port}`;
  const client = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('begun before')");
  await expect(admin.query(`RWSPLIT SWITCHOVER TO '${name}'`)).rejects.toThrow(
    /1 transactions on .* do not end; everything is as it was/,
  );
  await client.query("INSERT INTO ledger VALUES ('goes on')");
  await client.commit();
  expect(primaryIndex()).toBe(before);
  await expect(admin.query(`RWSPLIT SWITCHOVER TO '127.0.0.1:1'`)).rejects.toThrow(/no node/);
  await expect(client.query(`RWSPLIT SWITCHOVER TO '${name}'`)).rejects.toMatchObject({ errno: 1227 });
});

test('a primary that only the proxy cannot reach stays the primary', async () => {
  await allBack();
  const before = primaryIndex();
  const relay = await startRelay(cluster.nodes[before] ?? cluster.nodes[0]);
  const others = cluster.nodes.filter((_, index) => index !== before);
  const cutOff = await startProxy({
    nodes: [{ host: '127.0.0.1', port: relay.port }, ...others],
    accounts: cluster.accounts,
    options: {
      coordinator: { kind: 'alone' },
      failover: { account: cluster.accounts.failover, pauseMs: 0 },
    },
  });
  const client = await cutOff.connect({ ...cluster.accounts.app, database: 'faults' });
  await client.query("INSERT INTO ledger VALUES ('before the cut')");
  relay.cut();
  const held = client.query("INSERT INTO ledger VALUES ('after the cut')");
  const relayed = (): string | undefined =>
    cutOff.proxy.snapshot.nodes.find(({ address }) => address.port === relay.port)?.health;
  await eventually(() => expect(relayed()).toBe('down'));
  // Reads go on, and everybody else still writes to the same server.
  const reader = await cutOff.connect({ ...cluster.accounts.app, database: 'faults' });
  expect(await value(reader, "SELECT COUNT(*) FROM ledger WHERE id = 'before the cut'")).toBe(1);
  const other = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await other.query("INSERT INTO ledger VALUES ('meanwhile')");
  relay.mend();
  await held;
  expect(primaryIndex()).toBe(before);
  await eventually(async () => expect(await client.query("INSERT INTO ledger VALUES ('in the end')")).toBeTruthy());
  expect(
    await value(other, "SELECT COUNT(*) FROM ledger WHERE id IN ('after the cut', 'meanwhile', 'in the end')"),
  ).toBe(3);
  await cutOff.proxy.stop();
});

test('a proxy that starts later knows who is the primary, although others take writes too', async () => {
  await allBack();
  const before = primaryIndex();
  await proxy.proxy.stop();
  const stray = await direct((before + 1) % 3);
  await stray.query('STOP REPLICA');
  await stray.query('RESET REPLICA ALL');
  await stray.query('SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF');
  proxy = await startProxy({
    nodes: cluster.nodes,
    accounts: cluster.accounts,
    options: { coordinator: { kind: 'alone' }, failover: { account: cluster.accounts.failover } },
  });
  expect(primaryIndex()).toBe(before);
  const client = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await client.query("INSERT INTO ledger VALUES ('after a restart')");
  expect(await value(await direct(before), "SELECT COUNT(*) FROM ledger WHERE id = 'after a restart'")).toBe(1);
  const { nodes } = proxy.proxy.snapshot;
  expect(nodes.filter(({ health }) => health === 'quarantined')).toHaveLength(1);
});
