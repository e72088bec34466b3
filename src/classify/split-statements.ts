import { isSpace, NAME_BYTE } from './byte-class.js';
import type { LexMode } from './classification.js';
import { commentEnd } from './executable-comment.js';
import { characterLength } from './multi-byte.js';
import { quotedEnd } from './quoted.js';

export interface StatementText {
  readonly start: number;
  readonly stop: number;
}

const COMMAND = 'DELIMITER';
const NEWLINE = 0x0a;

/**
 * Cuts a script into statements as the mysql client does: at the delimiter, outside of quotes and comments. `DELIMITER x`
 * on a line of its own sets another one. Comments stay with the statement after them; what has no text is left out.
 */
export function splitStatements(sql: Uint8Array, mode: LexMode): StatementText[] {
  const statements: StatementText[] = [];
  let delimiter: Uint8Array = Uint8Array.of(0x3b);
  let pos = skipSpaces(sql, 0);
  while (pos < sql.length) {
    if (isDelimiterCommand(sql, pos)) {
      const lineEnd = endOfLine(sql, pos);
      const chosen = firstWord(sql, pos + COMMAND.length, lineEnd);
      if (chosen.length > 0) delimiter = chosen;
      pos = skipSpaces(sql, lineEnd);
    } else {
      const stop = findDelimiter(sql, pos, delimiter, mode);
      if (stop > pos) statements.push({ start: pos, stop });
      pos = skipSpaces(sql, stop + delimiter.length);
    }
  }
  return statements;
}

function findDelimiter(sql: Uint8Array, start: number, delimiter: Uint8Array, mode: LexMode): number {
  const end = sql.length;
  let pos = start;
  while (pos < end) {
    if (startsWith(sql, pos, delimiter)) return pos;
    pos = skipOne(sql, pos, mode);
  }
  return end;
}

/** The end of the quoted text, comment or character at `pos`. */
function skipOne(sql: Uint8Array, pos: number, mode: LexMode): number {
  const end = sql.length;
  const byte = sql[pos] ?? 0;
  const next = sql[pos + 1] ?? 0;
  let stop = pos + 1;
  if (byte === 0x27 || byte === 0x60 || byte === 0x22) {
    const isText = byte === 0x27 || (byte === 0x22 && !mode.ansiQuotes);
    stop = quotedEnd(sql, pos + 1, end, byte, isText && !mode.noBackslashEscapes, mode.charset);
  } else if (byte === 0x2f && next === 0x2a) {
    stop = commentEnd(sql, pos + 2, end);
  } else if (byte === 0x23 || (byte === 0x2d && next === 0x2d && (sql[pos + 2] ?? 0) <= 0x20)) {
    stop = endOfLine(sql, pos);
  } else if (byte >= 0x80) {
    stop = pos + characterLength(mode.charset, sql, pos, end);
  }
  return stop < 0 ? end : stop;
}

function isDelimiterCommand(sql: Uint8Array, pos: number): boolean {
  for (let i = 0; i < COMMAND.length; i += 1) {
    if (NAME_BYTE[sql[pos + i] ?? 0] !== COMMAND.charCodeAt(i)) return false;
  }
  return isSpace(sql[pos + COMMAND.length] ?? 0);
}

function startsWith(sql: Uint8Array, pos: number, prefix: Uint8Array): boolean {
  return prefix.every((byte, i) => sql[pos + i] === byte);
}

function firstWord(sql: Uint8Array, from: number, stop: number): Uint8Array {
  let start = from;
  while (start < stop && isSpace(sql[start] ?? 0)) start += 1;
  let end = start;
  while (end < stop && !isSpace(sql[end] ?? 0)) end += 1;
  return sql.subarray(start, end);
}

function endOfLine(sql: Uint8Array, pos: number): number {
  const found = sql.indexOf(NEWLINE, pos);
  return found < 0 ? sql.length : found;
}

function skipSpaces(sql: Uint8Array, pos: number): number {
  let at = pos;
  while (at < sql.length && isSpace(sql[at] ?? 0)) at += 1;
  return at;
}
