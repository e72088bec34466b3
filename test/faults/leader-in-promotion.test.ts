import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { listens } from '../../docker/cluster/listens.js';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { AnswerRelay } from '../answer-relay.js';
import { clusterInfo } from '../cluster.js';
import { startEtcd, type TestEtcd } from '../etcd/etcd.js';
import type { Relay } from '../open-relay.js';
import { eventually, temporaryDirectory, value, type Row } from '../proxy.js';
import { ProxyProcess } from '../proxy-process.js';
import { startRelay } from '../relay.js';
import { Ledger } from './ledger.js';
import { WritableServers } from './writable-servers.js';

/** In the middle of a promotion: what a leader says while nobody is chosen; while the candidate applies; and when it is written down who it is. */
const STEPS = {
  freezing: 'STOP REPLICA IO_THREAD',
  draining: 'WAIT_FOR_EXECUTED_GTID_SET',
  opening: 'SELECT GTID_SUBSET(',
} as const;

/** A proxy that is one of three, with its own ways to etcd and to the servers. */
interface Member {
  process: ProxyProcess;
  readonly toEtcd: Relay;
  readonly toNodes: readonly AnswerRelay[];
  readonly args: readonly string[];
}

let cluster: Cluster;
let etcd: TestEtcd;
let members: readonly Member[];
let ledgers: readonly Ledger[];
let watch: WritableServers;
const open: Connection[] = [];

beforeAll(async () => {
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  etcd = await startEtcd();
  members = await Promise.all([0, 1, 2].map(async (index) => member(index)));
  const client = await connect(0, 'app');
  await client.query('CREATE DATABASE faults');
  await client.query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
});
beforeEach(async () => {
  await allBack();
  ledgers = members.map(
    ({ process: { host, port } }) => new Ledger({ host, port, ...cluster.accounts.app, database: 'faults' }),
  );
  for (const ledger of ledgers) ledger.start(2);
  await eventually(() => ledgers.forEach((it) => expect(it.acknowledgedSince(0)).toBeGreaterThan(10)));
  watch = new WritableServers(cluster);
});
afterEach(async () => {
  for (const it of open.splice(0)) it.destroy();
  for (const { toNodes, toEtcd, process } of members) {
    for (const relay of toNodes) relay.release();
    toEtcd.mend();
    process.signal('SIGCONT');
  }
  await Promise.all([watch.stop(), ...ledgers.map(async (it) => it.stop())]);
});
afterAll(async () => {
  await cluster.stop();
});

async function member(index: number): Promise<Member> {
  const toEtcd = await startRelay(etcd);
  const toNodes = await Promise.all(cluster.nodes.map(async (node) => AnswerRelay.start(node)));
  const config = join(await temporaryDirectory(), `${index}.yaml`);
  const { failover, monitor } = cluster.accounts;
  await writeFile(
    config,
    `discovery: false
servers: { tls: off }
hold: { timeout_ms: 30000 }
coordinator: { kind: etcd, cluster: promotion, endpoints: ["http://${toEtcd.host}:${toEtcd.port}"], lease_ms: 4000 }
failover: { user: ${failover.user}, password_env: FAILOVER_PASSWORD, pause_ms: 1, rebuild: clone }
`,
  );
  const args = toNodes
    .flatMap(({ port }) => ['--node', `127.0.0.1:${port}`])
    .concat([
      ...['--config', config, '--log-level', 'silent', '--data-dir', await temporaryDirectory()],
      ...['--monitor-user', monitor.user, '--monitor-password-env', 'MONITOR_PASSWORD'],
    ]);
  return { process: await startProcess(args), toEtcd, toNodes, args };
}

async function startProcess(args: readonly string[]): Promise<ProxyProcess> {
  const { failover, monitor } = cluster.accounts;
  return ProxyProcess.start(args, { FAILOVER_PASSWORD: failover.password, MONITOR_PASSWORD: monitor.password });
}

function at(index: number): Member {
  const found = members[index];
  if (found === undefined) throw new Error(`there is no proxy ${index}`);
  return found;
}

