import type { Classification, LexMode } from './classification.js';
import { effectOf, isBuiltIn } from './function-effects.js';
import { CALL, END, Lexer, NAME, QUOTED, SEPARATOR, SYSTEM_VARIABLE, VARIABLE } from './lexer.js';
import { word, words } from './words.js';

const DOT = 0x2e;
const INTO = word('INTO');
const LAST_INSERT_ID = word('LAST_INSERT_ID');
/** LOAD reads a file of the client's, or of one server; the others reach beyond the session. */
const FORBIDDEN: ReadonlySet<number> = new Set(words('LOAD GLOBAL PERSIST PERSIST_ONLY'));
const SETS: ReadonlySet<number> = new Set(words('SET USE'));
const SAVEPOINTS: ReadonlySet<number> = new Set(words('RELEASE SAVEPOINT'));
const ROLLBACK = word('ROLLBACK');
const TO = word('TO');

/**
 * Whether a statement that ran in a transaction which came to nothing may run once more, in another one: all that it did was in
 * that transaction, and depends on nothing that its connection alone had.
 * @param sql its text, from `start` on
 */
export function isRepeatable(classification: Classification, sql: Uint8Array, start: number, mode: LexMode): boolean {
  const { reason, pins } = classification;
  if (pins.length > 0) return false;
  switch (reason) {
    case 'read':
    case 'hint-primary':
    case 'server-specific':
      return true;
    // Hints vouch for functions that are not known, and may be mistaken.
    case 'hint-replica':
    case 'hint-node':
    case 'rule':
    case 'locking-read':
    case 'write':
    case 'last-insert-id':
      return callsNothingElse(sql, start, mode, undefined);
    case 'session-state':
      return classification.transaction === undefined && callsNothingElse(sql, start, mode, SETS);
    case 'transaction-control':
      return classification.transaction === 'within' && isSavepoint(sql, start, mode);
    default:
      return false;
  }
}

/** SAVEPOINT, RELEASE SAVEPOINT, ROLLBACK TO: the transaction goes on. */
function isSavepoint(sql: Uint8Array, start: number, mode: LexMode): boolean {
  const lexer = new Lexer(sql, start, sql.length, mode);
  lexer.next();
  const first = lexer.word;
  for (let token: number = NAME; token !== END; token = lexer.next()) {
    if (SAVEPOINTS.has(first) || (first === ROLLBACK && lexer.word === TO)) return true;
  }
  return false;
}

/**
 * Whether no function is called but the server's own, of those without effects. A function that is not known could reach beyond its
 * transaction; one that asks for what another statement has left may find something else.
 * @param verbs with one of which it has to begin
 */
function callsNothingElse(
  sql: Uint8Array,
  start: number,
  mode: LexMode,
  verbs: ReadonlySet<number> | undefined,
): boolean {
  const lexer = new Lexer(sql, start, sql.length, mode);
  let isFirst = true;
  /** In `INSERT INTO s.t (a, b)`, the parenthesis behind a table's name. */
  let table: 'none' | 'expected' | 'named' = 'none';
  for (let token = lexer.next(); token !== END; token = lexer.next()) {
    switch (token) {
      case NAME:
      case QUOTED: {
        const keyword = token === NAME && lexer.keyword ? lexer.word : 0;
        if (FORBIDDEN.has(keyword) || (isFirst && verbs?.has(keyword) === false)) return false;
        const isTable: boolean = table === 'expected' || (table === 'named' && lexer.before === DOT);
        table = isTable ? 'named' : keyword === INTO ? 'expected' : 'none';
        break;
      }
      case CALL:
        if (table !== 'named' && !isHarmless(lexer)) return false;
        table = 'none';
        break;
      case SYSTEM_VARIABLE:
        if (FORBIDDEN.has(lexer.word)) return false;
        break;
      case VARIABLE:
      case SEPARATOR:
        table = 'none';
    }
    isFirst = false;
  }
  return !lexer.broken && !lexer.malformed;
}

function isHarmless(lexer: Lexer): boolean {
  if (lexer.quoted || lexer.before === DOT) return false;
  if (lexer.word === LAST_INSERT_ID) return true;
  if (effectOf(lexer.word, lexer.mode) !== 0) return false;
  return isBuiltIn(lexer.word, lexer.mode, lexer.position - 1 !== lexer.stop);
}
