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

/**
 * @param body has a COM_QUERY's payload from `start` on, of a client with CLIENT_QUERY_ATTRIBUTES
 * @returns where in `body` the statement's text begins, or undefined when the attributes cannot be read
 */
export function queryTextStart(body: Buffer, start: number): number | undefined {
  // Nearly every query has no attributes: a count of 0, and 1 set of them.
  if (body[start + 1] === 0 && body[start + 2] === 1) return start + 3;
  const reader = new ByteReader(body, start + 1);
  const count = Number(reader.lenencInt());
  reader.lenencInt();
  if (reader.failed || count > body.length) return undefined;
  if (count === 0) return reader.position;
  const nulls = reader.bytes((count + 7) >> 3);
  if (reader.int1() !== 1) return undefined;
  const types: number[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    types.push(reader.int2() & 0xff);
    reader.lenencBytes();
  }
  for (const [i, type] of types.entries()) {
    if (((nulls[i >> 3] ?? 0) & (1 << (i & 7))) !== 0) continue;
    const fixed = FIXED_BYTES.get(type);
    if (fixed !== undefined) reader.bytes(fixed);
    else if (SHORT_LENGTH.has(type)) reader.bytes(reader.int1());
    else reader.lenencBytes();
  }
  return reader.failed ? undefined : reader.position;
}
