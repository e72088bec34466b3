import type { ClassReason, Classification } from '../classify/classification.js';
import type { Session } from '../session/session.js';

/** Why a statement went where it went: its class, or what its session is in. */
export type RouteReason =
  ClassReason | 'pinned' | 'in-transaction' | 'autocommit-off' | 'serializable' | 'replica-refused';

/** Where a statement of a session runs. `previous` is the connection of the statement before, the primary where it is gone. */
export interface Route {
  readonly to: 'primary' | 'replica' | 'previous';
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
  if (session.pins.size > 0) return { to: 'primary', reason: 'pinned' };
  if (session.inTransaction) return { to: 'primary', reason: 'in-transaction' };
  switch (classification.target) {
    case 'primary':
      return { to: 'primary', reason: classification.reason };
    case 'last':
      return { to: 'previous', reason: classification.reason };
    case 'replica':
      if (!session.autocommit) return { to: 'primary', reason: 'autocommit-off' };
      if (ABOUT_ONE_SERVER.has(session.state.schema)) return { to: 'primary', reason: 'server-specific' };
      if (session.serializable) return { to: 'primary', reason: 'serializable' };
      if (refused) return REPLICA_REFUSED;
      return { to: 'replica', reason: classification.reason };
  }
}
