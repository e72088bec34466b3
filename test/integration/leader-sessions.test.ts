import type { Connection } from 'mysql2/promise';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  endOlderSessions,
  LaterLeader,
  leaderAttributes,
  type LeaderIdentity,
} from '../../src/runtime/coordinator/older-sessions.js';
import type { MonitorLogin } from '../../src/runtime/monitor-login.js';
import { clusterInfo, connectDirect, monitorLogin, nodeInfo } from '../cluster.js';
import { asRoot, value } from '../proxy.js';

const TIMEOUT_MS = 10_000;

let login: MonitorLogin;
const open: Connection[] = [];
beforeAll(() => {
  login = monitorLogin();
});
afterEach(() => {
  for (const session of open.splice(0)) session.destroy();
});

async function logIn(identity: LeaderIdentity): Promise<Connection> {
  const node = nodeInfo(0);
  const { session } = await login.connect({ ...node, name: 'node' }, TIMEOUT_MS, leaderAttributes(identity));
  open.push(session);
  return session;
}

/** As a leader does it. */
async function begin(
  identity: LeaderIdentity,
  own?: 'ended',
): Promise<{ readonly session: Connection; readonly ended: number }> {
  const session = await logIn(identity);
  return { session, ended: await endOlderSessions(session, identity, TIMEOUT_MS, own) };
}

let clusters = 0;
function leaders(): (epoch: number, id?: string) => LeaderIdentity {
  const cluster = `Shop ${clusters++}`;
  return (epoch, id = `proxy of ${epoch}`) => ({ cluster, epoch, id });
}

describe('on a server', () => {
  test("a leader ends the earlier leaders' sessions, with what runs on them, before it begins", async () => {
    const leader = leaders();
    const first = await begin(leader(3));
    const second = await logIn(leader(4));
    const running = second.query('SELECT SLEEP(600)').catch((error: unknown) => error);
    const { session, ended } = await begin(leader(5));
    expect(ended).toBe(2);
    expect(await running).toBeInstanceOf(Error);
    await expect(first.session.query('SELECT 1')).rejects.toThrow();
    expect(await value(session, 'SELECT 1')).toBe(1);
  });

  test('an earlier leader that comes after a later one does nothing, and leaves its session alone', async () => {
    const leader = leaders();
    const { session } = await begin(leader(5));
    await expect(begin(leader(4))).rejects.toThrow(LaterLeader);
    await expect(begin(leader(5, 'another one that takes itself for it'))).rejects.toThrow(LaterLeader);
    expect(await value(session, 'SELECT 1')).toBe(1);
  });

  test('a leader may have several sessions, and those of its own earlier epochs end', async () => {
    const leader = leaders();
    const before = await begin(leader(4, 'a'));
    const first = await begin(leader(5, 'a'));
    const second = await begin(leader(5, 'a'));
    expect([before.ended, first.ended, second.ended]).toEqual([0, 1, 0]);
    expect(await value(first.session, 'SELECT 1')).toBe(1);
  });

  test('a leader ends, where it asks for that, what it has given up waiting for itself', async () => {
    const leader = leaders();
    const given = await begin(leader(5, 'a'));
    const running = given.session.query('SELECT SLEEP(600)').catch((error: unknown) => error);
    const { session, ended } = await begin(leader(5, 'a'), 'ended');
    expect(ended).toBe(1);
    expect(await running).toBeInstanceOf(Error);
    expect(await value(session, 'SELECT 1')).toBe(1);
  });

  test('of many that begin at once none but the last leads on, whatever order they come in', async () => {
    const leader = leaders();
    for (let round = 0; round < 10; round++) {
      const epochs = [1, 2, 3, 4].map((n) => round * 10 + n);
      const begun = await Promise.allSettled(
        epochs.map(async (epoch) => {
          const { session } = await begin(leader(epoch));
          return { epoch, session };
        }),
      );
      const working: number[] = [];
      for (const it of begun) {
        if (it.status === 'rejected') continue;
        const isThere = await it.value.session.query('SELECT 1').then(
          () => true,
          () => false,
        );
        if (isThere) working.push(it.value.epoch);
      }
      expect(working).toEqual([round * 10 + 4]);
    }
  });

  test('leaders of other clusters, clients and monitors are left alone', async () => {
    const [one, other] = [leaders(), leaders()];
    const { session } = await begin(one(3));
    const upper = await logIn({ ...other(3), cluster: other(3).cluster.toUpperCase() });
    const client = await connectDirect(0);
    expect((await begin(other(9))).ended).toBe(0);
    for (const it of [session, upper, client]) expect(await value(it, 'SELECT 1')).toBe(1);
  });

  test('that does not tell of sessions nobody begins', async () => {
    const leader = leaders();
    const { user } = clusterInfo().accounts.monitor;
    await asRoot(`REVOKE SELECT ON performance_schema.* FROM ${user}`);
    try {
      await expect(begin(leader(3))).rejects.toThrow('SELECT command denied');
    } finally {
      await asRoot(`GRANT SELECT ON performance_schema.* TO ${user}`);
    }
    // Longer than what a server keeps of attributes.
    await expect(begin({ ...leader(3), cluster: 'x'.repeat(5_000) })).rejects.toThrow('does not tell of sessions');
  });
});
