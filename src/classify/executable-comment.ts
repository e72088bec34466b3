import { isDigit, isSpace } from './byte-class.js';
import type { LexMode } from './classification.js';

/** The text of a comment that begins with `/*!` or `/*M!`: code from `codeStart` on, or a comment like any other. */
export type ExecutableComment =
  | { readonly kind: 'code'; readonly codeStart: number }
  | { readonly kind: 'comment' }
  /** Servers of this version do not agree. */
  | { readonly kind: 'doubtful' };

const COMMENT: ExecutableComment = { kind: 'comment' };
const DOUBTFUL: ExecutableComment = { kind: 'doubtful' };

/** From this version on, MySQL reads six digits as a version where white space follows them. */
const SIX_DIGITS_SINCE = 80400;
/** MariaDB takes these versions to be MySQL's own and skips what is in them. */
const FOREIGN_FROM = 50700;
const FOREIGN_TO = 99999;

/**
 * Decides about the comment whose text, after the exclamation mark, begins at `pos`.
 * @param mariaMark whether the comment began with `/*M!`
 */
export function readExecutableComment(
  sql: Uint8Array,
  pos: number,
  end: number,
  mode: LexMode,
  mariaMark: boolean,
): ExecutableComment {
  const digits = countDigits(sql, pos, end);
  if (digits < 5) return { kind: 'code', codeStart: pos };
  const five = readVersion(sql, pos, 5);
  if (mode.mariadb) {
    const length = digits === 6 ? 6 : 5;
    const version = length === 6 ? readVersion(sql, pos, 6) : five;
    const isForeign = !mariaMark && version >= FOREIGN_FROM && version <= FOREIGN_TO;
    return version <= mode.serverVersion && !isForeign ? { kind: 'code', codeStart: pos + length } : COMMENT;
  }
  const fiveApplies = five <= mode.serverVersion;
  if (digits === 6 && pos + 6 < end && isSpace(sql[pos + 6] ?? 0)) {
    const sixApplies = readVersion(sql, pos, 6) <= mode.serverVersion;
    if (mode.serverVersion < SIX_DIGITS_SINCE && (sixApplies || fiveApplies)) return DOUBTFUL;
    return sixApplies ? { kind: 'code', codeStart: pos + 6 } : COMMENT;
  }
  return fiveApplies ? { kind: 'code', codeStart: pos + 5 } : COMMENT;
}

/** At most six. */
function countDigits(sql: Uint8Array, pos: number, end: number): number {
  let count = 0;
  while (count < 6 && pos + count < end && isDigit(sql[pos + count] ?? 0)) count += 1;
  return count;
}

function readVersion(sql: Uint8Array, pos: number, length: number): number {
  let version = 0;
  for (let i = 0; i < length; i += 1) version = version * 10 + (sql[pos + i] ?? 0) - 0x30;
  return version;
}

/** The byte after the end of a comment's text that begins at `pos`; -1 where the comment is never closed. */
export function commentEnd(sql: Uint8Array, pos: number, end: number): number {
  for (let at = pos; at + 1 < end; at += 1) {
    if (sql[at] === 0x2a && sql[at + 1] === 0x2f) return at + 2;
  }
  return -1;
}

/** As `commentEnd`, for a skipped executable comment: other comments may stand in it, one level deep. */
export function skippedCommentEnd(sql: Uint8Array, pos: number, end: number): number {
  let at = pos;
  while (at + 1 < end) {
    if (sql[at] === 0x2f && sql[at + 1] === 0x2a) {
      at = commentEnd(sql, at + 2, end);
      if (at < 0) return -1;
    } else if (sql[at] === 0x2a && sql[at + 1] === 0x2f) {
      return at + 2;
    } else {
      at += 1;
    }
  }
  return -1;
}
