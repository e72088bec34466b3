import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo } from '../cluster.js';
import { eventually, startProxy, value, type TestProxy } from '../proxy.js';
import { Ledger } from './ledger.js';

let cluster: Cluster;
let proxy: TestProxy;
const open: Connection[] = [];

beforeAll(async () => {
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  proxy = await startProxy({
    nodes: cluster.nodes,
    accounts: cluster.accounts,
    options: {
      failover: {
        coordinator: { kind: 'alone', name: 'test' },
        account: cluster.accounts.failover,
        pauseMs: 0,
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

test('a primary that is killed is replaced, and nothing that was acknowledged is lost', async () => {
  const ledger = new Ledger({ host: proxy.host, port: proxy.port, ...cluster.accounts.app, database: 'faults' });
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  const atMs = ledger.nowMs;
  await cluster.nodes[0].kill();
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(100));
  await ledger.stop();

  const now = primaryIndex();
  expect([1, 2]).toContain(now);
  const server = await direct(now);
  expect(await ledger.lostOn(server)).toEqual([]);
  expect(await ledger.unexpectedOn(server)).toEqual([]);
  // Whoever had a statement under way when the server died cannot be told what became of it; nobody else sees an error.
  expect(ledger.entries.filter(({ fate }) => fate !== 'acknowledged').length).toBeLessThanOrEqual(8);
  const other = await direct(now === 1 ? 2 : 1);
  await eventually(async () => expect(await ledger.lostOn(other)).toEqual([]));
  expect(await value(server, 'SELECT @@global.rpl_semi_sync_source_enabled')).toBe(1);
  const next = ledger.entries.filter(
    (it) => it.fate === 'acknowledged' && it.sentMs > atMs - 1000 && it.answeredMs > atMs + 50,
  );
  console.log(
    'first',
    Math.min(...next.map((it) => it.answeredMs)) - atMs,
    ledger.entries.filter(({ fate }) => fate !== 'acknowledged'),
  );
});
