import { afterAll, beforeAll, expect, test } from 'vitest';
import { listens } from '../../docker/cluster/listens.js';
import { eventually, value } from '../proxy.js';
import { PromotingCluster } from './promoting-cluster.js';

let site: PromotingCluster;
beforeAll(async () => {
  site = await PromotingCluster.start();
});
afterAll(async () => site.stop());

test('by force a switchover ends the transactions that do not end by themselves, wherever they come from', async () => {
  const before = site.primaryIndex;
  const admin = await site.proxy.connect(site.cluster.accounts.monitor);
  const client = await site.client();
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('through the proxy')");
  const stray = await site.direct(before, site.cluster.accounts.app);
  await stray.beginTransaction();
  await stray.query("INSERT INTO ledger VALUES ('past it')");
  const to = (before + 1) % 3;
  await admin.query(`RWSPLIT SWITCHOVER TO '${site.nameOf(to)}' FORCE`);
  expect(site.primaryIndex).toBe(to);
  await expect(stray.query('COMMIT')).rejects.toThrow();
  await expect(client.query('COMMIT')).rejects.toThrow();
  const after = await site.client();
  await after.query("INSERT INTO ledger VALUES ('after')");
  for (const node of [0, 1, 2]) {
    await eventually(async () => {
      const found = await value(await site.direct(node), 'SELECT GROUP_CONCAT(id) FROM ledger');
      expect(found).toBe('after');
    });
  }
});

test('a node with transactions of its own gets the data of the primary, and what it loses is written down before', async () => {
  const old = site.primaryIndex;
  const admin = await site.proxy.connect(site.cluster.accounts.monitor);
  await site.cluster.nodes[old]?.kill();
  await eventually(() => expect(site.primaryIndex).not.toBe(old));
  const client = await site.client();
  await client.query("INSERT INTO ledger VALUES ('behind the failover')");
  // Nothing is done with it until it is resumed.
  await admin.query(`RWSPLIT DRAIN '${site.nameOf(old)}'`);
  await site.cluster.nodes[old]?.restart();
  const server = await site.direct(old);
  await server.query(
    'SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF, GLOBAL rpl_semi_sync_source_enabled = OFF',
  );
  await server.query("INSERT INTO ledger VALUES ('of its own')");
  const uuid = await value(server, 'SELECT @@server_uuid');
  const errant = `${String(uuid)}:`;
  await admin.query(`RWSPLIT RESUME '${site.nameOf(old)}'`);

  // Nobody is there to start the server behind the copy.
  for (let starts = 0; !isReplica(old);) {
    if (await listens(site.cluster.nodes[old]?.port ?? 0)) await new Promise((resolve) => setTimeout(resolve, 100));
    else {
      expect(starts++).toBeLessThan(4);
      await site.cluster.nodes[old]?.restart();
    }
  }
  await client.query("INSERT INTO ledger VALUES ('in the end')");
  await eventually(async () => {
    const ids = await value(await site.direct(old), 'SELECT GROUP_CONCAT(id ORDER BY id) FROM ledger');
    expect(ids).toBe('after,behind the failover,in the end');
  });
  expect(await value(await site.direct(old), 'SELECT @@global.super_read_only')).toBe(1);
  const rebuild = site.decisions().find(({ kind }) => kind === 'rebuild');
  expect(rebuild?.why).toContain(errant);
});

function isReplica(node: number): boolean {
  const { replicas } = site.proxy.proxy.snapshot;
  return replicas.some(({ address, health }) => address.port === site.cluster.nodes[node]?.port && health === 'up');
}
