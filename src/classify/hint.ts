import { isConsistency, type Consistency } from '../session/consistency.js';
import { isSpace, NAME_BYTE } from './byte-class.js';
import { latin1Text } from './text.js';

/** What a comment such as `/* rwsplit: replica, consistency=eventual *\/` asks for. `any`: it says nothing of where. */
export type Hint = HintTarget & HintBounds;

type HintTarget =
  | { readonly kind: 'any' }
  | { readonly kind: 'primary' }
  | { readonly kind: 'replica' }
  | { readonly kind: 'node'; readonly node: string };

/** What a read is held to. */
export interface HintBounds {
  readonly consistency?: Consistency;
  readonly maxLagMs?: number;
}

const MARK = 'RWSPLIT';
const MAX_NODE_NAME = 255;
const NUMBER = /^\d{1,9}$/;
const COLON = 0x3a;
const COMMA = 0x2c;
const EQUALS = 0x3d;

/** Reads the text of a comment, without its delimiters. Anything that is no hint, or an unknown one, gives undefined. */
export function parseHint(sql: Uint8Array, start: number, stop: number): Hint | undefined {
  let pos = skipSpace(sql, start, stop);
  for (let i = 0; i < MARK.length; i += 1, pos += 1) {
    if (pos >= stop || NAME_BYTE[sql[pos] ?? 0] !== MARK.charCodeAt(i)) return undefined;
  }
  pos = skipSpace(sql, pos, stop);
  if (pos >= stop || sql[pos] !== COLON) return undefined;
  let hint: Hint | undefined;
  for (;;) {
    pos = skipSpace(sql, pos + 1, stop);
    const wordStop = skipName(sql, pos, stop);
    const word = latin1Text(sql, pos, wordStop).toLowerCase();
    let value = '';
    pos = skipSpace(sql, wordStop, stop);
    if (pos < stop && sql[pos] === EQUALS) {
      const valueStart = skipSpace(sql, pos + 1, stop);
      const valueStop = skipName(sql, valueStart, stop);
      value = latin1Text(sql, valueStart, valueStop);
      pos = skipSpace(sql, valueStop, stop);
    }
    const part = partOf(word, value);
    // What comes behind may be meant for people.
    if (part === undefined) return hint;
    hint = hint === undefined ? part : mergeHints(hint, part);
    if (pos >= stop || sql[pos] !== COMMA) return hint;
  }
}

/** Of several, that for the primary counts, else the first that says anything; the same for each bound. */
export function mergeHints(first: Hint, other: Hint): Hint {
  const target = first.kind === 'any' || other.kind === 'primary' ? other : first;
  return { ...other, ...first, ...targetOf(target) };
}

/** What of a hint stands in a class. */
export function boundsOf({ consistency, maxLagMs }: Hint): HintBounds {
  return {
    ...(consistency === undefined ? {} : { consistency }),
    ...(maxLagMs === undefined ? {} : { maxLagMs }),
  };
}

function targetOf(hint: Hint): HintTarget {
  return hint.kind === 'node' ? { kind: 'node', node: hint.node } : { kind: hint.kind };
}

function partOf(word: string, value: string): Hint | undefined {
  switch (word) {
    case 'primary':
    case 'replica':
      return { kind: word };
    case 'node':
      return value === '' ? undefined : { kind: 'node', node: value };
    case 'consistency': {
      const level = value.toLowerCase();
      return isConsistency(level) ? { kind: 'any', consistency: level } : undefined;
    }
    case 'max_lag_ms':
      return NUMBER.test(value) ? { kind: 'any', maxLagMs: Number(value) } : undefined;
    default:
      return undefined;
  }
}

function skipSpace(sql: Uint8Array, pos: number, stop: number): number {
  while (pos < stop && isSpace(sql[pos] ?? 0)) pos += 1;
  return pos;
}

/** Names of nodes may have `-`, `.` and `:` in them, as host names do. */
function skipName(sql: Uint8Array, pos: number, stop: number): number {
  const limit = Math.min(stop, pos + MAX_NODE_NAME);
  for (; pos < limit; pos += 1) {
    const byte = sql[pos] ?? 0;
    if (NAME_BYTE[byte] === 0 && byte !== 0x2d && byte !== 0x2e && byte !== 0x3a) break;
  }
  return pos;
}
