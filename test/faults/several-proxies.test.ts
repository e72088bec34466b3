import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo } from '../cluster.js';
import { startEtcd, type TestEtcd } from '../etcd/etcd.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import type { Relay } from '../open-relay.js';
import { startRelay } from '../relay.js';
import { Ledger } from './ledger.js';

let cluster: Cluster;
let etcd: TestEtcd;
let proxies: TestProxy[];
/** Each proxy's own way to etcd. */
let relays: Relay[];
const open: Connection[] = [];

beforeAll(async () => {
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  etcd = await startEtcd();
  relays = await Promise.all([0, 1, 2].map(async () => startRelay(etcd)));
  proxies = await Promise.all(
    relays.map(async ({ host, port }) =>
      startProxy({
        nodes: cluster.nodes,
        accounts: cluster.accounts,
        options: {
          coordinator: { kind: 'etcd', cluster: 'faults', endpoints: [`http://${host}:${port}`], leaseMs: 4_000 },
          failover: { account: cluster.accounts.failover, pauseMs: 0, rebuilds: true },
          hold: { timeoutMs: 30_000 },
        },
      }),
    ),
  );
  const client = await at(0).connect(cluster.accounts.app);
  await client.query('CREATE DATABASE faults');
  await client.query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
});
afterAll(async () => {
  for (const connection of open) connection.destroy();
  await cluster.stop();
});

function at(index: number): TestProxy {
  const proxy = proxies[index];
  if (proxy === undefined) throw new Error(`there is no proxy ${index}`);
  return proxy;
}

async function status(index: number): Promise<Record<string, string>> {
  const admin = await at(index).connect(cluster.accounts.monitor);
  const [rows] = await admin.query<Row[]>('SHOW RWSPLIT FAILOVER');
  admin.destroy();
  return Object.fromEntries(rows.map((it) => [String(it['what']), String(it['value'])]));
}

async function leaders(): Promise<number[]> {
  const all = await Promise.all(proxies.map(async (_, index) => status(index)));
  return [...all.keys()].filter((it) => all[it]?.['leads'] === 'yes');
}

async function untilOneLeads(): Promise<number> {
  let found = -1;
  await eventually(async () => {
    const [leader, ...others] = await leaders();
    expect(others).toEqual([]);
    expect(leader).toBeDefined();
    expect((await status(leader ?? 0))['if_primary_dies']).toBe('a replica is promoted');
    found = leader ?? -1;
  });
  return found;
}

function primaryPorts(): Set<number | undefined> {
  return new Set(proxies.map(({ proxy }) => proxy.snapshot.primary?.address.port));
}

async function direct(port: number): Promise<Connection> {
  const connection = await createConnection({ host: '127.0.0.1', port, ...cluster.accounts.root, database: 'faults' });
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

/** Clients of all three write while the fault is done: one primary follows for all, nothing is lost, and no two epochs have two. */
async function expectOnePromotion(fault: () => Promise<void>): Promise<void> {
  const [before] = primaryPorts();
  const ledgers = proxies.map(
    ({ host, port }) => new Ledger({ host, port, ...cluster.accounts.app, database: 'faults' }),
  );
  for (const ledger of ledgers) ledger.start(2);
  const acknowledged = (ledger: Ledger, sinceMs: number): void =>
    expect(ledger.acknowledgedSince(sinceMs)).toBeGreaterThan(20);
  await eventually(() => ledgers.forEach((it) => acknowledged(it, 0)));
  await fault();
  await cluster.nodes.find(({ port }) => port === before)?.kill();
  await eventually(() => {
    expect(primaryPorts().size).toBe(1);
    expect(primaryPorts().has(before)).toBe(false);
    expect(primaryPorts().has(undefined)).toBe(false);
  });
  const sinceMs = ledgers.map((it) => it.nowMs);
  await eventually(() => ledgers.forEach((it, index) => acknowledged(it, sinceMs[index] ?? 0)));
  await Promise.all(ledgers.map(async (it) => it.stop()));
  const [now] = primaryPorts();
  const server = await direct(now ?? 0);
  for (const ledger of ledgers) expect(await ledger.lostOn(server)).toEqual([]);
  const [rows] = await server.query<RowDataPacket[]>(
    'SELECT epoch, change_no FROM rwsplit.journal ORDER BY epoch, change_no',
  );
  expect(new Set(rows.map((it) => `${it['epoch']}.${it['change_no']}`)).size).toBe(rows.length);
  const writable = await Promise.all(
    cluster.nodes
      .filter(({ port }) => port !== before)
      .map(async ({ port }) => Number(await value(await direct(port), 'SELECT @@global.read_only'))),
  );
  expect(writable.toSorted((a, b) => a - b)).toEqual([0, 1]);
}

/** Starts what is down, until all nodes serve at all proxies. */
async function allBack(): Promise<void> {
  for (const [index, node] of cluster.nodes.entries()) {
    for (let starts = 0; !serves(index);) {
      const isUp = await createConnection({ host: '127.0.0.1', port: node.port, ...cluster.accounts.root }).then(
        (connection) => {
          connection.destroy();
          return true;
        },
        (error: unknown) => !String(error).includes('ECONNREFUSED'),
      );
      if (isUp) await new Promise((resolve) => setTimeout(resolve, 100));
      else {
        expect(starts++).toBeLessThan(4);
        await node.restart();
      }
    }
  }
}

function serves(node: number): boolean {
  return proxies.every(({ proxy }) => {
    const found = proxy.snapshot.nodes.find(({ address }) => address.port === cluster.nodes[node]?.port);
    return found?.health === 'up' && found.role !== 'unknown';
  });
}

test('of three proxies one promotes, and all follow', async () => {
  await untilOneLeads();
  await expectOnePromotion(async () => {});
});

test('where the leader is cut off from etcd at that moment, another one promotes', async () => {
  await allBack();
  const leader = await untilOneLeads();
  await expectOnePromotion(async () => {
    relays[leader]?.cut();
    // By its own clock it has to be over first; nobody else leads before that.
    await eventually(async () => expect(await leaders()).not.toContain(leader));
  });
  relays[leader]?.mend();
  await untilOneLeads();
});

test('where the leader is stopped, another one promotes', async () => {
  await allBack();
  const leader = await untilOneLeads();
  const stopped = at(leader);
  proxies = proxies.filter((it) => it !== stopped);
  await stopped.proxy.stop();
  await expectOnePromotion(async () => {});
});
