import { beforeAll, describe, expect, test } from 'vitest';
import type { Coordinator, EtcdOptions } from '../../src/runtime/coordinator/coordinator.js';
import { coordinatorOf } from '../../src/runtime/coordinator/coordinator-of.js';
import { systemClocks, type Clocks } from '../../src/runtime/coordinator/sleepless-clock.js';
import { TestAuthority } from '../certificates.js';
import { monitorLogin } from '../cluster.js';
import { epochOf, recordOf, started, untilOneLeads } from '../coordinators.js';
import { askEtcd, startEtcd, startEtcdMembers, type TestEtcd } from '../etcd/etcd.js';
import { eventually, temporaryDirectory } from '../proxy.js';
import { startRelay } from '../relay.js';

/** What does not wait for a lease that runs out, or for a round, happens within less. */
const LONG_LEASE_MS = 120_000;
const SHORT_LEASE_MS = 2_000;

let etcd: TestEtcd;
beforeAll(async () => {
  etcd = await startEtcd();
});

let clusters = 0;
function newCluster(): string {
  return `shop-${clusters++}`;
}

interface Changes extends Partial<EtcdOptions> {
  readonly clocks?: Clocks;
  readonly lastEpoch?: () => number;
}

async function start(cluster: string, name: string, changes: Changes = {}): Promise<Coordinator> {
  const { clocks = systemClocks(), lastEpoch = () => 0, ...options } = changes;
  const settings = { kind: 'etcd', endpoints: [etcd.endpoint], leaseMs: SHORT_LEASE_MS, cluster, ...options } as const;
  return started(cluster, coordinatorOf(settings, { name, nodes: [], login: monitorLogin(), lastEpoch, clocks }));
}

