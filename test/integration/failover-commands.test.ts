import type { RowDataPacket } from 'mysql2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openServerTls } from '../../proxy/tls/open-tls.js';
import type { Command, Task } from '../../src/failover/task.js';
import { rejoinTask } from '../../src/failover/tasks.js';
import { Alone } from '../../src/runtime/coordinator/alone.js';
import type { Leadership } from '../../src/runtime/coordinator/coordinator.js';
import { Conductor } from '../../src/runtime/failover/conductor.js';
import { HaNode } from '../../src/runtime/failover/ha-node.js';
import { createLog } from '../../src/runtime/log.js';
import { MonitorLogin } from '../../src/runtime/monitor-login.js';
import { GtidSet } from '../../src/topology/gtid-set.js';
import { clusterInfo, connectDirect, nodeInfo, untilReplicated } from '../cluster.js';
import { eventually } from '../proxy.js';

const NEVER = GtidSet.parse('12345678-1234-1234-1234-123456789012:1') ?? GtidSet.EMPTY;
const WAITS: Command = { kind: 'wait-executed', gtids: NEVER, timeoutMs: 600_000 };

/** Of the cluster: the first is the primary. */
let nodes: HaNode[];
let node: HaNode;
let conductor: Conductor;
let leadership: Leadership;

beforeEach(async () => {
  const { failover } = clusterInfo().accounts;
  const login = new MonitorLogin(failover, openServerTls(undefined, createLog('silent')));
  const now = (): number => performance.now();
  nodes = [0, 1].map((index) => {
    const { host, port } = nodeInfo(index);
    return new HaNode(
      { name: `node-${index + 1}`, host, port },
      'neutral',
      login,
      now,
      () => {},
      () => 'alone',
    );
  });
  const [, replica] = nodes;
  if (replica === undefined) throw new Error('there is no replica');
  node = replica;
  const alone = new Alone('test', () => 0);
  await alone.start(() => {});
  if (alone.leadership === undefined) throw new Error('it does not lead');
  ({ leadership } = alone);
  const stage = {
    node: (name: string) => nodes.find(({ address }) => address.name === name),
    accounts: () => ({ own: failover, replication: undefined }),
    appoint: async () => {},
    hold: () => Promise.resolve(0),
    release: () => {},
    noted: () => {},
  };
  const settings = {
    cluster: 'test',
    policy: 'lossless',
    drainTimeoutMs: 1_000,
    pauseMs: 0,
    replication: undefined,
    rebuilds: false,
    hooks: [],
    audit: undefined,
    preferences: new Map(),
  } as const;
  conductor = new Conductor(alone, settings, stage, createLog('silent'), () => performance.now());
});
afterEach(() => {
  for (const it of nodes) it.stop();
});

function taskOf(...commands: readonly Command[]): Task {
  return taskOn('node-2', ...commands);
}

function taskOn(name: string, ...commands: readonly Command[]): Task {
  return { name: 'catch-up', node: name, budgetMs: 1_000, why: 'a test', commands };
}

/** What waits on the server for what never comes. */
async function waiting(): Promise<number> {
  const { accounts } = clusterInfo();
  const root = await connectDirect(1, accounts.root);
  const [rows] = await root.query<RowDataPacket[]>(
    "SELECT id FROM information_schema.processlist WHERE user = ? AND info LIKE 'SELECT WAIT_FOR_EXECUTED_GTID_SET%'",
    [accounts.failover.user],
  );
  return rows.length;
}

test('what is given up ends at once, and is over on the server before anything else is said to it', async () => {
  const first = conductor.run(taskOf(WAITS), leadership);
  const behind = conductor.run(taskOf({ kind: 'offline', on: true }), leadership);
  await eventually(async () => expect(await waiting()).toBe(1));
  conductor.giveUp();
  expect(await first).toEqual({ kind: 'deposed' });
  expect(await behind).toEqual({ kind: 'deposed' });
  const next = await conductor.run(taskOf({ kind: 'read-position' }), leadership);
  expect(next).toMatchObject({ kind: 'done' });
  expect(await waiting()).toBe(0);
  const root = await connectDirect(1, clusterInfo().accounts.root);
  const [[mode]] = await root.query<RowDataPacket[]>('SELECT @@global.offline_mode AS offline');
  expect(mode?.['offline']).toBe(0);
});

