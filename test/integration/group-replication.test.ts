import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { eventually, ranOn, row, startProxy, value, type TestProxy } from '../proxy.js';
import { becomeGroup } from '../replication-group.js';

let cluster: Cluster;
let proxy: TestProxy;
let client: Connection;
let written = 0;
beforeAll(async () => {
  cluster = await startCluster({ fast: true });
  await becomeGroup(cluster);
  const { nodes, accounts } = cluster;
  // The others are found.
  proxy = await startProxy({ nodes: [nodes[0]], accounts, options: { discovery: true } });
  client = await proxy.connect(accounts.app);
  await client.query('CREATE DATABASE grouped');
  await client.query('CREATE TABLE grouped.t (id INT PRIMARY KEY)');
});
afterAll(async () => cluster.stop());

function nodeOf(id: number): ClusterNode {
  const node = cluster.nodes.find(({ serverId }) => serverId === id);
  if (node === undefined) throw new Error(`no server has the id ${id}`);
  return node;
}

async function untilThereAre(primary: number | undefined, replicas: number): Promise<void> {
  await eventually(() => {
    const { snapshot } = proxy.proxy;
    expect(snapshot.replicas).toHaveLength(replicas);
    if (primary === undefined) expect(snapshot.primary).toBeDefined();
    else expect(snapshot.primary?.address.port).toBe(nodeOf(primary).port);
  });
}

/** Each write is seen by the read after it. @returns the servers that answered those */
async function writeAndRead(times: number): Promise<Set<number>> {
  const served = new Set<number>();
  for (let i = 0; i < times; i++) {
    written++;
    await client.query('INSERT INTO grouped.t VALUES (?)', [written]);
    const seen = await row(client, 'SELECT @@server_id AS node, COUNT(*) AS n FROM grouped.t WHERE id = ?', [written]);
    expect(seen['n']).toBe(1);
    served.add(Number(seen['node']));
  }
  return served;
}

describe('a replication group', () => {
  test('is found from one of its members, whose table says who is what; reads go to the secondaries', async () => {
    await untilThereAre(1, 2);
    expect(await writeAndRead(20)).toEqual(new Set([2, 3]));
    expect(await ranOn(client, 'FROM grouped.t LIMIT 1 FOR UPDATE')).toBe(1);
  });

  test('is followed when it is given another primary; sessions go on', async () => {
    const uuid = await value(client, `SELECT /* rwsplit: node=127.0.0.1:${nodeOf(2).port} */ @@server_uuid`);
    const root = await proxy.connect(cluster.accounts.root);
    await root.query('SELECT group_replication_set_as_primary(?) /* rwsplit: primary */', [uuid]);
    await untilThereAre(2, 2);
    expect(await writeAndRead(20)).toEqual(new Set([1, 3]));
    expect(await ranOn(client, 'FROM grouped.t LIMIT 1 FOR UPDATE')).toBe(2);
  });

  test('is followed when its primary dies; nothing that was acknowledged is lost, and sessions go on', async () => {
    await nodeOf(2).kill();
    await eventually(() => expect(proxy.proxy.snapshot.primary?.address.port).not.toBe(nodeOf(2).port));
    await untilThereAre(undefined, 1);
    expect(await value(client, 'SELECT COUNT(*) FROM grouped.t FOR UPDATE')).toBe(written);
    const primary = await ranOn(client, 'FROM grouped.t LIMIT 1 FOR UPDATE');
    expect(primary).not.toBe(2);
    expect(await writeAndRead(20)).toEqual(new Set([primary === 1 ? 3 : 1]));
  });

  test('takes no writes while what is left of it is no majority; when it is one again, sessions go on', async () => {
    const primary = await ranOn(client, 'FROM grouped.t LIMIT 1 FOR UPDATE');
    const other = nodeOf(primary === 1 ? 3 : 1);
    await other.freeze();
    try {
      await eventually(() => expect(proxy.proxy.snapshot.problem).toContain('most of the group'));
      await expect(client.query('INSERT INTO grouped.t VALUES (0)')).rejects.toThrow('most of the group');
    } finally {
      await other.thaw();
    }
    await untilThereAre(primary, 1);
    await writeAndRead(5);
  });
});
