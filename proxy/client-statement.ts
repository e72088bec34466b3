import type { Classification } from '../src/classify/classification.js';
import { Command } from '../src/protocol/commands.js';
import { framePackets, HEADER_BYTES, MAX_PACKET_PAYLOAD_BYTES, type Message } from '../src/protocol/framing.js';
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

/** The statement's id, with which a COM_STMT_… command begins; 0, which no statement has, where it is cut short. */
export function statementIdOf(message: Message): number {
  const at = message.start + 1;
  return message.body.length >= at + 4 ? message.body.readUInt32LE(at) : 0;
}

const CURSOR_FLAGS = 0x07;
const PARAMETER_COUNT_AVAILABLE = 0x08;
/** Command, statement id, flags and iteration count. */
const EXECUTE_HEAD_BYTES = 10;

function executeFlags(message: Message): number {
  return message.body[message.start + 5] ?? 0;
}

/** @param message a COM_STMT_EXECUTE */
export function opensCursor(message: Message): boolean {
  return (executeFlags(message) & CURSOR_FLAGS) !== 0;
}

/** Where `new_params_bind_flag` stands in a COM_STMT_EXECUTE, and how many parameters it is for. */
interface BindFlag {
  readonly at: number;
  readonly count: number;
}

function findBindFlag(message: Message, statement: ClientStatement, queryAttributes: boolean): BindFlag | undefined {
  const { body, start } = message;
  let at = start + EXECUTE_HEAD_BYTES;
  let count = statement.params;
  if (queryAttributes && (executeFlags(message) & PARAMETER_COUNT_AVAILABLE) !== 0) {
    const reader = new ByteReader(body, at);
    count = Number(reader.lenencInt());
    if (reader.failed) return undefined;
    at = reader.position;
  }
  at += (count + 7) >> 3;
  return count === 0 || at >= body.length ? undefined : { at, count };
}

/** @returns where the parameters' types, and with query attributes their names, end */
function findTypesEnd(body: Buffer, flag: BindFlag, queryAttributes: boolean): number | undefined {
  const from = flag.at + 1;
  if (!queryAttributes) return from + 2 * flag.count <= body.length ? from + 2 * flag.count : undefined;
  const reader = new ByteReader(body, from);
  for (let i = 0; i < flag.count && !reader.failed; i++) {
    reader.int2();
    reader.lenencBytes();
  }
  return reader.failed ? undefined : reader.position;
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
  const { raw, body } = message;
  raw.writeUInt32LE(server.id, HEADER_BYTES + 1);
  if (statement.params === 0 && !queryAttributes) return raw;
  const flag = findBindFlag(message, statement, queryAttributes);
  if (flag === undefined) return raw;
  if (body[flag.at] === 1) {
    const end = findTypesEnd(body, flag, queryAttributes);
    if (end === undefined) return raw;
    const from = flag.at + 1;
    const { types } = statement;
    if (types === undefined || types.compare(body, from, end) !== 0) {
      statement.types = Buffer.from(body.subarray(from, end));
    }
    server.boundBy = statement;
    return raw;
  }
  if (server.boundBy === statement || statement.types === undefined) return raw;
  server.boundBy = statement;
  return withTypes(message, flag.at, statement.types, server.id);
}

/** The command with types put in behind the flag, which says that they are there. */
function withTypes(message: Message, flagAt: number, types: Buffer, id: number): Buffer {
  const { body, start } = message;
  const before = flagAt - start;
  const payloadBytes = body.length - start + types.length;
  if (payloadBytes >= MAX_PACKET_PAYLOAD_BYTES) {
    const payload = Buffer.concat([body.subarray(start, flagAt), Buffer.from([1]), types, body.subarray(flagAt + 1)]);
    payload.writeUInt32LE(id, 1);
    return framePackets(payload, 0);
  }
  const framed = Buffer.allocUnsafe(HEADER_BYTES + payloadBytes);
  framed.writeUIntLE(payloadBytes, 0, 3);
  framed[3] = 0;
  body.copy(framed, HEADER_BYTES, start, flagAt);
  framed.writeUInt32LE(id, HEADER_BYTES + 1);
  framed[HEADER_BYTES + before] = 1;
  types.copy(framed, HEADER_BYTES + before + 1);
  body.copy(framed, HEADER_BYTES + before + 1 + types.length, flagAt + 1);
  return framed;
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
