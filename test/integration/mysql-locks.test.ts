import { beforeAll, describe, expect, test } from 'vitest';
import type { Coordinator } from '../../src/runtime/coordinator/coordinator.js';
import { coordinatorOf } from '../../src/runtime/coordinator/coordinator-of.js';
import { systemClocks, type Clocks } from '../../src/runtime/coordinator/sleepless-clock.js';
import type { MonitorLogin } from '../../src/runtime/monitor-login.js';
import type { NodeAddress } from '../../src/topology/snapshot.js';
import { clusterInfo, connectDirect, monitorLogin, nodeInfo } from '../cluster.js';
import { epochOf, recordOf, started, untilOneLeads } from '../coordinators.js';
import { asRoot, eventually, type Row } from '../proxy.js';
import type { Relay } from '../open-relay.js';
import { startRelay } from '../relay.js';

const LEASE_MS = 3_000;
const NOTHING_LISTENS: NodeAddress = { name: 'gone', host: '127.0.0.1', port: 1 };

let login: MonitorLogin;
let servers: readonly NodeAddress[];
beforeAll(() => {
  login = monitorLogin();
  servers = [0, 1, 2].map((index) => ({ ...nodeInfo(index), name: `db${index + 1}` }));
});

interface Changes {
  readonly nodes?: readonly NodeAddress[];
  readonly clocks?: Clocks;
  readonly lastEpoch?: () => number;
}

let clusters = 0;
function newCluster(): string {
  // Longer than a lock's name can be.
  return `${'Shop '.repeat(20)}${clusters++}`;
}

async function start(cluster: string, name: string, changes: Changes = {}): Promise<Coordinator> {
  const { nodes = servers, clocks = systemClocks(), lastEpoch = () => 0 } = changes;
  const settings = { kind: 'mysql-locks', cluster, leaseMs: LEASE_MS } as const;
  return started(cluster, coordinatorOf(settings, { name, nodes, login, lastEpoch, clocks }));
}

async function startBehindRelays(
  cluster: string,
  name: string,
): Promise<{ readonly coordinator: Coordinator; readonly relays: readonly Relay[] }> {
  const relays = await Promise.all(servers.map(async (server) => startRelay(server)));
  const nodes = relays.map(({ host, port }, index) => ({ name: `db${index + 1}`, host, port }));
  return { coordinator: await start(cluster, name, { nodes }), relays };
}

/** As an operator might, or a server that restarts. */
async function killLockSessions(): Promise<void> {
  for (const index of clusterInfo().nodes.keys()) {
    const root = await connectDirect(index, clusterInfo().accounts.root);
    const [sessions] = await root.query<Row[]>(
      "SELECT PROCESSLIST_ID AS id FROM performance_schema.session_connect_attrs WHERE ATTR_VALUE = 'rwsplit-coordinator'",
    );
    for (const { id } of sessions) await root.query('KILL ?', [id]);
  }
}

