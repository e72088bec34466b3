import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Node } from '../../src/topology/snapshot.js';
import { clusterInfo } from '../cluster.js';
import { Ledger } from '../faults/ledger.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { MariadbCluster } from './cluster.js';
import { makeAnew } from './make-anew.js';

let cluster: MariadbCluster;
let proxy: TestProxy;
const open: Connection[] = [];

beforeAll(async () => {
  cluster = await MariadbCluster.start({ semiSync: true });
  const { failover, root } = clusterInfo().accounts;
  proxy = await startProxy({
    nodes: cluster.nodes,
    options: {
      coordinator: { kind: 'alone' },
      failover: { account: failover, replication: root, pauseMs: 0 },
      replay: { transactions: true },
    },
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

async function direct(index: number, database = 'faults'): Promise<Connection> {
  const { host, port } = nodeOf(index);
  const connection = await createConnection({ host, port, ...clusterInfo().accounts.root, database });
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

function seen(index: number): Node | undefined {
  return proxy.proxy.snapshot.nodes.find(({ address }) => address.port === nodeOf(index).port);
}

function healthOf(index: number): string | undefined {
  const node = seen(index);
  return node?.role === 'unknown' ? 'unknown' : node?.health;
}

async function untilAllServe(): Promise<void> {
  const states = (): unknown[] => [0, 1, 2].map((it) => [healthOf(it), seen(it)?.why]);
  const serves = ['up', ''];
  await eventually(() => expect(states()).toEqual([serves, serves, serves]));
}

/** By the steps of an operator: the node knows of its own transactions in the end, and is taken back. */
async function makeItAnew(index: number, untold?: () => Promise<void>): Promise<void> {
  await makeAnew(nodeOf(index), nodeOf(primaryIndex()), clusterInfo().accounts.root, untold);
}

/** The other nodes. */
function othersThan(index: number): number[] {
  return [0, 1, 2].filter((it) => it !== index);
}

test('a primary that dies is replaced, and comes back as a replica where it has nothing of its own', async () => {
  const before = primaryIndex();
  const client = await proxy.connect({ database: 'faults' });
  await client.query("INSERT INTO ledger VALUES ('before')");
  await nodeOf(before).kill();
  await client.query("INSERT INTO ledger VALUES ('after')");
  expect(primaryIndex()).not.toBe(before);
  await nodeOf(before).start();
  await untilAllServe();
  const returned = await direct(before);
  await eventually(async () => expect(await value(returned, 'SELECT COUNT(*) FROM ledger')).toBe(2));
  expect(await value(returned, 'SELECT @@global.read_only')).toBe(1);
});

test('a transaction that is open when the primary dies goes on on the next one, where each result is the same', async () => {
  const before = primaryIndex();
  const client = await proxy.connect({ database: 'faults' });
  const reader = await proxy.connect({ database: 'faults' });
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('in a transaction')");
  const rows = Number(await value(client, 'SELECT COUNT(*) FROM ledger'));
  await reader.beginTransaction();
  await reader.query('SELECT @@server_id');
  await reader.query("INSERT INTO ledger VALUES ('of one who knows the server')");
  await nodeOf(before).kill();
  await client.query("UPDATE ledger SET id = 'in a transaction, still' WHERE id = 'in a transaction'");
  expect(await value(client, 'SELECT COUNT(*) FROM ledger')).toBe(rows);
  await client.commit();
  await expect(reader.commit()).rejects.toMatchObject({ errno: 1213 });
  expect(primaryIndex()).not.toBe(before);
  const server = await direct(primaryIndex());
  expect(
    (await server.query<Row[]>("SELECT id FROM ledger WHERE id LIKE '%a transaction%' OR id LIKE '%knows%'"))[0],
  ).toEqual([{ id: 'in a transaction, still' }]);
  await nodeOf(before).start();
  await untilAllServe();
});

test('a primary that is killed under writers is replaced, and nothing that was acknowledged is lost', async () => {
  const before = primaryIndex();
  const ledger = writers();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  const atMs = ledger.nowMs;
  await nodeOf(before).kill();
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(100));
  await ledger.stop();

  const now = primaryIndex();
  expect(now).not.toBe(before);
  await expectKept(ledger);
  const server = await direct(now);
  expect(await value(server, 'SELECT @@global.rpl_semi_sync_master_enabled')).toBe(1);
  await eventually(async () => expect((await server.query<Row[]>('SHOW ALL SLAVES STATUS'))[0]).toEqual([]));
  const [sibling = 0] = othersThan(now).filter((it) => it !== before);
  await eventually(async () => expectKept(ledger, sibling));
  await makeItAnew(before);
  await untilAllServe();
});

test('a primary that is frozen is replaced, and acknowledges nothing any more when it wakes up', async () => {
  const before = primaryIndex();
  const { host, port } = nodeOf(before);
  const { app } = clusterInfo().accounts;
  const stranger = await createConnection({ host, port, ...app, database: 'faults' });
  stranger.on('error', () => {});
  open.push(stranger);
  const ledger = writers();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  const atMs = ledger.nowMs;
  await nodeOf(before).freeze();
  const written = stranger.query("INSERT INTO ledger VALUES ('on the old primary')").then(
    () => 'acknowledged',
    () => 'not acknowledged',
  );
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(50));
  await nodeOf(before).thaw();
  expect(await written).toBe('not acknowledged');
  await ledger.stop();
  expect(primaryIndex()).not.toBe(before);
  await expectKept(ledger);
  await eventually(async () => {
    const again = await createConnection({ host, port, ...app, database: 'faults' });
    again.on('error', () => {});
    open.push(again);
    await expect(again.query('DELETE FROM ledger')).rejects.toMatchObject({ errno: 1290 });
  });
  await makeItAnew(before);
  await untilAllServe();
});

test('a planned switchover under load is not noticed by any client', async () => {
  const admin = await proxy.connect(clusterInfo().accounts.monitor);
  const before = primaryIndex();
  const ledger = writers();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  for (const to of [...othersThan(before), before]) {
    const name = `127.0.0.1:${nodeOf(to).port}`;
    const [plan] = await admin.query<Row[]>(`RWSPLIT SWITCHOVER TO '${name}' DRY RUN`);
    expect(plan.map((it) => it['step'])).toEqual(expect.arrayContaining(['hold', 'close', 'drain', 'open', 'release']));
    await admin.query(`RWSPLIT SWITCHOVER TO '${name}'`);
    expect(primaryIndex()).toBe(to);
    const atMs = ledger.nowMs;
    await eventually(() => expect(ledger.acknowledgedSince(atMs)).toBeGreaterThan(100));
    await untilAllServe();
  }
  await ledger.stop();
  expect(ledger.entries.filter(({ fate }) => fate !== 'acknowledged')).toEqual([]);
  for (const node of [0, 1, 2]) await eventually(async () => expectKept(ledger, node));
});

test('an old primary with a transaction that nobody was told of is left alone, until its data were made anew', async () => {
  const before = primaryIndex();
  const admin = await proxy.connect(clusterInfo().accounts.monitor);
  // Nobody starts what is in maintenance, while the primary lives.
  for (const index of othersThan(before)) {
    await admin.query(`RWSPLIT MAINTENANCE '127.0.0.1:${nodeOf(index).port}'`);
    await (await direct(index)).query('STOP SLAVE IO_THREAD');
  }
  const hanging = (await direct(before)).query("INSERT INTO ledger VALUES ('nobody was told')").catch(() => 'unknown');
  const watcher = await direct(before);
  const waiting =
    "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'RPL_SEMI_SYNC_MASTER_WAIT_SESSIONS'";
  await eventually(async () => expect(Number(await value(watcher, waiting))).toBe(1));
  await nodeOf(before).kill();
  expect(await hanging).toBe('unknown');
  for (const index of othersThan(before)) await admin.query(`RWSPLIT RESUME '127.0.0.1:${nodeOf(index).port}'`);
  const client = await proxy.connect({ database: 'faults' });
  await client.query("INSERT INTO ledger VALUES ('on the new primary')");
  expect(primaryIndex()).not.toBe(before);
  await nodeOf(before).start();
  const returned = await direct(before);
  expect(await value(returned, "SELECT COUNT(*) FROM ledger WHERE id = 'nobody was told'")).toBe(1);
  await eventually(() => expect(healthOf(before)).toBe('unknown'));
  const [sibling = 0] = othersThan(before).filter((it) => it !== primaryIndex());
  const replica = await direct(sibling);
  const expectLeftAlone = async (): Promise<void> => {
    // Each of these writes waits until the cluster was looked after, the node that came back among it.
    for (let i = 0; i < 2; i++) {
      await replica.query('STOP SLAVE IO_THREAD');
      await client.query('INSERT INTO ledger VALUES (UUID())');
    }
    const node = await direct(before);
    expect(await value(node, 'SELECT @@global.read_only')).toBe(1);
    expect((await node.query<Row[]>('SHOW ALL SLAVES STATUS'))[0]).toEqual([]);
  };
  await expectLeftAlone();

  // By what came with the backup it has all that it made; from there on it would get once more what it has.
  await makeItAnew(before, expectLeftAlone);
  await untilAllServe();
  expect(await value(await direct(before), "SELECT COUNT(*) FROM ledger WHERE id = 'nobody was told'")).toBe(0);
});
