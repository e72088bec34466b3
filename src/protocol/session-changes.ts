import { ByteReader } from './byte-reader.js';
import { ByteWriter } from './byte-writer.js';
import { MalformedPacket } from './malformed-packet.js';

/**
 * One entry of an OK packet's session state information.
 * Source: MySQL's protocol documentation, "Session State Information"; `sql/session_tracker.cc`.
 */
export type SessionChange =
  | { readonly kind: 'system-variable'; readonly name: string; readonly value: string }
  | { readonly kind: 'schema'; readonly name: string }
  | { readonly kind: 'state-change' }
  | { readonly kind: 'gtids'; readonly gtids: string }
  | { readonly kind: 'transaction-characteristics'; readonly statements: string }
  | { readonly kind: 'transaction-state'; readonly state: string }
  | { readonly kind: 'unknown'; readonly type: number; readonly data: Buffer };

const SYSTEM_VARIABLES = 0;
const SCHEMA = 1;
const STATE_CHANGE = 2;
const GTIDS = 3;
const TRANSACTION_CHARACTERISTICS = 4;
const TRANSACTION_STATE = 5;

/** A system variable that counts statements: it changes with each, and means nothing elsewhere. */
export const STATEMENT_ID = 'statement_id';

/** MariaDB's system variable for the transaction that the session committed last: it cannot be set. */
export const LAST_GTID = 'last_gtid';

const STATEMENT_ID_BYTES = Buffer.from(STATEMENT_ID, 'latin1');
const [ID_0, ID_1, ID_2] = [0, 4, 8].map((at) => STATEMENT_ID_BYTES.readUInt32LE(at));

/**
 * Whether there is just one entry and it is {@link STATEMENT_ID}: the server reports it with every statement
 * when asked for all variables.
 */
export function namesOnlyStatementId(bytes: Buffer, start: number): boolean {
  return (
    bytes.length - start > 15 &&
    bytes[start] === SYSTEM_VARIABLES &&
    bytes[start + 1] === bytes.length - start - 2 &&
    bytes[start + 2] === STATEMENT_ID_BYTES.length &&
    bytes.readUInt32LE(start + 3) === ID_0 &&
    bytes.readUInt32LE(start + 7) === ID_1 &&
    bytes.readUInt32LE(start + 11) === ID_2
  );
}

/** @param bytes `OkPacket.sessionChanges` */
export function decodeSessionChanges(bytes: Buffer): SessionChange[] | MalformedPacket {
  const reader = new ByteReader(bytes);
  const changes: SessionChange[] = [];
  while (reader.remaining > 0) {
    const type = reader.int1();
    const data = reader.lenencBytes();
    const entry = new ByteReader(data);
    switch (type) {
      case SYSTEM_VARIABLES:
        // MySQL sends one variable an entry, MariaDB several.
        while (entry.remaining > 0) {
          const name = entry.lenencBytes().toString('utf8');
          changes.push({ kind: 'system-variable', name, value: entry.lenencBytes().toString('utf8') });
        }
        break;
      case SCHEMA:
        changes.push({ kind: 'schema', name: entry.lenencBytes().toString('utf8') });
        break;
      case STATE_CHANGE:
        // The flag stands there as it is, without a length of its own.
        if (data[0] === 0x31) changes.push({ kind: 'state-change' });
        break;
      case GTIDS:
        entry.int1();
        changes.push({ kind: 'gtids', gtids: entry.lenencBytes().toString('latin1') });
        break;
      case TRANSACTION_CHARACTERISTICS:
        changes.push({ kind: 'transaction-characteristics', statements: entry.lenencBytes().toString('utf8') });
        break;
      case TRANSACTION_STATE:
        changes.push({ kind: 'transaction-state', state: entry.lenencBytes().toString('latin1') });
        break;
      default:
        changes.push({ kind: 'unknown', type, data: Buffer.from(data) });
    }
    if (reader.failed || entry.failed) return new MalformedPacket('session state information');
  }
  return changes;
}

/** The inverse of {@link decodeSessionChanges}. */
export function encodeSessionChanges(changes: readonly SessionChange[]): Buffer {
  const writer = new ByteWriter();
  for (const change of changes) {
    switch (change.kind) {
      case 'system-variable':
        writer
          .int1(SYSTEM_VARIABLES)
          .lenencBytes(new ByteWriter().lenencString(change.name).lenencString(change.value).payload());
        break;
      case 'schema':
        writer.int1(SCHEMA).lenencBytes(new ByteWriter().lenencString(change.name).payload());
        break;
      case 'state-change':
        writer.int1(STATE_CHANGE).lenencString('1');
        break;
      case 'gtids':
        writer.int1(GTIDS).lenencBytes(new ByteWriter().int1(0).lenencString(change.gtids).payload());
        break;
      case 'transaction-characteristics':
        writer
          .int1(TRANSACTION_CHARACTERISTICS)
          .lenencBytes(new ByteWriter().lenencString(change.statements).payload());
        break;
      case 'transaction-state':
        writer.int1(TRANSACTION_STATE).lenencBytes(new ByteWriter().lenencString(change.state).payload());
        break;
      case 'unknown':
        writer.int1(change.type).lenencBytes(change.data);
        break;
    }
  }
  return writer.payload();
}