describe('with locks on the servers', () => {
  test('one of three leads, and all know which, and who is the primary', async () => {
    const cluster = newCluster();
    const all = await Promise.all(['a', 'b', 'c'].map(async (name) => start(cluster, name, { lastEpoch: () => 41 })));
    const leading = await untilOneLeads(all);
    expect(epochOf(leading)).toBe(42);
    expect(all.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
    const record = recordOf(42, { gtid: '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-23' });
    for (const it of all) if (it !== leading) expect(await it.write(record)).toBe(false);
    expect(await leading.write({ ...record, epoch: 43 })).toBe(false);
    expect(await leading.write(record)).toBe(true);
    for (const it of all) await eventually(() => expect(it.record).toEqual(record));
  });

  test('when the leader stops, another one leads, in a larger epoch, and knows the record', async () => {
    const cluster = newCluster();
    const first = await start(cluster, 'a');
    await untilOneLeads([first]);
    const record = recordOf(epochOf(first));
    expect(await first.write(record)).toBe(true);
    const second = await start(cluster, 'b');
    await untilOneLeads([first, second]);
    const epoch = epochOf(first);
    await first.stop();
    expect(first.leadership).toBeUndefined();
    await untilOneLeads([second]);
    expect(epochOf(second)).toBeGreaterThan(epoch);
    expect(second.record).toEqual(record);
  });

  test('a leader that is cut off from most servers knows that it leads no more before another one does', async () => {
    const cluster = newCluster();
    const { coordinator: first, relays } = await startBehindRelays(cluster, 'a');
    await untilOneLeads([first]);
    const { leadership } = first;
    const others = await Promise.all(['b', 'c'].map(async (name) => start(cluster, name)));
    expect(await untilOneLeads([first, ...others])).toBe(first);
    for (const relay of relays.slice(0, 2)) relay.cut();
    const second = await untilOneLeads(others);
    expect(first.leadership).toBeUndefined();
    expect(leadership?.remainingMs()).toBe(0);
    expect(epochOf(second)).toBeGreaterThan(leadership?.epoch ?? Infinity);
    await eventually(() =>
      expect(first.problem).toMatch(/^nobody can lead without the locks of 2 of 3 servers, and 1 answer: db/),
    );
    for (const relay of relays) relay.mend();
    expect(await untilOneLeads([first, ...others])).toBe(second);
  });

  test('a leader that is cut off from one server goes on', async () => {
    const cluster = newCluster();
    const { coordinator: first, relays } = await startBehindRelays(cluster, 'a');
    await untilOneLeads([first]);
    const { leadership } = first;
    const second = await start(cluster, 'b');
    relays[0]?.cut();
    // By now the server has ended the session that was cut, and the other one has found its lock free and of no use.
    await eventually(async () => {
      const root = await connectDirect(0, clusterInfo().accounts.root);
      const [held] = await root.query<Row[]>(
        "SELECT 1 FROM performance_schema.metadata_locks WHERE OBJECT_TYPE = 'USER LEVEL LOCK' AND LOCK_STATUS = 'GRANTED'",
      );
      expect(held).toEqual([]);
    });
    expect(first.leadership).toBe(leadership);
    expect(second.leadership).toBeUndefined();
    expect(await first.write(recordOf(epochOf(first)))).toBe(true);
  });

  test('a leader whose locks are gone, and that does not hear of it, is over before another one leads', async () => {
    const cluster = newCluster();
    const { coordinator: first, relays } = await startBehindRelays(cluster, 'a');
    await untilOneLeads([first]);
    const second = await start(cluster, 'b');
    const { leadership } = first;
    for (const relay of relays) relay.cut();
    await killLockSessions();
    await untilOneLeads([second]);
    expect(leadership?.remainingMs()).toBe(0);
    expect(epochOf(second)).toBeGreaterThan(leadership?.epoch ?? Infinity);
  });

  test('a leader that stood still for longer than its lease leads no more, before anything else of it runs', async () => {
    const clocks = systemClocks();
    let stoodStillMs = 0;
    const endingMs = (): number => clocks.endingMs() + stoodStillMs;
    const one = await start(newCluster(), 'a', { clocks: { ...clocks, endingMs } });
    await untilOneLeads([one]);
    const epoch = epochOf(one);
    stoodStillMs = LEASE_MS;
    expect(one.leadership).toBeUndefined();
    expect(await one.write(recordOf(epoch))).toBe(false);
    await untilOneLeads([one]);
    expect(epochOf(one)).toBeGreaterThan(epoch);
  });

  test('a server that has seen a later epoch makes the leader begin a new one', async () => {
    let lastEpoch = 0;
    const one = await start(newCluster(), 'a', { lastEpoch: () => lastEpoch });
    await untilOneLeads([one]);
    lastEpoch = 1_000;
    await eventually(() => expect(epochOf(one)).toBe(1_001));
  });

  test('nobody leads by servers that are less than most of all, or by one that is named twice', async () => {
    const [first, second] = servers;
    if (first === undefined || second === undefined) throw new Error('the cluster has too few servers');
    const down = await start(newCluster(), 'a', { nodes: [first, NOTHING_LISTENS] });
    expect(down.problem).toMatch(/^nobody can lead without the locks of 2 of 2 servers, and 1 answer: gone: /);
    const twice = await start(newCluster(), 'b', { nodes: [first, { ...first, name: 'again' }, NOTHING_LISTENS] });
    expect(twice.problem).toBe(
      'nobody can lead without the locks of 2 of 3 servers, and some of them are the same server',
    );
    const most = await start(newCluster(), 'c', { nodes: [first, second, NOTHING_LISTENS] });
    await untilOneLeads([most]);
    expect(most.problem).toBeUndefined();
    expect([down.leadership, twice.leadership]).toEqual([undefined, undefined]);
  });

  test('who may not see what others tell does not lead beside them', async () => {
    const { user } = clusterInfo().accounts.monitor;
    await asRoot(`REVOKE SELECT ON performance_schema.* FROM ${user}`);
    try {
      const cluster = newCluster();
      const first = await start(cluster, 'a');
      await untilOneLeads([first]);
      const second = await start(cluster, 'b');
      expect(second.leadership).toBeUndefined();
      expect(second.leader).toBeUndefined();
      expect(second.problem).toBeUndefined();
      const epoch = epochOf(first);
      await first.stop();
      await untilOneLeads([second]);
      // Nobody wrote the epoch down where this one could see it.
      expect(epochOf(second)).toBe(epoch);
    } finally {
      await asRoot(`GRANT SELECT ON performance_schema.* TO ${user}`);
    }
  });
});