test('a proxy that is alone ends what it has stopped waiting for before it says anything else', async () => {
  const hanging = node.tasks.query(
    "SELECT WAIT_FOR_EXECUTED_GTID_SET('12345678-1234-1234-1234-123456789012:1', 600)",
    500,
  );
  await expect(hanging).rejects.toThrow();
  expect(await waiting()).toBe(1);
  await node.tasks.query('DO 1', 5_000);
  expect(await waiting()).toBe(0);
});

test('transactions are ended with their connections, and nothing else is', async () => {
  const [busy, idle] = [await connectDirect(0), await connectDirect(0)];
  busy.on('error', () => {});
  await busy.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
  expect(await conductor.run(taskOn('node-1', { kind: 'end-transactions' }), leadership)).toMatchObject({
    kind: 'done',
  });
  await expect(busy.query('SELECT 1')).rejects.toThrow();
  await idle.query('SELECT 1');
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const [dumps] = await root.query<RowDataPacket[]>(
    "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'",
  );
  expect(dumps.length).toBeGreaterThanOrEqual(2);
});

test('a node that has anything else than it may have is told from one that has not', async () => {
  const root = await connectDirect(1, clusterInfo().accounts.root);
  const [[row]] = await root.query<RowDataPacket[]>('SELECT @@global.gtid_executed AS executed');
  const all = GtidSet.parse(String(row?.['executed'])) ?? GtidSet.EMPTY;
  const assert = async (gtids: GtidSet): Promise<unknown> =>
    conductor.run(taskOf({ kind: 'assert-nothing-else', gtids }), leadership);
  expect(await assert(all)).toMatchObject({ kind: 'done' });
  expect(await assert(all.union(NEVER))).toMatchObject({ kind: 'done' });
  expect(await assert(NEVER)).toMatchObject({ kind: 'failed', why: 'it has transactions of its own', unknown: false });
});

test('a leader whose lease runs out while a command is under way says nothing more', async () => {
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const [[row]] = await root.query<RowDataPacket[]>('SELECT @@global.gtid_executed AS executed, @@server_uuid AS uuid');
  const executed = GtidSet.parse(String(row?.['executed'])) ?? GtidSet.EMPTY;
  const next = executed.ofServer(String(row?.['uuid'])).count + 1;
  const gtids = GtidSet.parse(`${String(row?.['uuid'])}:${next}`) ?? GtidSet.EMPTY;
  let remainingMs = 10_000;
  const lease = { epoch: 1, remainingMs: () => remainingMs };
  const waits: Command = { kind: 'wait-executed', gtids, timeoutMs: 60_000 };
  const task = conductor.run(taskOf(waits, { kind: 'offline', on: true }), lease);
  await eventually(async () => expect(await waiting()).toBe(1));
  remainingMs = 0;
  await root.query('CREATE DATABASE IF NOT EXISTS next_transaction');
  await root.query('DROP DATABASE next_transaction');
  expect(await task).toEqual({ kind: 'deposed' });
  const replica = await connectDirect(1, clusterInfo().accounts.root);
  const [[mode]] = await replica.query<RowDataPacket[]>('SELECT @@global.offline_mode AS offline');
  expect(mode?.['offline']).toBe(0);
});

test('an old primary that has made something since it was looked at is not made to follow', async () => {
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const before = await followed();
  await Promise.all(nodes.map(async (it) => it.lookNow()));
  const [source, old] = nodes.map(({ state }) => state);
  if (source === undefined || old === undefined) throw new Error('the nodes do not answer');
  const { commands } = rejoinTask(old, source, source.executed);
  await root.query('CREATE DATABASE IF NOT EXISTS behind_the_look');
  await root.query('DROP DATABASE behind_the_look');
  await untilReplicated();
  expect(await conductor.run(taskOf(...commands), leadership)).toMatchObject({
    kind: 'failed',
    command: 'assert-nothing-else',
    why: 'it has transactions of its own',
  });
  expect(await followed()).toEqual(before);
});

/** Whom the replica follows, and whether it goes on. */
async function followed(): Promise<unknown> {
  const replica = await connectDirect(1, clusterInfo().accounts.root);
  const [[status]] = await replica.query<RowDataPacket[]>('SHOW REPLICA STATUS');
  return [status?.['Source_Port'], status?.['Replica_IO_Running'], status?.['Replica_SQL_Running']];
}