describe('with etcd', () => {
  test('one of three leads, and all know which', async () => {
    const cluster = newCluster();
    const all = await Promise.all(['a', 'b', 'c'].map(async (name) => start(cluster, name)));
    const leading = await untilOneLeads(all);
    expect(leading.leader).toMatch(/^[abc]$/);
    expect(epochOf(leading)).toBeGreaterThan(0);
    expect(all.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
  });

  test('clusters have leaders of their own', async () => {
    const [one, two] = await Promise.all([start('x', 'a'), start('x/y', 'b')]);
    await untilOneLeads([one]);
    await untilOneLeads([two]);
  });

  test('when the leader stops, another one leads at once, in a larger epoch', async () => {
    const cluster = newCluster();
    const all = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => start(cluster, name, { leaseMs: LONG_LEASE_MS })),
    );
    const first = await untilOneLeads(all);
    const epoch = epochOf(first);
    await first.stop();
    expect(first.leadership).toBeUndefined();
    const second = await untilOneLeads(all.filter((it) => it !== first));
    expect(epochOf(second)).toBeGreaterThan(epoch);
  });

  test('a leader that is cut off knows that it leads no more before another one does, and comes back as one of the others', async () => {
    const cluster = newCluster();
    const relay = await startRelay(etcd);
    const first = await start(cluster, 'a', { endpoints: [`http://${relay.host}:${relay.port}`] });
    const { leadership } = first;
    const others = await Promise.all(['b', 'c'].map(async (name) => start(cluster, name)));
    expect(await untilOneLeads([first, ...others])).toBe(first);
    relay.cut();
    const second = await untilOneLeads(others);
    expect(first.leadership).toBeUndefined();
    expect(leadership?.remainingMs()).toBe(0);
    expect(epochOf(second)).toBeGreaterThan(leadership?.epoch ?? Infinity);
    await eventually(() => expect(first.problem).toMatch(/^etcd does not answer/));
    relay.mend();
    expect(await untilOneLeads([first, ...others])).toBe(second);
    await eventually(() => expect(first.problem).toBeUndefined());
    expect(leadership?.remainingMs()).toBe(0);
  });

  test('a leader that stood still for longer than its lease leads no more, before anything else of it runs', async () => {
    const cluster = newCluster();
    const clocks = systemClocks();
    let stoodStillMs = 0;
    const one = await start(cluster, 'a', {
      leaseMs: LONG_LEASE_MS,
      clocks: { ...clocks, endingMs: () => clocks.endingMs() + stoodStillMs },
    });
    const epoch = epochOf(one);
    stoodStillMs = LONG_LEASE_MS;
    expect(one.leadership).toBeUndefined();
    expect(await one.write(recordOf(epoch))).toBe(false);
  });

  test('an etcd whose first member is gone is asked at the next one', async () => {
    const cluster = newCluster();
    const one = await start(cluster, 'a', { endpoints: ['http://127.0.0.1:1', `${etcd.endpoint}/`] });
    expect(await untilOneLeads([one])).toBe(one);
  });

  test('goes on while any one of three members of etcd stands still, and no two ever lead', async () => {
    const members = await startEtcdMembers();
    const endpoints = members.map((member) => member.endpoint);
    const cluster = newCluster();
    const all = await Promise.all(['a', 'b', 'c'].map(async (name) => start(cluster, name, { endpoints })));
    await untilOneLeads(all);
    let n = 0;
    // One of them is etcd's own leader.
    for (const member of members) {
      await member.freeze();
      await eventually(async () => {
        const leading = await untilOneLeads(all);
        expect(await leading.write(recordOf(epochOf(leading), { node: `db${++n}:3306` }))).toBe(true);
        await eventually(() => expect(all.map(({ record }) => record?.node)).toEqual(Array(3).fill(`db${n}:3306`)));
      });
      await member.thaw();
    }
  });

  describe('the record of the primary', () => {
    test('is seen by the others without waiting for a round', async () => {
      const cluster = newCluster();
      const all = await Promise.all(
        ['a', 'b', 'c'].map(async (name) => start(cluster, name, { leaseMs: LONG_LEASE_MS })),
      );
      const leading = await untilOneLeads(all);
      for (const phase of ['promoting', 'primary'] as const) {
        const record = recordOf(epochOf(leading), { phase, gtid: '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-23' });
        expect(await leading.write(record)).toBe(true);
        for (const it of all) await eventually(() => expect(it.record).toEqual(record));
      }
    });

    test('is written by the leader alone, for no epoch but its own or one before', async () => {
      const cluster = newCluster();
      const all = await Promise.all(['a', 'b'].map(async (name) => start(cluster, name)));
      const leading = await untilOneLeads(all);
      const epoch = epochOf(leading);
      for (const it of all) if (it !== leading) expect(await it.write(recordOf(epoch))).toBe(false);
      expect(await leading.write(recordOf(epoch + 1))).toBe(false);
      expect(leading.record).toBeUndefined();
      expect(await leading.write(recordOf(epoch))).toBe(true);
      expect(await leading.write(recordOf(epoch - 1))).toBe(false);
      expect(leading.record?.epoch).toBe(epoch);
    });

    test('outlives its leader, and what a deposed one had begun to write does not replace it', async () => {
      const cluster = newCluster();
      const relay = await startRelay(etcd);
      const first = await start(cluster, 'a', { endpoints: [`http://${relay.host}:${relay.port}`] });
      const old = epochOf(first);
      expect(await first.write(recordOf(old, { node: 'db1:3306' }))).toBe(true);
      const second = await start(cluster, 'b');
      expect(second.record?.node).toBe('db1:3306');
      relay.cut();
      const late = first.write(recordOf(old, { node: 'db2:3306' })).catch(() => false);
      await untilOneLeads([second]);
      relay.mend();
      expect(await late).toBe(false);
      const record = recordOf(epochOf(second), { node: 'db3:3306' });
      expect(await second.write(record)).toBe(true);
      await eventually(() => expect(first.record).toEqual(record));
      expect(await first.write(recordOf(old, { node: 'db2:3306' }))).toBe(false);
      expect(second.record).toEqual(record);
    });

    test('that etcd refuses to store is no record, and the attempt has an end', async () => {
      const one = await start(newCluster(), 'a');
      const alarm = { memberID: '0', alarm: 'NOSPACE' };
      await askEtcd(etcd, 'maintenance/alarm', { action: 'ACTIVATE', ...alarm });
      try {
        await expect(one.write(recordOf(epochOf(one)))).rejects.toThrow('it is not known whether');
        expect(one.leadership).toBeDefined();
      } finally {
        await askEtcd(etcd, 'maintenance/alarm', { action: 'DEACTIVATE', ...alarm });
      }
      expect(await one.write(recordOf(epochOf(one)))).toBe(true);
    });

    test('that is none is told of, and replaced', async () => {
      const cluster = newCluster();
      const key = Buffer.from(`rwsplit/${cluster}/record`).toString('base64');
      await askEtcd(etcd, 'kv/put', { key, value: Buffer.from('{"epoch": "x"}').toString('base64') });
      const one = await start(cluster, 'a');
      expect(one.problem).toBe(`rwsplit/${cluster}/record is no record of a primary`);
      expect(await one.write(recordOf(epochOf(one)))).toBe(true);
      expect(one.problem).toBeUndefined();
    });
  });

  describe('epochs grow', () => {
    test('beyond those that the servers have seen, though etcd is new', async () => {
      const one = await start(newCluster(), 'a', { lastEpoch: () => 1_000_000 });
      expect(one.leadership).toBeUndefined();
      expect(one.problem).toMatch(/^etcd is new, or was restored: it knows nothing of epoch 1000000/);
      await untilOneLeads([one]);
      expect(epochOf(one)).toBeGreaterThan(1_000_000);
      expect(one.problem).toBeUndefined();
      const record = recordOf(epochOf(one));
      expect(await one.write(record)).toBe(true);
    });

    test('when a server comes that has seen a later one than the leader', async () => {
      let lastEpoch = 0;
      const one = await start(newCluster(), 'a', { lastEpoch: () => lastEpoch });
      const { leadership } = one;
      lastEpoch = epochOf(one) + 1_000;
      await eventually(() => expect(epochOf(one)).toBeGreaterThan(lastEpoch));
      expect(leadership?.remainingMs()).toBe(0);
    });

    test('when etcd has lost everything: nobody leads without it, and nobody leads with it before a lease has passed', async () => {
      const own = await startEtcd();
      const cluster = newCluster();
      const options = { endpoints: [own.endpoint], lastEpoch: () => last };
      let last = 0;
      const all = await Promise.all(['a', 'b'].map(async (name) => start(cluster, name, options)));
      const first = await untilOneLeads(all);
      last = epochOf(first);
      expect(await first.write(recordOf(last))).toBe(true);
      await own.stop();
      await eventually(() => {
        for (const it of all) {
          expect(it.leadership).toBeUndefined();
          expect(it.leader).toBeUndefined();
          expect(it.problem).toMatch(/^etcd does not answer/);
        }
      });
      await startEtcd(own.port);
      await eventually(() => expect(all.some(({ problem }) => problem?.startsWith('etcd is new'))).toBe(true));
      const second = await untilOneLeads(all);
      expect(epochOf(second)).toBeGreaterThan(last);
    });
  });

  test('over TLS, and as a user of etcd', async () => {
    const authority = await TestAuthority.make(await temporaryDirectory());
    const { certPath, keyPath } = await authority.issue('etcd', '127.0.0.1');
    const tls = [
      '--cert-file',
      certPath,
      '--key-file',
      keyPath,
      '--client-cert-auth',
      '--trusted-ca-file',
      authority.caPath,
    ];
    const own = await startEtcd(undefined, tls);
    const access = { endpoints: [own.endpoint], caPath: authority.caPath, certPath, keyPath };
    const cluster = newCluster();
    const [known, anonymous] = await Promise.all([
      start(cluster, 'a', access),
      start(cluster, 'b', { ...access, certPath: undefined, keyPath: undefined }),
    ]);
    expect(await untilOneLeads([known])).toBe(known);
    expect(anonymous.problem).toMatch(/^etcd does not answer as it should/);
  });

  test('that asks for a user and password', async () => {
    const own = await startEtcd();
    await askEtcd(own, 'auth/user/add', { name: 'root', password: 'secret' });
    await askEtcd(own, 'auth/user/grant', { user: 'root', role: 'root' });
    await askEtcd(own, 'auth/enable', {});
    const cluster = newCluster();
    const as = async (name: string, password: string): Promise<Coordinator> =>
      start(cluster, name, { endpoints: [own.endpoint], user: 'root', password });
    const [right, wrong] = await Promise.all([as('a', 'secret'), as('b', 'other')]);
    expect(await untilOneLeads([right])).toBe(right);
    expect(wrong.problem).toMatch(/authentication failed/);
    expect(await right.write(recordOf(epochOf(right)))).toBe(true);
  });
});
