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
        rebuilds: true,
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
    for (let starts = 0; healthOf(index) !== 'up';) {
      const isUp = await direct(index).then(
        (connection) => {
          connection.destroy();
          return true;
        },
        () => false,
      );
      if (isUp) await new Promise((resolve) => setTimeout(resolve, 100));
      else {
        expect(starts++).toBeLessThan(4);
        await node.restart();
      }
    }
  }
}

function healthOf(node: number): string | undefined {
  const { nodes } = proxy.proxy.snapshot;
  return nodes.find(({ address }) => address.port === cluster.nodes[node]?.port)?.health;
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
