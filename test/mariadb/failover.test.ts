import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clusterInfo } from '../cluster.js';
import { Ledger } from '../faults/ledger.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { MariadbCluster } from './cluster.js';

let cluster: MariadbCluster;
let proxy: TestProxy;
const open: Connection[] = [];

beforeAll(async () => {
  cluster = await MariadbCluster.start({ semiSync: true });
  const { failover, root } = clusterInfo().accounts;
  proxy = await startProxy({
    nodes: cluster.nodes,
    options: { coordinator: { kind: 'alone' }, failover: { account: failover, replication: root, pauseMs: 0 } },
  });
  const client = await proxy.connect();
  await client.query('CREATE DATABASE faults');
  await client.query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
});
afterAll(() => {
  for (const connection of open) connection.destroy();
});

function nodeOf(index: number): MariadbCluster['nodes'][number] {
  const node = cluster.nodes[index];
  if (node === undefined) throw new Error(`the cluster has no node ${index}`);
  return node;
}

async function direct(index: number): Promise<Connection> {
  const { host, port } = nodeOf(index);
  const connection = await createConnection({ host, port, ...clusterInfo().accounts.root, database: 'faults' });
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

function primaryIndex(): number {
  const { primary } = proxy.proxy.snapshot;
  return cluster.nodes.findIndex(({ port }) => port === primary?.address.port);
}

function writers(): Ledger {
  return new Ledger({ host: proxy.host, port: proxy.port, ...clusterInfo().accounts.app, database: 'faults' });
}

/** Everything that was acknowledged is on that node, and nothing that was said not to have been executed. */
async function expectKept(ledger: Ledger, index = primaryIndex()): Promise<void> {
  const server = await direct(index);
  expect(await ledger.lostOn(server)).toEqual([]);
  expect(await ledger.unexpectedOn(server)).toEqual([]);
}

function healthOf(index: number): string | undefined {
  const { nodes } = proxy.proxy.snapshot;
  const found = nodes.find(({ address }) => address.port === nodeOf(index).port);
  return found?.role === 'unknown' ? 'unknown' : found?.health;
}

async function untilAllServe(): Promise<void> {
  await eventually(() => expect([0, 1, 2].map(healthOf)).toEqual(['up', 'up', 'up']));
}

test('a primary that is killed is replaced, and nothing that was acknowledged is lost', async () => {
  const before = primaryIndex();
  const ledger = writers();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  const atMs = ledger.nowMs;
  await nodeOf(before).kill();
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(100));
  await ledger.stop();
  const first = ledger.entries.find((it) => it.fate === 'acknowledged' && it.sentMs > atMs);
  process.stderr.write(`first acknowledged: ${(first?.answeredMs ?? 0) - atMs} ms\n`);

  const now = primaryIndex();
  expect(now).not.toBe(before);
  await expectKept(ledger);
  const server = await direct(now);
  expect(await value(server, 'SELECT @@global.rpl_semi_sync_master_enabled')).toBe(1);
  await eventually(async () => expect((await server.query<Row[]>('SHOW ALL SLAVES STATUS'))[0]).toEqual([]));
  const sibling = await direct([0, 1, 2].find((it) => it !== now && it !== before) ?? 0);
  await eventually(async () => expect(await ledger.lostOn(sibling)).toEqual([]));
});
