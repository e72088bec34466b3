import { ByteReader } from '../src/protocol/byte-reader.js';
import { framePackets, HEADER_BYTES, MAX_PACKET_PAYLOAD_BYTES, type Message } from '../src/protocol/framing.js';
import { readParameters } from '../src/protocol/query-attributes.js';
import type { PreparedCache, ServerStatement } from '../src/runtime/prepared-cache.js';
import { keyOnServer, type ClientStatement } from './client-statement.js';

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

/** What a query attribute of a COM_STMT_EXECUTE says of where it is to run; '' for nothing. */
export function executeHint(message: Message, statement: ClientStatement): string {
  if ((executeFlags(message) & PARAMETER_COUNT_AVAILABLE) === 0) return '';
  const reader = new ByteReader(message.body, message.start + EXECUTE_HEAD_BYTES);
  const count = Number(reader.lenencInt());
  if (reader.failed || count <= statement.params || count > message.body.length) return '';
  return readParameters(reader, count, (index) => index >= statement.params) ?? '';
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

/** A parameter of this type says nothing of what the statement takes there. */
const NULL_TYPE = 0x06;

/**
 * Takes over the parameters' types that a COM_STMT_EXECUTE brings.
 *
 * A server settles a statement's types when it first runs, and later converts what it is given to them, if need be to 0 or NULL.
 * So executions with other types are other statements there; a NULL fits them all.
 */
export function noteTypes(message: Message, statement: ClientStatement, queryAttributes: boolean): void {
  if (statement.params === 0 && !queryAttributes) return;
  const { body } = message;
  const flag = findBindFlag(message, statement, queryAttributes);
  if (flag === undefined || body[flag.at] !== 1) return;
  const from = flag.at + 1;
  const end = findTypesEnd(body, flag, queryAttributes);
  if (end === undefined) return;
  const { types } = statement;
  if (types !== undefined && types.compare(body, from, end) === 0) return;
  statement.types = Buffer.from(body.subarray(from, end));
  const fits = serverTypes(statement, flag.count, queryAttributes);
  statement.serverKey = `${statement.key}\0${fits}`;
}

/** The types of the parameters, without names; for a NULL, the type that was there before. */
function serverTypes(statement: ClientStatement, count: number, queryAttributes: boolean): string {
  const before = statement.serverKey.slice(statement.key.length + 1);
  const reader = new ByteReader(statement.types ?? Buffer.alloc(0));
  let found = '';
  for (let i = 0; i < count; i++) {
    const type = reader.int2();
    if (queryAttributes) reader.lenencBytes();
    const known = before.codePointAt(i) ?? NULL_TYPE;
    found += String.fromCodePoint((type & 0xff) === NULL_TYPE ? known : type);
  }
  return found;
}

/** @returns the statement as a connection has it prepared, ready to run */
export function findPrepared(prepared: PreparedCache, statement: ClientStatement): ServerStatement | undefined {
  const found = prepared.get(keyOnServer(statement));
  if (found !== undefined || statement.bound || statement.serverKey === statement.key) return found;
  // Prepared, and not run yet: it takes these types.
  return prepared.rename(statement.key, statement.serverKey);
}

/**
 * A client's COM_STMT_EXECUTE as one server connection gets it: with that connection's id for the statement, and with the
 * parameters' types where that connection has not seen this client's.
 * @param message its bytes are changed in place; {@link noteTypes} has seen it
 */
export function executeOn(
  message: Message,
  statement: ClientStatement,
  server: ServerStatement,
  queryAttributes: boolean,
): Buffer {
  const { raw, body } = message;
  raw.writeUInt32LE(server.id, HEADER_BYTES + 1);
  const { types } = statement;
  if (types === undefined) return raw;
  const flag = findBindFlag(message, statement, queryAttributes);
  if (flag === undefined) return raw;
  const bound = server.boundTypes === types;
  server.boundTypes = types;
  return bound || body[flag.at] === 1 ? raw : withTypes(message, flag.at, types, server.id);
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
