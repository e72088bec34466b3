import type { LexMode } from './classification.js';
import { characterLength } from './multi-byte.js';

const BACKSLASH = 0x5c;
/** Below this length a loop finds the closing quote sooner than a call of indexOf. */
const SHORT = 48;

/**
 * The byte after the closing quote of what begins at `pos`, the first byte after the opening quote; -1 where it is never
 * closed. A doubled quote stands for itself.
 */
export function quotedEnd(
  sql: Uint8Array,
  pos: number,
  end: number,
  quote: number,
  escapes: boolean,
  charset: LexMode['charset'],
): number {
  if (charset !== 'other') return multiByteQuotedEnd(sql, pos, end, quote, escapes, charset);
  let at = pos;
  const soon = Math.min(end, pos + SHORT);
  while (at < soon) {
    const byte = sql[at];
    if (byte === quote) {
      if (at + 1 >= end || sql[at + 1] !== quote) return at + 1;
      at += 2;
    } else if (byte === BACKSLASH && escapes) {
      at += 2;
    } else {
      at += 1;
    }
  }
  return at < end ? longQuotedEnd(sql, at, end, quote, escapes) : -1;
}

function longQuotedEnd(sql: Uint8Array, pos: number, end: number, quote: number, escapes: boolean): number {
  let at = pos;
  for (;;) {
    const found = sql.indexOf(quote, at);
    if (found < 0 || found >= end) return -1;
    if (escapes && backslashesBefore(sql, at, found) % 2 === 1) {
      at = found + 1;
    } else if (found + 1 < end && sql[found + 1] === quote) {
      at = found + 2;
    } else {
      return found + 1;
    }
  }
}

/** Backslashes that stand in a row right before `pos`, not before `start`. */
function backslashesBefore(sql: Uint8Array, start: number, pos: number): number {
  let first = pos;
  while (first > start && sql[first - 1] === BACKSLASH) first -= 1;
  return pos - first;
}

function multiByteQuotedEnd(
  sql: Uint8Array,
  pos: number,
  end: number,
  quote: number,
  escapes: boolean,
  charset: LexMode['charset'],
): number {
  let at = pos;
  while (at < end) {
    const byte = sql[at] ?? 0;
    if (byte >= 0x80) {
      at += characterLength(charset, sql, at, end);
    } else if (byte === quote) {
      if (at + 1 >= end || sql[at + 1] !== quote) return at + 1;
      at += 2;
    } else {
      at += byte === BACKSLASH && escapes ? 2 : 1;
    }
  }
  return -1;
}
