import { isSpace, NAME_BYTE } from './byte-class.js';
import { latin1Text } from './text.js';

/** What a comment such as `/* rwsplit: replica *\/` asks for. */
export type Hint =
  { readonly kind: 'primary' } | { readonly kind: 'replica' } | { readonly kind: 'node'; readonly node: string };

const MARK = 'RWSPLIT';
const MAX_NODE_NAME = 255;
const PRIMARY: Hint = { kind: 'primary' };
const REPLICA: Hint = { kind: 'replica' };

/** Reads the text of a comment, without its delimiters. Anything that is no hint, or an unknown one, gives undefined. */
export function parseHint(sql: Uint8Array, start: number, stop: number): Hint | undefined {
  let pos = skipSpace(sql, start, stop);
  for (let i = 0; i < MARK.length; i += 1, pos += 1) {
    if (pos >= stop || NAME_BYTE[sql[pos] ?? 0] !== MARK.charCodeAt(i)) return undefined;
  }
  pos = skipSpace(sql, pos, stop);
  if (pos >= stop || sql[pos] !== 0x3a) return undefined;
  pos = skipSpace(sql, pos + 1, stop);
  const verbStop = skipName(sql, pos, stop);
  switch (latin1Text(sql, pos, verbStop).toLowerCase()) {
    case 'primary':
      return PRIMARY;
    case 'replica':
      return REPLICA;
    case 'node': {
      const equals = skipSpace(sql, verbStop, stop);
      if (equals >= stop || sql[equals] !== 0x3d) return undefined;
      const nameStart = skipSpace(sql, equals + 1, stop);
      const node = latin1Text(sql, nameStart, skipName(sql, nameStart, stop));
      return node === '' ? undefined : { kind: 'node', node };
    }
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
