import type { OkPacket } from '../protocol/packets/ok.js';

/** More of a statement is not looked at. */
const MAX_HEAD = 1024;
const LOWER = 0x20;
const [S, E] = Buffer.from('se');

/** White space, comments that are none of the server's own, and parentheses: each can be read in one way only. */
const BEFORE = String.raw`^(?:[\s(]|/\*(?![!M])(?:(?!\*/)[^])*\*/|--(?:[^\S\n][^\n]*)?\n|#[^\n]*\n)*`;
const SHOWN =
  `TABLES?|DATABASES|SCHEMAS|COLUMNS|FIELDS|INDEX|INDEXES|KEYS|VARIABLES|STATUS|CHARACTER|CHARSET|COLLATION|TRIGGERS|EVENTS|
  PROCEDURE|FUNCTION|LIBRARY|PLUGINS|ENGINES|STORAGE|OPEN|COUNT`.replaceAll(/\s/g, '');
const EXPLAINED = 'SELECT|TABLE|VALUES|WITH|UPDATE|DELETE|INSERT|REPLACE|FORMAT|ANALYZE|FOR';
/** Results that the server makes by a query. It counts no others: those of EXPLAIN, SHOW CREATE, SHOW WARNINGS, HANDLER, CHECK TABLE … */
const QUERY = new RegExp(
  String.raw`${BEFORE}(?:(?:SELECT|WITH|TABLE|VALUES)\b|SHOW\s+(?:(?:FULL|EXTENDED|GLOBAL|SESSION|LOCAL)\s+)*(?:${SHOWN})\b|DESC(?:RIBE)?\s+(?!(?:${EXPLAINED})\b))`,
  'i',
);
const VERB = new RegExp(String.raw`${BEFORE}(\w+)`);
const STRINGS = /'[^']*'|"[^"]*"/g;
const UPDATED = /\bUPDATE\b([^]*?)\bSET\b/i;
const SEVERAL = /,|\bJOIN\b/i;
const SELECTS = /\b(?:SELECT|TABLE)\b/i;

/** Whether the rows that a statement gave are what FOUND_ROWS() counts from then on. @param start of its text */
export function countsRows(sql: Uint8Array, start: number): boolean {
  const [first = 0, second = 0] = [sql[start], sql[start + 1]];
  // Nearly all.
  if ((first | LOWER) === S && (second | LOWER) === E) return true;
  return QUERY.test(headOf(sql, start));
}

/** The end of a statement whose rows, if it gave any, are not counted. */
export interface UncountedEnd {
  readonly ok: OkPacket | undefined;
  readonly rows: number;
  readonly mariadb: boolean;
}

/** What FOUND_ROWS() is after it; undefined where that is as before, or cannot be told. */
export function rowsCountedBy(sql: Uint8Array, { ok, rows, mariadb }: UncountedEnd): number | undefined {
  const head = headOf(sql, 0);
  const verb = VERB.exec(head)?.[1]?.toUpperCase();
  if (ok === undefined) return verb === 'EXECUTE' ? rows : verb === 'EXPLAIN' && mariadb ? 0 : undefined;
  const { affectedRows, info } = ok;
  switch (verb) {
    case 'DO':
      return mariadb ? undefined : 1;
    case 'SELECT':
    case 'TABLE':
    case 'VALUES':
      // INTO.
      return Number(affectedRows);
    case 'UPDATE':
    case 'WITH': {
      const hasSeveral = SEVERAL.test(UPDATED.exec(head)?.[1] ?? '');
      // MariaDB reads several tables as a SELECT does, and only these.
      if (mariadb) return hasSeveral ? firstNumber(info) : undefined;
      return hasSeveral ? 0 : firstNumber(info);
    }
    case 'INSERT':
    case 'REPLACE':
      return info.length > 0 && SELECTS.test(head.replaceAll(STRINGS, '')) ? firstNumber(info) : undefined;
    default:
      return undefined;
  }
}

/** The rows that were matched, or the records: the first number, in whatever language. */
function firstNumber(info: Buffer): number | undefined {
  const found = /\d+/.exec(info.toString('latin1'));
  return found === null ? undefined : Number(found[0]);
}

function headOf(sql: Uint8Array, start: number): string {
  return Buffer.from(sql.buffer, sql.byteOffset + start, Math.min(sql.length - start, MAX_HEAD)).toString('latin1');
}
