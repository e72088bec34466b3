import type { LexMode } from './classification.js';

/**
 * How many bytes the character at `pos` takes, where its first byte is 0x80 or above; 1 where the bytes are no valid
 * character, as the server then takes the byte alone. Matters where a later byte may be ASCII: a backslash or a
 * backtick inside a character ends nothing. `other` needs no such care within quotes.
 */
export function characterLength(charset: LexMode['charset'], sql: Uint8Array, pos: number, end: number): number {
  if (charset === 'other' || pos + 1 >= end) return 1;
  const first = sql[pos] ?? 0;
  const second = sql[pos + 1] ?? 0;
  switch (charset) {
    case 'gbk':
      return first >= 0x81 && first <= 0xfe && isTail(second, 0x80, 0xfe) ? 2 : 1;
    case 'big5':
      return first >= 0xa1 && first <= 0xf9 && isTail(second, 0xa1, 0xfe) ? 2 : 1;
    case 'sjis':
    case 'cp932': {
      const isHead = (first >= 0x81 && first <= 0x9f) || (first >= 0xe0 && first <= 0xfc);
      return isHead && isTail(second, 0x80, 0xfc) ? 2 : 1;
    }
    case 'gb18030': {
      if (first < 0x81 || first > 0xfe) return 1;
      if (isTail(second, 0x80, 0xfe)) return 2;
      return isFourByteTail(sql, pos, end) ? 4 : 1;
    }
  }
}

function isTail(byte: number, from: number, to: number): boolean {
  return (byte >= 0x40 && byte <= 0x7e) || (byte >= from && byte <= to);
}

function isFourByteTail(sql: Uint8Array, pos: number, end: number): boolean {
  if (pos + 3 >= end) return false;
  const second = sql[pos + 1] ?? 0;
  const third = sql[pos + 2] ?? 0;
  const fourth = sql[pos + 3] ?? 0;
  return second >= 0x30 && second <= 0x39 && third >= 0x81 && third <= 0xfe && fourth >= 0x30 && fourth <= 0x39;
}

/** How many bytes a UTF-8 character of two to four bytes takes at `pos`; 0 where there is none. */
export function utf8Length(sql: Uint8Array, pos: number, end: number): number {
  const first = sql[pos] ?? 0;
  const length =
    first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length === 0 || pos + length > end) return 0;
  for (let i = 1; i < length; i += 1) {
    if (((sql[pos + i] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}
