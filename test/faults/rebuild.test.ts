import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { listens } from '../../docker/cluster/listens.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo } from '../cluster.js';
import { eventually, startProxy, temporaryDirectory, value, type TestProxy } from '../proxy.js';

let cluster: Cluster;
let proxy: TestProxy;
let audit: string;
const open: Connection[] = [];

beforeAll(async () => {
  audit = join(await temporaryDirectory(), 'decisions.jsonl');
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  proxy = await startProxy({
    nodes: cluster.nodes,
    accounts: cluster.accounts,
    options: {
      coordinator: { kind: 'alone' },
      failover: { account: cluster.accounts.failover, pauseMs: 0, rebuilds: true, audit },
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

async function direct(node: number, account = cluster.accounts.root): Promise<Connection> {
  const { host, port } = cluster.nodes[node] ?? cluster.nodes[0];
  const connection = await createConnection({ host, port, ...account, database: 'faults' });
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

function nameOf(node: number): string {
  return `127.0.0.1:${cluster.nodes[node]?.port}`;
}

function primaryIndex(): number {
  const { primary } = proxy.proxy.snapshot;
  return cluster.nodes.findIndex(({ port }) => port === primary?.address.port);
}

test('by force a switchover ends the transactions that do not end by themselves, wherever they come from', async () => {
  const before = primaryIndex();
  const admin = await proxy.connect(cluster.accounts.monitor);
  const client = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('through the proxy')");
  const stray = await direct(before, cluster.accounts.app);
  await stray.beginTransaction();
  await stray.query("INSERT INTO ledger VALUES ('past it')");
  const to = (before + 1) % 3;
  await admin.query(`RWSPLIT SWITCHOVER TO '${nameOf(to)}' FORCE`);
  expect(primaryIndex()).toBe(to);
  await expect(stray.query('COMMIT')).rejects.toThrow();
  await expect(client.query('COMMIT')).rejects.toThrow();
  const after = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await after.query("INSERT INTO ledger VALUES ('after')");
  for (const node of [0, 1, 2]) {
    await eventually(async () => {
      const found = await value(await direct(node), 'SELECT GROUP_CONCAT(id) FROM ledger');
      expect(found).toBe('after');
    });
  }
});

test('a node with transactions of its own gets the data of the primary, and what it loses is written down before', async () => {
  const old = primaryIndex();
  const admin = await proxy.connect(cluster.accounts.monitor);
  await cluster.nodes[old]?.kill();
  await eventually(() => expect(primaryIndex()).not.toBe(old));
  const client = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  await client.query("INSERT INTO ledger VALUES ('behind the failover')");
  // Nothing is done with it until it is resumed.
  await admin.query(`RWSPLIT DRAIN '${nameOf(old)}'`);
  await cluster.nodes[old]?.restart();
  const server = await direct(old);
  await server.query(
    'SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF, GLOBAL rpl_semi_sync_source_enabled = OFF',
  );
  await server.query("INSERT INTO ledger VALUES ('of its own')");
  const uuid = await value(server, 'SELECT @@server_uuid');
  const errant = `${String(uuid)}:`;
  await admin.query(`RWSPLIT RESUME '${nameOf(old)}'`);

  // Nobody is there to start the server behind the copy.
  for (let starts = 0; !isReplica(old);) {
    if (await listens(cluster.nodes[old]?.port ?? 0)) await new Promise((resolve) => setTimeout(resolve, 100));
    else {
      expect(starts++).toBeLessThan(4);
      await cluster.nodes[old]?.restart();
    }
  }
  await client.query("INSERT INTO ledger VALUES ('in the end')");
  await eventually(async () => {
    const ids = await value(await direct(old), 'SELECT GROUP_CONCAT(id ORDER BY id) FROM ledger');
    expect(ids).toBe('after,behind the failover,in the end');
  });
  expect(await value(await direct(old), 'SELECT @@global.super_read_only')).toBe(1);
  const decisions = readFileSync(audit, 'utf8').trim().split('\n');
  const rebuild = decisions.map((line) => JSON.parse(line)).find((it) => it.kind === 'rebuild');
  expect(rebuild.why).toContain(errant);
});

function isReplica(node: number): boolean {
  const { replicas } = proxy.proxy.snapshot;
  return replicas.some(({ address, health }) => address.port === cluster.nodes[node]?.port && health === 'up');
}
