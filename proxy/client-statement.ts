import type { Classification } from '../src/classify/classification.js';
import { Command } from '../src/protocol/commands.js';
import { framePackets, HEADER_BYTES, type Message } from '../src/protocol/framing.js';
import { ByteReader } from '../src/protocol/byte-reader.js';
import type { ServerStatement } from '../src/runtime/prepared-cache.js';
import type { SessionState } from '../src/session/session-state.js';

/** A statement that a client has prepared: one id for it, and one on each server connection that needed it. */
export interface ClientStatement {
  readonly id: number;
  readonly sql: Buffer;
  readonly classification: Classification;
  /** What the session was when it was prepared: its names were resolved by that. */
  readonly state: SessionState;
  /** The same statement of any client, on any connection. */
  readonly key: string;
  params: number;
  /** The parameters' types as the client sent them last: it need not repeat them. */
  types: Buffer | undefined;
}

/** `text` and state make the key: the same text under another schema or sql_mode is another statement. */
export function statementKey(state: SessionState, sql: Buffer): string {
  return `${state.key}\0${sql.toString('latin1')}`;
}

const CURSOR_FLAGS = 0x07;
const PARAMETER_COUNT_AVAILABLE = 0x08;
/** Command, statement id, flags and iteration count. */
const EXECUTE_HEAD_BYTES = 10;

/** @param execute payload of a COM_STMT_EXECUTE */
export function opensCursor(execute: Buffer): boolean {
  return ((execute[5] ?? 0) & CURSOR_FLAGS) !== 0;
}

/** Where the parameters' types stand in a COM_STMT_EXECUTE. */
interface TypesPlace {
  /** Offset of `new_params_bind_flag`. */
  readonly flagAt: number;
  /** Types, and names where query attributes are in use: from after the flag to here. */
  readonly typesEnd: number;
  readonly count: number;
}

function findTypes(execute: Buffer, statement: ClientStatement, queryAttributes: boolean): TypesPlace | undefined {
  const reader = new ByteReader(execute, EXECUTE_HEAD_BYTES);
  let count = statement.params;
  const named = queryAttributes && ((execute[5] ?? 0) & PARAMETER_COUNT_AVAILABLE) !== 0;
  if (named) count = Number(reader.lenencInt());
  if (count === 0) return undefined;
  reader.bytes((count + 7) >> 3);
  const flagAt = reader.position;
  if (reader.int1() === 1) {
    for (let i = 0; i < count && !reader.failed; i++) {
      reader.int2();
      if (queryAttributes) reader.lenencBytes();
    }
  }
  return reader.failed ? undefined : { flagAt, typesEnd: reader.position, count };
}

/**
 * A client's COM_STMT_EXECUTE as one server connection gets it: with that connection's id for the statement, and with the
 * parameters' types where that connection has not seen this client's.
 * @param message its bytes are changed in place
 */
export function executeOn(
  message: Message,
  statement: ClientStatement,
  server: ServerStatement,
  queryAttributes: boolean,
): Buffer {
  const { raw, payload } = message;
  raw.writeUInt32LE(server.id, HEADER_BYTES + 1);
  if (statement.params === 0 && !queryAttributes) return raw;
  const place = findTypes(payload, statement, queryAttributes);
  if (place === undefined) return raw;
  if (payload[place.flagAt] === 1) {
    const types = payload.subarray(place.flagAt + 1, place.typesEnd);
    if (statement.types === undefined || !statement.types.equals(types)) statement.types = Buffer.from(types);
    server.boundBy = statement;
    return raw;
  }
  if (server.boundBy === statement || statement.types === undefined) return raw;
  server.boundBy = statement;
  const rebuilt = Buffer.concat([
    payload.subarray(0, place.flagAt),
    Buffer.from([1]),
    statement.types,
    payload.subarray(place.typesEnd),
  ]);
  rebuilt.writeUInt32LE(server.id, 1);
  return framePackets(rebuilt, 0);
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

export function closeStatement(id: number): Buffer {
  return statementCommand(Command.STMT_CLOSE, id);
}
