import { toItself } from '../../src/flavour/flavour.js';
import { MARIADB } from '../../src/flavour/mariadb.js';
import { Command } from '../../src/protocol/commands.js';
import type { ResponseShape } from '../../src/protocol/response-place.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import { ServerStatus } from '../../src/protocol/server-status.js';
import { LAST_GTID, type SessionChange } from '../../src/protocol/session-changes.js';
import { frameCommand, type ServerConnection } from '../../src/runtime/server-connection.js';
import type { Session } from '../../src/session/session.js';
import { textOf, type CommandRun } from '../command-run.js';

/** A command of ours, whose answer tells what the session is in. */
export interface Question {
  readonly framed: Buffer;
  readonly shape: ResponseShape;
}

const TELL_COLLATION = 'SET collation_connection=@@collation_connection';

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
  const { target, reason } = run.classification;
  const reads = target === 'replica' && session.autocommit;
  const mayEnd = error !== undefined && (mayEndTransaction(error) || !WITHIN_TRANSACTION.has(reason));
  if (error !== undefined && !reads && (!session.inTransaction || mayEnd)) {
    // An error does not tell whether a transaction is open; any OK does.
    return { framed: frameCommand(Command.PING, Buffer.alloc(0)), shape: 'ok' };
  }
  if (keepsChangesBack(connection, changes) && !session.inTransaction) {
    // What asks would end the warnings: then the session stays where all it wrote is.
    if (connection.walker.warnings > 0) session.pins.add('unknown-state-change');
    else return { framed: connection.frameQuery(TELL_COLLATION), shape: 'result' };
  }
  const passing = passingVariables(run, connection, changes);
  if (passing.length > 0) {
    return { framed: connection.frameQuery(`SET ${toItself(...passing)}`), shape: 'result' };
  }
  if (changes.some((it) => it.kind === 'system-variable' && it.name === 'character_set_connection')) {
    // SET NAMES … COLLATE changes the collation too, and the server does not tell.
    return { framed: connection.frameQuery(TELL_COLLATION), shape: 'result' };
  }
  return undefined;
}

/** Statements that end no transaction, whatever they say; of others an error may come after they have committed the one that was open. */
export const WITHIN_TRANSACTION: ReadonlySet<string> = new Set(['read', 'hint-replica', 'write', 'locking-read']);

/** Errors of data, constraints, syntax and access are their statement's alone. */
const OF_STATEMENTS: ReadonlySet<string> = new Set(['22', '23', '42']);

/** After a deadlock, say, no transaction is open any more. */
export function mayEndTransaction({ sqlState }: ErrPacket): boolean {
  return !OF_STATEMENTS.has(sqlState.slice(0, 2));
}

/** `SET STATEMENT variable = value FOR statement`. What only looks like it is asked for in vain. */
const SET_STATEMENT = /\bset\b[^]*?\bstatement\b/i;

/** MariaDB tells the values that variables have while such a statement runs, and not that they are set back at its end. */
function passingVariables(
  run: CommandRun,
  { flavour }: ServerConnection,
  changes: readonly SessionChange[],
): readonly string[] {
  if (flavour !== MARIADB) return [];
  const names = changes.flatMap((it) => (it.kind === 'system-variable' && it.name !== LAST_GTID ? [it.name] : []));
  if (names.length === 0) return [];
  return SET_STATEMENT.test(textOf(run)?.toString('latin1') ?? '') ? names : [];
}

/**
 * Whether a statement's answer tells what it committed, or that is asked for. MariaDB's EOF after rows says whether there is something
 * to ask for; MySQL's does not.
 */
export function tellsCommits({ flavour, walker }: ServerConnection): boolean {
  return walker.tellsCommits || (flavour === MARIADB && walker.error === undefined);
}

/**
 * MariaDB's INSERT … RETURNING and sequences give rows and commit. An EOF after them says that something changed, and not what; that
 * comes with the next OK that has a change of its own.
 */
function keepsChangesBack({ flavour, walker }: ServerConnection, changes: readonly SessionChange[]): boolean {
  const { ok, status = 0 } = walker;
  const isEof = ok === undefined && changes.length === 0;
  return flavour === MARIADB && isEof && (status & ServerStatus.SESSION_STATE_CHANGED) !== 0;
}
