import type { LexMode } from './classification.js';
import { effectOf, isBuiltIn } from './function-effects.js';
import { CALL, END, Lexer, NAME, QUOTED, SEPARATOR, SYSTEM_VARIABLE, VARIABLE } from './lexer.js';
import { latin1Text } from './text.js';
import { word, words } from './words.js';

/** Words that write, lock, or leave something on the connection; for some of them that is said too often rather than too rarely. */
const FORBIDDEN: ReadonlySet<number> = new Set(
  words(`ALTER CALL CREATE DEALLOCATE DELETE DROP DUMPFILE EXECUTE INSTALL LOAD LOCK OUTFILE PREPARE RENAME SHARE SQL_CALC_FOUND_ROWS
    TRUNCATE UNLOCK UPDATE`),
);
/** Functions of the same names have a parenthesis after them. */
const WRITES_WITHOUT_PARENTHESIS: ReadonlySet<number> = new Set(words('INSERT REPLACE'));
/** What stands before HANDLER in a declaration. */
const HANDLER_KINDS: ReadonlySet<number> = new Set(words('CONTINUE EXIT UNDO'));
const HANDLER = word('HANDLER');
const DECLARE = word('DECLARE');
const SET = word('SET');
const DOT = 0x2e;
const COMMA = 0x2c;

/**
 * Whether a stored function certainly only reads, and leaves nothing on the connection that calls it: no write, no lock, no user or
 * system variable, no call of what is not known to do the same.
 * @param body the routine's definition, from BEGIN or RETURN on
 * @param isKnown asked for each function that is not the server's own: `schema.name` in lower case, `.name` without a schema
 */
export function onlyReads(body: Uint8Array, mode: LexMode, isKnown: (name: string) => boolean): boolean {
  const lexer = new Lexer(body, 0, body.length, mode);
  const declared = new Set<string>();
  let previous = 0;
  let previousName = '';
  /** In `DECLARE a, b INT`, in `SET a = 1, b = 2`: what a name that begins there is. */
  let list: 'declared' | 'set' | 'none' = 'none';
  let listDepth = 0;
  for (let token = lexer.next(); token !== END; token = lexer.next()) {
    switch (token) {
      case VARIABLE:
      case SYSTEM_VARIABLE:
        return false;
      case SEPARATOR:
        list = 'none';
        previous = 0;
        continue;
      case CALL: {
        if (!mayCall(lexer, previousName, isKnown)) return false;
        continue;
      }
      case NAME:
      case QUOTED: {
        const name = latin1Text(body, lexer.start, lexer.stop).toLowerCase();
        const keyword = token === NAME && lexer.keyword ? lexer.word : 0;
        if (FORBIDDEN.has(keyword)) return false;
        if (WRITES_WITHOUT_PARENTHESIS.has(keyword) && !lexer.isFollowedByParenthesis()) return false;
        if (keyword === HANDLER && !HANDLER_KINDS.has(previous)) return false;
        const begins =
          previous === DECLARE || previous === SET || (lexer.before === COMMA && lexer.depth === listDepth);
        if (begins && list === 'declared') declared.add(name);
        if (begins && list === 'set' && !declared.has(name)) return false;
        if (keyword === DECLARE || keyword === SET) {
          list = keyword === SET ? 'set' : 'declared';
          listDepth = lexer.depth;
        }
        previousName = lexer.before === DOT ? `${previousName}.${name}` : `.${name}`;
        previous = keyword;
        continue;
      }
      default:
        previous = 0;
    }
  }
  return !lexer.broken && !lexer.malformed;
}

function mayCall(lexer: Lexer, name: string, isKnown: (name: string) => boolean): boolean {
  const isQualified = lexer.before === DOT;
  if (isQualified || lexer.quoted) return isKnown(name.replace(/^\.(?=.*\.)/, ''));
  if (effectOf(lexer.word, lexer.mode) !== 0) return false;
  return isBuiltIn(lexer.word, lexer.mode, lexer.position - 1 !== lexer.stop) || isKnown(name);
}