async function connect(index: number, as: 'app' | 'monitor'): Promise<Connection> {
  const { host, port } = at(index).process;
  const connection = await createConnection({ host, port, ...cluster.accounts[as] });
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

async function status(index: number): Promise<Record<string, string>> {
  const admin = await connect(index, 'monitor');
  const [rows] = await admin.query<Row[]>('SHOW RWSPLIT FAILOVER');
  admin.destroy();
  return Object.fromEntries(rows.map((it) => [String(it['what']), String(it['value'])]));
}

/** Whom a proxy takes for the primary, where it is one that takes writes. */
async function primaryOf(index: number): Promise<ClusterNode | undefined> {
  const admin = await connect(index, 'monitor');
  const [rows] = await admin.query<Row[]>('SHOW RWSPLIT NODES');
  admin.destroy();
  const name = String(rows.find((it) => it['role'] === 'primary')?.['node']);
  return cluster.nodes[at(index).toNodes.findIndex(({ port }) => name === `127.0.0.1:${port}`)];
}

/** Which of these leads, and would promote. */
async function untilOneLeads(among: readonly number[]): Promise<number> {
  let found = -1;
  await eventually(async () => {
    const all = await Promise.all(among.map(async (it) => ({ it, ...(await status(it)) })));
    const leading = all.filter((it) => 'leads' in it && it['leads'] === 'yes');
    expect(leading).toHaveLength(1);
    found = leading[0]?.it ?? -1;
  });
  return found;
}

async function direct(node: ClusterNode): Promise<Connection> {
  const { host, port } = node;
  const connection = await createConnection({ host, port, ...cluster.accounts.root, database: 'faults' });
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

/** Starts what is down, until all nodes serve at all proxies and the leader would promote one. */
async function allBack(): Promise<void> {
  await eventually(async () => {
    for (const node of cluster.nodes) if (!(await listens(node.port))) await node.restart();
    for (const index of members.keys()) {
      const admin = await connect(index, 'monitor');
      const [rows] = await admin.query<Row[]>('SHOW RWSPLIT NODES');
      admin.destroy();
      expect(rows.map((it) => it['health'])).toEqual(['up', 'up', 'up']);
      expect(rows.map((it) => String(it['role'])).toSorted((a, b) => a.localeCompare(b))).toEqual([
        'primary',
        'replica',
        'replica',
      ]);
    }
    const leader = await untilOneLeads([...members.keys()]);
    expect((await status(leader))['if_primary_dies']).toBe('a replica is promoted');
  });
}

interface InPromotion {
  readonly leader: number;
  readonly others: readonly number[];
  readonly dead: ClusterNode;
}

/** The primary dies, and the leader has come to that step: it waits for the answer to it. */
async function untilInPromotion(step: keyof typeof STEPS): Promise<InPromotion> {
  const leader = await untilOneLeads([...members.keys()]);
  const dead = await primaryOf(leader);
  if (dead === undefined) throw new Error('there is no primary');
  const reached = Promise.race(at(leader).toNodes.map(async (it) => it.holdAnswerTo(STEPS[step])));
  await dead.kill();
  await reached;
  return { leader, others: [...members.keys()].filter((it) => it !== leader), dead };
}

/** Another one leads, there is a primary again, and the clients of these proxies write. */
async function untilPromotedBy(among: readonly number[], dead: ClusterNode): Promise<ClusterNode> {
  let now: ClusterNode | undefined;
  await eventually(async () => {
    await untilOneLeads(among);
    const primaries = new Set(await Promise.all(among.map(async (it) => primaryOf(it))));
    expect(primaries.size).toBe(1);
    [now] = primaries;
    expect(now).toBeDefined();
    expect(now).not.toBe(dead);
  });
  await untilWriting(among);
  return now ?? dead;
}

async function untilWriting(among: readonly number[]): Promise<void> {
  const sinceMs = ledgers.map((it) => it.nowMs);
  await eventually(() =>
    among.forEach((it) => expect(ledgers[it]?.acknowledgedSince(sinceMs[it] ?? 0)).toBeGreaterThan(10)),
  );
}

/** So that what the first leader goes on with would make a second primary: the one that it has chosen is none any more. */
async function switchOver(by: readonly number[], from: ClusterNode, dead: ClusterNode): Promise<ClusterNode> {
  const to = cluster.nodes.find((it) => it !== from && it !== dead) ?? from;
  await eventually(async () => {
    const leader = await untilOneLeads(by);
    if ((await primaryOf(leader)) === to) return;
    const admin = await connect(leader, 'monitor');
    const way = at(leader).toNodes[cluster.nodes.indexOf(to)];
    await admin.query(`RWSPLIT SWITCHOVER TO '127.0.0.1:${way?.port}'`);
  });
  await untilWriting(by);
  return to;
}

/** One server takes writes, with all that was acknowledged; never did two; each change of the primary is a later one's than the one before. */
async function expectOnePrimary(primary: ClusterNode): Promise<void> {
  await Promise.all(ledgers.map(async (it) => it.stop()));
  expect(await watch.stop()).toEqual([]);
  const server = await direct(primary);
  expect(await value(server, 'SELECT @@global.read_only')).toBe(0);
  for (const ledger of ledgers) {
    expect(await ledger.lostOn(server)).toEqual([]);
    expect(await ledger.unexpectedOn(server)).toEqual([]);
  }
  const [rows] = await server.query<Row[]>('SELECT epoch, change_no AS no, at FROM rwsplit.journal ORDER BY at');
  const changes = rows.map((it) => Number(it['epoch']) * 1_000 + Number(it['no']));
  expect(changes).toEqual([...new Set(changes)].toSorted((a, b) => a - b));
}

test('where the leader is killed in mid-promotion, another one ends it', async () => {
  const { leader, others, dead } = await untilInPromotion('opening');
  await at(leader).process.kill();
  const now = await untilPromotedBy(others, dead);
  await expectOnePrimary(now);
  at(leader).toNodes.forEach((it) => it.release());
  at(leader).process = await startProcess(at(leader).args);
});

for (const step of ['draining', 'opening'] as const) {
  test(`where the leader freezes while ${step}, and wakes up when another one has ended it, it does nothing more`, async () => {
    const { leader, others, dead } = await untilInPromotion(step);
    at(leader).process.signal('SIGSTOP');
    const now = await switchOver(others, await untilPromotedBy(others, dead), dead);
    at(leader).toNodes.forEach((it) => it.release());
    at(leader).process.signal('SIGCONT');
    await untilWriting([leader]);
    expect(await primaryOf(leader)).toBe(now);
    await expectOnePrimary(now);
  });
}

for (const step of ['freezing', 'opening'] as const) {
  test(`where the leader is cut off from etcd while ${step}, another one ends it`, async () => {
    const { leader, others, dead } = await untilInPromotion(step);
    at(leader).toEtcd.cut();
    const now = await switchOver(others, await untilPromotedBy(others, dead), dead);
    at(leader).toNodes.forEach((it) => it.release());
    // It follows while it is cut off, too.
    await untilWriting([leader]);
    at(leader).toEtcd.mend();
    await expectOnePrimary(now);
    await untilOneLeads([...members.keys()]);
  });
}
