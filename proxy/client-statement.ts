import type { Classification } from '../src/classify/classification.js';
import type { ConnectionStatement } from '../src/classify/connection-statement.js';
import type { DigestEntry } from '../src/classify/digest-table.js';
import { HEADER_BYTES, type Message } from '../src/protocol/framing.js';
import type { SessionState } from '../src/session/session-state.js';

/** A statement that a client has prepared: one id for it, and one on each server connection that needed it. */
export interface ClientStatement {
  readonly id: number;
  readonly sql: Buffer;
  readonly classification: Classification;
  readonly digest: DigestEntry | undefined;
  /** It is a KILL. */
  readonly kills: Extract<ConnectionStatement, { kind: 'kill' }> | undefined;
  /** What the session was when it was prepared: its names were resolved by that. */
  readonly state: SessionState;
  /** The same statement of any client, on any connection, as long as it has not run. */
  readonly key: string;
  /** The same, with the types of its parameters: a server takes those with which a statement ran first for its own. */
  serverKey: string;
  /** A connection has long data or an open cursor for it: there it is a statement of its own, shared with nobody. */
  readonly ownKey: string;
  bound: boolean;
  params: number;
  /** The parameters' types as the client sent them last: it need not repeat them. */
  types: Buffer | undefined;
}

/** What the statement is called on server connections now. */
export function keyOnServer(statement: ClientStatement): string {
  return statement.bound ? statement.ownKey : statement.serverKey;
}

/** `text` and state make the key: the same text under another schema or sql_mode is another statement. */
export function statementKey(state: SessionState, sql: Buffer): string {
  return `${state.key}\0${sql.toString('latin1')}`;
}

/** The statement's id, with which a COM_STMT_… command begins; 0, which no statement has, where it is cut short. */
export function statementIdOf(message: Message): number {
  const at = message.start + 1;
  return message.body.length >= at + 4 ? message.body.readUInt32LE(at) : 0;
}

/** A command that is a statement's id and no more, for one server connection. */
export function statementCommand(command: number, id: number): Buffer {
  const framed = Buffer.allocUnsafe(HEADER_BYTES + 5);
  framed.writeUIntLE(5, 0, 3);
  framed[3] = 0;
  framed[4] = command;
  framed.writeUInt32LE(id, 5);
  return framed;
}
