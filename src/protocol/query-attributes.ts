import { ByteReader } from './byte-reader.js';

/** Bytes of a binary value of these column types; the others carry their length. Source: `enum_field_types`. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0x01, 1], // TINY
  [0x02, 2], // SHORT
  [0x03, 4], // LONG
  [0x04, 4], // FLOAT
  [0x05, 8], // DOUBLE
  [0x06, 0], // NULL
  [0x08, 8], // LONGLONG
  [0x09, 4], // INT24
  [0x0d, 2], // YEAR
]);

/** Dates and times: a byte that gives their length comes first. */
const SHORT_LENGTH: ReadonlySet<number> = new Set([0x07, 0x0a, 0x0b, 0x0c]);

/** The attribute that says where a statement is to run, and how fresh it has to be, in the words of a comment hint. */
const HINT = 'rwsplit';
const HINT_PART = String.raw`\s*(?:primary|replica|node\s*=\s*[\w.:-]{1,255}|consistency\s*=\s*\w{1,32}|max_lag_ms\s*=\s*\d{1,9})\s*`;
/** Nothing else: it is to stand in a comment. */
const HINT_VALUE = new RegExp(`^${HINT_PART}(?:,${HINT_PART}){0,7}$`, 'i');

/** Goes past a value in the binary protocol. */
function skipValue(reader: ByteReader, type: number): void {
  const fixed = FIXED_BYTES.get(type);
  if (fixed !== undefined) reader.bytes(fixed);
  else if (SHORT_LENGTH.has(type)) reader.bytes(reader.int1());
  else reader.lenencBytes();
}

/**
 * Reads parameters with their names: the NULL bitmap, the flag that types follow, types and names, values.
 * @param isOurs whether the parameter of this index may be the hint
 * @returns the hint among them, '' for none; undefined when they cannot be read
 */
export function readParameters(
  reader: ByteReader,
  count: number,
  isOurs: (index: number) => boolean,
): string | undefined {
  const nulls = reader.bytes((count + 7) >> 3);
  if (reader.int1() !== 1) return undefined;
  const parameters: { type: number; name: Buffer }[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    parameters.push({ type: reader.int2() & 0xff, name: reader.lenencBytes() });
  }
  let hint = '';
  for (const [i, { type, name }] of parameters.entries()) {
    if (((nulls[i >> 3] ?? 0) & (1 << (i & 7))) !== 0) continue;
    if (isOurs(i) && isText(type) && name.toString('latin1').toLowerCase() === HINT) {
      const value = reader.lenencBytes().toString('latin1');
      if (HINT_VALUE.test(value)) hint = value;
    } else skipValue(reader, type);
  }
  return reader.failed ? undefined : hint;
}

function isText(type: number): boolean {
  return !FIXED_BYTES.has(type) && !SHORT_LENGTH.has(type);
}

/** A COM_QUERY's statement among what comes with it. */
export interface QueryText {
  /** Where it begins. */
  readonly start: number;
  /** What an attribute says of where it is to run; '' for nothing. */
  readonly hint: string;
}

/**
 * @param body has a COM_QUERY's payload from `start` on, of a client with CLIENT_QUERY_ATTRIBUTES; a query without attributes,
 *   as {@link hasAttributes} tells, needs none of this
 * @returns undefined when the attributes cannot be read
 */
export function findQueryText(body: Buffer, start: number): QueryText | undefined {
  const reader = new ByteReader(body, start + 1);
  const count = Number(reader.lenencInt());
  reader.lenencInt();
  if (reader.failed || count > body.length) return undefined;
  const hint = count === 0 ? '' : readParameters(reader, count, () => true);
  return hint === undefined || reader.failed ? undefined : { start: reader.position, hint };
}

/** What stands before the text of a query without attributes: a count of 0 parameters, in 1 set. */
export const NO_ATTRIBUTES = Buffer.from([0, 1]);

/** Where the text of a query without attributes begins, behind the command's byte: behind a count of 0, and 1 set of them. */
export const BARE_TEXT_OFFSET = 3;

/** Nearly no query has attributes. */
export function hasAttributes(body: Buffer, start: number): boolean {
  return body[start + 1] !== 0 || body[start + 2] !== 1;
}
