import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo } from '../cluster.js';
import { eventually, PRIMARY_ID, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { NodeHistory } from './node-history.js';
import { Traffic } from './traffic.js';

const MAX_LAG_MS = 1_000;

let cluster: Cluster;
let proxy: TestProxy;
let monitor: Connection;
let history: NodeHistory;
let traffic: Traffic;
let victim: ClusterNode;
beforeAll(async () => {
  cluster = await startCluster({ fast: true, provider: clusterInfo().provider });
  proxy = await startProxy({ nodes: cluster.nodes, accounts: cluster.accounts, options: { maxLagMs: MAX_LAG_MS } });
  monitor = await proxy.connect(cluster.accounts.monitor);
  const writer = await proxy.connect(cluster.accounts.app);
  await writer.query('CREATE DATABASE traffic');
  await writer.query('CREATE TABLE traffic.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)');
  await writer.query('INSERT INTO traffic.t (v) VALUES (0)');
  victim = replicaOf(1);
});
beforeEach(async () => {
  for (const node of cluster.nodes) await until(node, { health: 'up' });
  history = new NodeHistory(() => proxy.proxy.snapshot);
  traffic = await Traffic.start(proxy, cluster.accounts.app);
  await readsOn(victim);
});
afterEach(async () => {
  history.stop();
  await traffic.stop();
});
afterAll(async () => cluster.stop());

function replicaOf(index: number): ClusterNode {
  const node = cluster.nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
}

/** As the configuration names it. */
function nameOf({ host, port }: ClusterNode): string {
  return `${host}:${port}`;
}

async function shown(node: ClusterNode): Promise<Row | undefined> {
  const [rows] = await monitor.query<Row[]>('SHOW RWSPLIT NODES');
  return rows.find((it) => it['node'] === nameOf(node));
}

async function until(node: ClusterNode, state: Record<string, unknown>): Promise<void> {
  await eventually(async () => expect(await shown(node)).toMatchObject(state));
}

/** The node answers reads. */
async function readsOn({ serverId }: ClusterNode): Promise<void> {
  const before = traffic.reads(serverId);
  await eventually(() => expect(traffic.reads(serverId)).toBeGreaterThan(before + 5));
}

/** Clients go on, without one error, on other nodes than those; writes too. */
async function goesOnWithout(...nodes: readonly ClusterNode[]): Promise<void> {
  // What was on its way when the state changed.
  const [reads, writes] = [traffic.reads(), traffic.writes];
  await eventually(() => expect(traffic.reads()).toBeGreaterThan(reads + 20));
  const counts = nodes.map(({ serverId }) => traffic.reads(serverId));
  const then = traffic.reads();
  await eventually(() => expect(traffic.reads()).toBeGreaterThan(then + 50));
  expect(nodes.map(({ serverId }) => traffic.reads(serverId))).toEqual(counts);
  await eventually(() => expect(traffic.writes).toBeGreaterThan(writes));
  expect(traffic.failures).toEqual([]);
}

/** It is let in gently, and no client notices that either. */
async function comesBack(node: ClusterNode): Promise<void> {
  await until(node, { health: 'up', why: '' });
  await readsOn(node);
  expect(history.wasLetInGently(nameOf(node))).toBe(true);
  expect(traffic.failures).toEqual([]);
}

/** Past the proxy, as an account that may do everything. */
async function on<T>({ host, port }: ClusterNode, act: (root: Connection) => Promise<T>): Promise<T> {
  const root = await createConnection({ host, port, ...cluster.accounts.root });
  try {
    return await act(root);
  } finally {
    root.destroy();
  }
}

async function run(node: ClusterNode, ...statements: readonly string[]): Promise<void> {
  await on(node, async (root) => {
    for (const statement of statements) await root.query(statement);
  });
}

/** Changes an account on one node alone. */
async function alterUser(node: ClusterNode, what: string): Promise<void> {
  await run(node, 'SET GLOBAL super_read_only = OFF', 'SET sql_log_bin = OFF', what, 'SET GLOBAL super_read_only = ON');
}

describe('a replica', () => {
  test('that is killed is down; what it was asked, another answers', async () => {
    await victim.kill();
    await until(victim, { health: 'down', why: expect.stringContaining('ECONNREFUSED') });
    await goesOnWithout(victim);
    await victim.restart();
    await comesBack(victim);
  });

  test('that hangs is suspect, then down; what it was asked, another answers', async () => {
    const client = await proxy.connect(cluster.accounts.app);
    await victim.freeze();
    try {
      const read = value(client, `SELECT /* rwsplit: node=${nameOf(victim)} */ @@server_id`);
      await until(victim, { health: 'down', why: expect.stringMatching(/timeout|ETIMEDOUT/i) });
      expect(history.states(nameOf(victim))).toContainEqual(
        expect.stringMatching(/^suspect: .*(?:timeout|ETIMEDOUT)/i),
      );
      expect(await read).not.toBe(victim.serverId);
      await goesOnWithout(victim);
    } finally {
      await victim.thaw();
    }
    await comesBack(victim);
  });

  test('that refuses the monitor is suspect, although the session that is kept goes on', async () => {
    const { user } = cluster.accounts.monitor;
    await alterUser(victim, `ALTER USER ${user} ACCOUNT LOCK`);
    await until(victim, { health: 'suspect', why: expect.stringMatching(/a new login fails: .*locked/) });
    await goesOnWithout(victim);
    await alterUser(victim, `ALTER USER ${user} ACCOUNT UNLOCK`);
    await comesBack(victim);
  });

  test('that refuses a user alone serves all others, and other servers that user', async () => {
    const { user, password } = cluster.accounts.app;
    await alterUser(victim, `ALTER USER ${user} IDENTIFIED BY 'changed here alone'`);
    await on(victim, async (root) => {
      const [rows] = await root.query<Row[]>('SELECT ID AS id FROM performance_schema.processlist WHERE USER = ?', [
        user,
      ]);
      for (const { id } of rows) await root.query('KILL ?', [id]);
    });
    await goesOnWithout(victim);
    expect(await shown(victim)).toMatchObject({ health: 'up' });
    await alterUser(victim, `ALTER USER ${user} IDENTIFIED BY '${password}'`);
    await readsOn(victim);
    expect(traffic.failures).toEqual([]);
  });

  test('that is full is suspect, and its connections serve on', async () => {
    const taken: Connection[] = [];
    await run(victim, 'SET GLOBAL max_connections = 20');
    try {
      const { host, port } = victim;
      await expect(async () => {
        for (;;) {
          const connection = await createConnection({ host, port, ...cluster.accounts.app });
          connection.on('error', () => {});
          taken.push(connection);
        }
      }).rejects.toMatchObject({ errno: 1040 });
      await until(victim, { health: 'suspect', why: expect.stringMatching(/a new login fails: Too many connections/) });
      await goesOnWithout(victim);
    } finally {
      for (const connection of taken) connection.destroy();
      await run(victim, 'SET GLOBAL max_connections = 500');
    }
    await comesBack(victim);
  });

  test('that applies nothing gets no new reads; what runs there goes on', async () => {
    const long = await proxy.connect(cluster.accounts.app);
    const answer = value(long, `SELECT /* rwsplit: node=${nameOf(victim)} */ @@server_id + SLEEP(600)`);
    const sleeping =
      "SELECT ID FROM performance_schema.processlist WHERE INFO LIKE '%SLEEP(600)' AND ID <> CONNECTION_ID()";
    const thread = await on(victim, async (root) => {
      let found: unknown;
      await eventually(async () => {
        found = await value(root, sleeping);
      });
      return found;
    });
    await run(victim, 'STOP REPLICA SQL_THREAD');
    await until(victim, { health: 'lagging', why: 'it does not apply what it receives: START REPLICA there' });
    await goesOnWithout(victim);
    await run(victim, `KILL QUERY ${String(thread)}`, 'START REPLICA SQL_THREAD');
    // Interrupted, SLEEP() is 1: the read has never been anywhere else.
    expect(await answer).toBe(victim.serverId + 1);
    await comesBack(victim);
  });

  test('that is late gets no new reads until it has caught up', async () => {
    const delay = async (seconds: number): Promise<void> => {
      const change = `CHANGE REPLICATION SOURCE TO SOURCE_DELAY = ${seconds}`;
      await run(victim, 'STOP REPLICA SQL_THREAD', change, 'START REPLICA SQL_THREAD');
    };
    await delay(3_600);
    await until(victim, { health: 'lagging', why: `it is more than ${MAX_LAG_MS} ms late` });
    expect(Number((await shown(victim))?.['lag_ms'])).toBeGreaterThan(MAX_LAG_MS);
    await goesOnWithout(victim);
    await delay(0);
    await comesBack(victim);
  });

  test('that takes writes is quarantined', async () => {
    await run(victim, 'SET GLOBAL super_read_only = OFF', 'SET GLOBAL read_only = OFF');
    await until(victim, {
      health: 'quarantined',
      why: expect.stringMatching(/^it takes writes although it replicates/),
    });
    await goesOnWithout(victim);
    await run(victim, 'SET GLOBAL super_read_only = ON');
    await comesBack(victim);
  });

  test('that is drained, in maintenance, started anew and resumed is missed by nobody', async () => {
    const name = nameOf(victim);
    await monitor.query(`RWSPLIT DRAIN '${name}'`);
    await until(victim, { health: 'maintenance', why: 'by command' });
    await victim.restart();
    await goesOnWithout(victim);
    expect(await shown(victim)).toMatchObject({ health: 'maintenance', why: 'by command' });
    await monitor.query(`RWSPLIT RESUME '${name}'`);
    await comesBack(victim);
  });

  test('that hangs while it is drained keeps nothing waiting', async () => {
    const client = await proxy.connect(cluster.accounts.app);
    const runsOn = async (): Promise<string> => {
      const [rows] = await monitor.query<Row[]>('SHOW RWSPLIT SESSIONS');
      return String(rows.find((it) => it['id'] === client.threadId)?.['runs_on']).replace(/#.*/, '');
    };
    const answer = value(client, `SELECT /* rwsplit: node=${nameOf(victim)} */ @@server_id + SLEEP(600)`);
    await eventually(async () => expect(await runsOn()).toBe(nameOf(victim)));
    await monitor.query(`RWSPLIT DRAIN '${nameOf(victim)}'`);
    expect(await shown(victim)).toMatchObject({ health: 'draining' });
    await victim.freeze();
    try {
      await until(victim, { health: 'maintenance', why: 'by command' });
      await goesOnWithout(victim);
      await eventually(async () => expect(await runsOn()).not.toBe(nameOf(victim)));
    } finally {
      await victim.thaw();
    }
    const killer = await proxy.connect(cluster.accounts.app);
    await killer.query(`KILL QUERY ${client.threadId}`);
    expect(await answer).not.toBe(victim.serverId + 1);
    await monitor.query(`RWSPLIT RESUME '${nameOf(victim)}'`);
    await comesBack(victim);
  });
});

test('when all replicas are out at once, the primary answers', async () => {
  const [, ...replicas] = cluster.nodes;
  const atPrimary = traffic.reads(PRIMARY_ID);
  await Promise.all(replicas.map(async (node) => node.kill()));
  for (const node of replicas) await until(node, { health: 'down' });
  await goesOnWithout(...replicas);
  expect(traffic.reads(PRIMARY_ID)).toBeGreaterThan(atPrimary + 50);
  const reasons = proxy.proxy.counts().filter(({ target }) => target === 'primary');
  expect(reasons).toContainEqual(expect.objectContaining({ reason: 'no-replica' }));
  await Promise.all(replicas.map(async (node) => node.restart()));
  for (const node of replicas) await comesBack(node);
});

test('a primary that is gone fails no read, although it has a part of them', async () => {
  const [primary] = cluster.nodes;
  const balance = { primaryShare: 0.5 };
  const own = await startProxy({ nodes: cluster.nodes, accounts: cluster.accounts, options: { balance } });
  const client = await own.connect(cluster.accounts.app);
  const answers = async (): Promise<unknown[]> => {
    const ids: unknown[] = [];
    for (let i = 0; i < 10; i++) ids.push(await value(client, 'SELECT @@server_id'));
    return ids;
  };
  expect((await answers()).filter((id) => id === PRIMARY_ID)).toHaveLength(5);
  await primary.kill();
  expect(await answers()).not.toContain(PRIMARY_ID);
  await eventually(() => expect(own.proxy.snapshot.primary).toBeUndefined());
  expect(await answers()).not.toContain(PRIMARY_ID);
  await primary.restart();
  await eventually(async () => expect(await answers()).toContain(PRIMARY_ID));
});
