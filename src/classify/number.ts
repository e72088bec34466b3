import { isDigit, NAME_BYTE } from './byte-class.js';

/**
 * The end of the number that begins at `pos` with a digit, or with a dot before a digit. -1 where the digits begin a name
 * instead: `1a` is one, `1e5x` is the number 1e5 and then x.
 */
export function numberEnd(sql: Uint8Array, pos: number, end: number): number {
  const digits = skipDigits(sql, pos, end);
  if (byteAt(sql, digits, end) === 0x2e) return fractionEnd(sql, digits + 1, end);
  if (NAME_BYTE[byteAt(sql, digits, end)] === 0) return digits;
  if (isExponentMark(byteAt(sql, digits, end))) {
    const mantissaEnd = exponentEnd(sql, digits, end);
    if (mantissaEnd > digits) return mantissaEnd;
  }
  return -1;
}

/** After the dot. A mark of an exponent without digits is taken in: the server refuses it. */
function fractionEnd(sql: Uint8Array, pos: number, end: number): number {
  const digits = skipDigits(sql, pos, end);
  if (!isExponentMark(byteAt(sql, digits, end))) return digits;
  const stop = exponentEnd(sql, digits, end);
  return stop > digits ? stop : digits + 1;
}

/** The end of an exponent whose mark stands at `pos`, or `pos` where no digits follow. */
function exponentEnd(sql: Uint8Array, pos: number, end: number): number {
  const sign = byteAt(sql, pos + 1, end);
  const first = sign === 0x2b || sign === 0x2d ? pos + 2 : pos + 1;
  const stop = skipDigits(sql, first, end);
  return stop > first ? stop : pos;
}

function skipDigits(sql: Uint8Array, pos: number, end: number): number {
  while (pos < end && isDigit(sql[pos] ?? 0)) pos += 1;
  return pos;
}

function isExponentMark(byte: number): boolean {
  return byte === 0x65 || byte === 0x45;
}

function byteAt(sql: Uint8Array, pos: number, end: number): number {
  return pos < end ? (sql[pos] ?? 0) : 0;
}
