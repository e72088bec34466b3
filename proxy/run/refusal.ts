import type { ErrPacket } from '../../src/protocol/packets/err.js';
import { REPLICA_REFUSED } from '../../src/routing/route.js';
import type { Session } from '../../src/session/session.js';
import { COMMAND_CLASS } from '../command-classes.js';
import type { CommandRun } from '../command-run.js';
import type { Cluster } from './runner-context.js';

/** The transaction, not the server, is read-only. */
const ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION = 1792;

/**
 * A replica refused a statement as a write, before it did anything.
 * @param session as it was when the statement ran
 * @returns the command as it is to run now
 */
export function rerunOnPrimary(
  run: CommandRun,
  error: ErrPacket,
  node: string,
  session: Session,
  cluster: Cluster,
): CommandRun {
  cluster.refused(node, run, error, isOfStatement(error, session));
  return { ...run, classification: COMMAND_CLASS.refused, route: REPLICA_REFUSED };
}

/** Whether the statement was refused for what it is, not for what its session asked for. */
function isOfStatement({ errno }: ErrPacket, session: Session): boolean {
  if (session.inTransaction) return false;
  return errno !== ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION || !session.readOnly;
}
