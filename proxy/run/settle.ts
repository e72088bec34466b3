import { Command } from '../../src/protocol/commands.js';
import type { ResponseShape } from '../../src/protocol/response-place.js';
import type { SessionChange } from '../../src/protocol/session-changes.js';
import { frameCommand, type ServerConnection } from '../../src/runtime/server-connection.js';
import type { Session } from '../../src/session/session.js';
import type { CommandRun } from '../command-run.js';

/** A command of ours, whose answer tells what the session is in. */
export interface Question {
  readonly framed: Buffer;
  readonly shape: ResponseShape;
}

/**
 * What has to be asked after a statement on the primary before it is known what the session is in: nothing, after nearly all.
 * @param changes that came with the statement's answer
 */
export function unsettled(
  run: CommandRun,
  connection: ServerConnection,
  session: Session,
  changes: readonly SessionChange[],
): Question | undefined {
  const { error } = connection.walker;
  if (run.resets && error === undefined) {
    // The trackers are reset too, and the character sets are no longer those of the login.
    return { framed: connection.frameQuery(connection.flavour.trackSession), shape: 'result' };
  }
  const reads = run.classification.target === 'replica' && session.autocommit;
  if (error !== undefined && !session.inTransaction && !reads) {
    // An error does not tell whether a transaction is open; any OK does.
    return { framed: frameCommand(Command.PING, Buffer.alloc(0)), shape: 'ok' };
  }
  if (changes.some((it) => it.kind === 'system-variable' && it.name === 'character_set_connection')) {
    // SET NAMES … COLLATE changes the collation too, and the server does not tell.
    return { framed: connection.frameQuery('SET collation_connection=@@collation_connection'), shape: 'result' };
  }
  return undefined;
}
