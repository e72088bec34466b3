import type { ClassReason, Classification } from '../classify/classification.js';
import type { Consistency } from '../session/consistency.js';
import type { Session } from '../session/session.js';

/** Why a statement went where it went: its class, what its session is in, or what the replicas are in. */
export type RouteReason =
  | ClassReason
  | 'pinned'
  | 'in-transaction'
  | 'autocommit-off'
  | 'serializable'
  | 'replica-refused' // as a write
  | Diversion;

/** Why the primary answers what a replica would have. */
export type Diversion =
  | 'no-replica' // none can be used, or all have failed it
  | 'replica-lag' // all are later than it may be
  | 'consistency'; // its level asks for the primary, or no replica had what it has to see in time

export function isDiversion(reason: RouteReason): reason is Diversion {
  return reason === 'no-replica' || reason === 'replica-lag' || reason === 'consistency';
}

/**
 * Where a statement of a session runs. `previous` is the connection of the statement before, the primary where it is gone;
 * `transaction` the replica's connection with the read-only transaction that is open there.
 */
export interface Route {
  readonly to: 'primary' | 'replica' | 'previous' | 'transaction';
  readonly reason: RouteReason;
}

/** A replica said that the statement writes. */
export const REPLICA_REFUSED: Route = { to: 'primary', reason: 'replica-refused' };

/** Schemas whose tables tell of the server that is asked. Where a statement names them itself, its class says so. */
const ABOUT_ONE_SERVER: ReadonlySet<string> = new Set(['performance_schema', 'sys', 'mysql']);

/**
 * Decides for one statement. A session that has to stay where it is outweighs the statement's class;
 * nothing but a read that is certain to be one goes to a replica.
 * @param refused a replica has refused the like of it as a write
 */
export function routeStatement(session: Session, classification: Classification, refused = false): Route {
  if (session.inReplicaTransaction) {
    if (!refused && staysOnReplica(session, classification)) return { to: 'transaction', reason: 'in-transaction' };
    return { to: 'primary', reason: session.pins.size > 0 ? 'pinned' : classification.reason };
  }
  if (opensOnReplica(session, classification)) return { to: 'replica', reason: 'read-only-transaction' };
  if (session.pins.size > 0) return { to: 'primary', reason: 'pinned' };
  if (session.inTransaction) return { to: 'primary', reason: 'in-transaction' };
  switch (classification.target) {
    case 'primary':
      return { to: 'primary', reason: classification.reason };
    case 'last':
      return { to: 'previous', reason: classification.reason };
    case 'replica':
      if (ABOUT_ONE_SERVER.has(session.state.schema)) return { to: 'primary', reason: 'server-specific' };
      if (session.serializable) return { to: 'primary', reason: 'serializable' };
      if (refused) return REPLICA_REFUSED;
      if (levelOf(session, classification) === 'primary') return { to: 'primary', reason: 'consistency' };
      if (session.autocommit) return { to: 'replica', reason: classification.reason };
      return session.readOnly
        ? { to: 'replica', reason: 'read-only-transaction' }
        : { to: 'primary', reason: 'autocommit-off' };
  }
}

/** How fresh a read has to be: as its own text says, else as its session does. */
export function levelOf(session: Session, { consistency }: Classification): Consistency {
  return consistency ?? session.freshness.level;
}

/** How late a replica may be that serves a read: as its own text says, else as its user's bound does; undefined for neither. */
export function maxLagOf(session: Session, { maxLagMs }: Classification): number | undefined {
  return maxLagMs ?? session.freshness.maxLagMs;
}

/** Whether a statement opens a transaction in which nothing can be written, and which a replica can serve. */
function opensOnReplica(session: Session, classification: Classification): boolean {
  const { transaction } = classification;
  if (transaction !== 'opens-read-only' && transaction !== 'opens') return false;
  if (session.inTransaction || session.serializable || levelOf(session, classification) === 'primary') return false;
  const { nextTransaction, pins, temporaryTables } = session;
  if (!temporaryTables.isEmpty || session.holds.has('user-variable')) return false;
  if (pins.size > (pins.has('next-transaction') && nextTransaction.certain ? 1 : 0)) return false;
  return transaction === 'opens-read-only' || (nextTransaction.readOnly ?? session.readOnly);
}

/** Whether a statement of a read-only transaction can run where that is open; else the transaction goes on at the primary. */
function staysOnReplica(session: Session, classification: Classification): boolean {
  const { target, reason, transaction, pins } = classification;
  if (session.pins.size > 0 || pins.length > 0) return false;
  switch (target) {
    case 'replica':
      return !ABOUT_ONE_SERVER.has(session.state.schema) && levelOf(session, classification) !== 'primary';
    case 'last':
      // What an INSERT before the transaction left is on the primary.
      return reason !== 'last-insert-id' || !(session.holds.has(reason) || session.lastInsertId !== undefined);
    case 'primary':
      if (transaction === 'opens') return session.readOnly;
      if (transaction === 'sets-autocommit') return false;
      return reason === 'session-state' || transaction === 'within' || transaction === 'opens-read-only';
  }
}
