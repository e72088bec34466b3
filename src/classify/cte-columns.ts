import { isSpace, NAME_BYTE } from './byte-class.js';

/** More columns than this are not looked through. */
const MAX_LENGTH = 65536;

/**
 * Whether the text from `pos`, right after an opening parenthesis, reads `a, b) AS (`: then the parenthesis begins the
 * columns of a common table expression, not the arguments of a function. A comment between is not looked into.
 */
export function isIdentifierListBeforeAs(sql: Uint8Array, pos: number, end: number): boolean {
  const limit = Math.min(end, pos + MAX_LENGTH);
  let at = pos;
  for (;;) {
    at = skipIdentifier(sql, skipSpaces(sql, at, limit), limit);
    if (at < 0) return false;
    at = skipSpaces(sql, at, limit);
    if (sql[at] !== 0x2c) break;
    at += 1;
  }
  if (at >= limit || sql[at] !== 0x29) return false;
  at = skipSpaces(sql, at + 1, limit);
  if (at + 2 >= limit || NAME_BYTE[sql[at] ?? 0] !== 0x41 || NAME_BYTE[sql[at + 1] ?? 0] !== 0x53) return false;
  return sql[skipSpaces(sql, at + 2, limit)] === 0x28;
}

function skipSpaces(sql: Uint8Array, pos: number, limit: number): number {
  let at = pos;
  while (at < limit && isSpace(sql[at] ?? 0)) at += 1;
  return at;
}

/** The end of the name at `pos`, -1 where there is none. */
function skipIdentifier(sql: Uint8Array, pos: number, limit: number): number {
  let at = pos;
  if (sql[at] === 0x60) {
    at = sql.indexOf(0x60, at + 1);
    return at < 0 || at >= limit ? -1 : at + 1;
  }
  while (at < limit && NAME_BYTE[sql[at] ?? 0] !== 0) at += 1;
  return at > pos ? at : -1;
}
