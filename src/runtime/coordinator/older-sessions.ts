import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { killConnection } from '../kill-connection.js';

/** As whom a leader changes servers. */
export interface LeaderIdentity {
  readonly cluster: string;
  readonly epoch: number;
  /** Of this leader alone, even where its epoch is not. */
  readonly id: string;
}

interface LeaderSession extends RowDataPacket {
  readonly session: number;
  readonly epoch: string | null;
  readonly id: string | null;
  readonly own: number;
}

/** Another leader is there before us: we must not do anything on this server. */
export class LaterLeader extends Error {}

const POLL_MS = 5;

const LEADER_SESSIONS =
  'SELECT * FROM (SELECT PROCESSLIST_ID AS session, PROCESSLIST_ID = CONNECTION_ID() AS own,' +
  " MAX(IF(ATTR_NAME = 'rwsplit_cluster', ATTR_VALUE, NULL)) AS cluster," +
  " MAX(IF(ATTR_NAME = 'rwsplit_epoch', ATTR_VALUE, NULL)) AS epoch," +
  " MAX(IF(ATTR_NAME = 'rwsplit_leader', ATTR_VALUE, NULL)) AS id" +
  " FROM performance_schema.session_connect_attrs WHERE ATTR_NAME IN ('rwsplit_cluster', 'rwsplit_epoch', 'rwsplit_leader')" +
  ' GROUP BY PROCESSLIST_ID) AS leaders WHERE CAST(cluster AS BINARY) = CAST(? AS BINARY)';

/** With these a leader logs in to each server that it changes. */
export function leaderAttributes({ cluster, epoch, id }: LeaderIdentity): Readonly<Record<string, string>> {
  return {
    program_name: 'rwsplit-leader',
    rwsplit_cluster: cluster,
    rwsplit_epoch: String(epoch),
    rwsplit_leader: id,
  };
}

/**
 * A server does what it is told by whoever once led: it knows no epochs. So a leader ends all sessions of earlier leaders there before it
 * does anything else, and then keeps its own:
 *
 * ```
 *   log in with leaderAttributes ──► is a later leader there? leave ──► KILL the earlier ones ──► they are gone: begin
 * ```
 *
 * Of two leaders at least one logs in after the other's session is there to be seen. If it is the earlier one, it leaves; if it is the later
 * one, the earlier one's session ends. A leader that was asleep between the look at its lease and its statement wakes up to a session that is
 * gone, or to a login after which it leaves. It is seen no more where its session has ended, with the server for instance: then what is left
 * is its lease, and the epochs in the servers' journal.
 *
 * Needs SELECT on performance_schema, and CONNECTION_ADMIN where the proxies of a cluster log in as different users.
 * @param session logged in with {@link leaderAttributes}; of no use after a throw
 * @param own whether sessions of this same leader end, too: what it has given up waiting for may yet be carried out there
 * @returns how many sessions were ended
 * @throws LaterLeader; Error where the server does not tell of sessions, or one does not end in time
 */
export async function endOlderSessions(
  session: Connection,
  identity: LeaderIdentity,
  timeoutMs: number,
  own: 'kept' | 'ended' = 'kept',
): Promise<number> {
  const untilMs = performance.now() + timeoutMs;
  const ended = new Set<number>();
  for (;;) {
    const older = await olderSessions(session, identity, timeoutMs, own);
    if (older.length === 0) return ended.size;
    if (performance.now() > untilMs) throw new Error(`sessions of an earlier leader do not end: ${older.join(', ')}`);
    for (const id of older) {
      if (!ended.has(id)) await killConnection(session, id, timeoutMs);
      ended.add(id);
    }
    await sleep(POLL_MS);
  }
}

async function olderSessions(
  session: Connection,
  { cluster, epoch, id }: LeaderIdentity,
  timeout: number,
  ownToo: 'kept' | 'ended',
): Promise<number[]> {
  const [all] = await session.query<LeaderSession[]>({ sql: LEADER_SESSIONS, values: [cluster], timeout });
  const own = all.find((it) => it.own === 1);
  if (own === undefined || Number(own.epoch) !== epoch || own.id !== id) {
    throw new Error(
      'the server does not tell of sessions: performance_schema is off there, or too small for their attributes',
    );
  }
  const others = all.filter((it) => it.id !== id);
  const later = others.find((it) => it.epoch === null || Number(it.epoch) >= epoch);
  if (later !== undefined) throw new LaterLeader(`epoch ${later.epoch ?? '?'} has begun, and this is ${epoch}`);
  const isOlder = (it: LeaderSession): boolean => Number(it.epoch) < epoch || (ownToo === 'ended' && it !== own);
  return all.filter((it) => isOlder(it)).map((it) => it.session);
}
