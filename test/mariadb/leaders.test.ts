import { beforeAll, expect, test } from 'vitest';
import type { CoordinatorSettings } from '../../src/runtime/coordinator/coordinator-of.js';
import { clusterInfo } from '../cluster.js';
import { startEtcd } from '../etcd/etcd.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { MariadbCluster } from './cluster.js';

let cluster: MariadbCluster;
beforeAll(async () => {
  cluster = await MariadbCluster.start({ semiSync: true });
  await cluster.root(0).query('CREATE DATABASE faults');
  await cluster.root(0).query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
});

const COORDINATORS: readonly [CoordinatorSettings['kind'], () => Promise<CoordinatorSettings>][] = [
  ['etcd', async () => ({ kind: 'etcd', cluster: 'maria', endpoints: [(await startEtcd()).endpoint], leaseMs: 4_000 })],
  ['mysql-locks', () => Promise.resolve({ kind: 'mysql-locks', cluster: 'maria', leaseMs: 4_000 })],
];

function primaryIndex({ proxy }: TestProxy): number {
  return cluster.nodes.findIndex(({ port }) => port === proxy.snapshot.primary?.address.port);
}

/** What SHOW RWSPLIT FAILOVER says of one thing. */
async function status(proxy: TestProxy, what: string): Promise<unknown> {
  const [rows] = await (await proxy.connect(clusterInfo().accounts.monitor)).query<Row[]>('SHOW RWSPLIT FAILOVER');
  return rows.find((it) => it['what'] === what)?.['value'];
}

test.each(COORDINATORS)('with %s one proxy of two promotes, and the other one follows', async (_kind, coordinator) => {
  const { failover, root } = clusterInfo().accounts;
  const options = {
    coordinator: await coordinator(),
    failover: { account: failover, replication: root, pauseMs: 0 },
    hold: { timeoutMs: 30_000 },
  };
  const proxies = [
    await startProxy({ nodes: cluster.nodes, options }),
    await startProxy({ nodes: cluster.nodes, options }),
  ] as const;
  await eventually(async () => {
    const leads = await Promise.all(proxies.map(async (it) => status(it, 'leads')));
    expect(new Set(leads)).toEqual(new Set(['no', 'yes']));
  });
  const leader = (await status(proxies[0], 'leads')) === 'yes' ? proxies[0] : proxies[1];
  await eventually(async () => expect(await status(leader, 'if_primary_dies')).toBe('a replica is promoted'));
  const before = primaryIndex(leader);
  await cluster.nodes[before]?.kill();
  for (const proxy of proxies) {
    const client = await proxy.connect({ database: 'faults' });
    await client.query('INSERT INTO ledger VALUES (UUID())');
    expect(primaryIndex(proxy)).not.toBe(before);
  }
  expect(primaryIndex(proxies[0])).toBe(primaryIndex(proxies[1]));
  await cluster.nodes[before]?.start();
  for (const proxy of proxies) {
    await eventually(() =>
      expect(proxy.proxy.snapshot.nodes.map(({ role }) => role).toSorted()).toEqual(['primary', 'replica', 'replica']),
    );
  }
  const client = await proxies[0].connect({ database: 'faults' });
  expect(await value(client, '/* rwsplit: primary */ SELECT @@global.rpl_semi_sync_master_enabled')).toBe(1);
  await Promise.all(proxies.map(async ({ proxy }) => proxy.stop()));
});
