import type { LexMode } from './classification.js';
import { effectOf, isBuiltIn } from './function-effects.js';
import { CALL, END, Lexer, NAME, QUOTED, SEPARATOR, SYSTEM_VARIABLE, VARIABLE } from './lexer.js';
import { latin1Text } from './text.js';
import { word, words } from './words.js';

/**
 * What a stored routine does, as far as its text tells:
 * - `reads`: it reads, and leaves nothing on the connection;
 * - `writes`: it may write or lock rows and end transactions, and leaves nothing on the connection that a server does not tell.
 */
export type RoutineEffect = 'reads' | 'writes';

/** Words that may leave something on the connection; for some of them that is said too often rather than too rarely. */
const FORBIDDEN: ReadonlySet<number> = new Set(
  words(`ALTER BINLOG CREATE DEALLOCATE DROP DUMPFILE EXECUTE FLUSH INSTALL LOAD LOCK OUTFILE PREPARE RENAME SQL_CALC_FOUND_ROWS
    UNLOCK XA`),
);
/** Words that write or lock rows, and leave nothing else. */
const WRITES: ReadonlySet<number> = new Set(
  words('COMMIT DELETE ROLLBACK SAVEPOINT SHARE TRANSACTION TRUNCATE UPDATE'),
);
/** What is SET in these, up to the end of the statement, are columns and a condition's items. */
const HAVE_SET: ReadonlySet<number> = new Set(words('INSERT REPLACE RESIGNAL SIGNAL UPDATE'));
/** Functions of the same names have a parenthesis after them. */
const WRITES_WITHOUT_PARENTHESIS: ReadonlySet<number> = new Set(words('INSERT REPLACE'));
/** What stands before HANDLER in a declaration. */
const HANDLER_KINDS: ReadonlySet<number> = new Set(words('CONTINUE EXIT UNDO'));
const CALL_WORD = word('CALL');
const HANDLER = word('HANDLER');
const DECLARE = word('DECLARE');
const SET = word('SET');
const DOT = 0x2e;
const COMMA = 0x2c;

/** What is called: `schema.name` in lower case, `.name` without a schema. */
export type EffectOfCalled = (kind: 'function' | 'procedure', name: string) => RoutineEffect | undefined;

/**
 * What a stored routine certainly does at most: no user or system variable, no lock but of rows, no temporary table, no call of what
 * is not known to do the same.
 * @param body the routine's definition, from BEGIN or RETURN on
 * @param parameters their names, in lower case
 * @param effectOfCalled asked for each routine that is not the server's own
 * @returns undefined where that cannot be said
 */
export function effectOfBody(
  body: Uint8Array,
  mode: LexMode,
  parameters: Iterable<string>,
  effectOfCalled: EffectOfCalled,
): RoutineEffect | undefined {
  const lexer = new Lexer(body, 0, body.length, mode);
  const declared = new Set<string>(parameters);
  let effect: RoutineEffect = 'reads';
  /** After CALL, until the parenthesis behind the name. */
  let isCalling = false;
  let setsColumns = false;
  let previous = 0;
  let previousName = '';
  /** In `DECLARE a, b INT`, in `SET a = 1, b = 2`: what a name that begins there is. */
  let list: 'declared' | 'set' | 'none' = 'none';
  let listDepth = 0;
  for (let token = lexer.next(); token !== END; token = lexer.next()) {
    switch (token) {
      case VARIABLE:
      case SYSTEM_VARIABLE:
        return undefined;
      case SEPARATOR:
        if (isCalling) return undefined;
        setsColumns = false;
        list = 'none';
        previous = 0;
        continue;
      case CALL: {
        const called = isCalling
          ? effectOfCalled('procedure', nameOf(previousName))
          : effectOfCall(lexer, previousName, effectOfCalled);
        isCalling = false;
        if (called === undefined) return undefined;
        if (called === 'writes') effect = called;
        continue;
      }
      case NAME:
      case QUOTED: {
        const name = latin1Text(body, lexer.start, lexer.stop).toLowerCase();
        const keyword = token === NAME && lexer.keyword ? lexer.word : 0;
        if (FORBIDDEN.has(keyword)) return undefined;
        if (keyword === HANDLER && !HANDLER_KINDS.has(previous)) return undefined;
        if (keyword === CALL_WORD) isCalling = true;
        const isFunction = WRITES_WITHOUT_PARENTHESIS.has(keyword) && lexer.isFollowedByParenthesis();
        if (!isFunction) {
          if (WRITES_WITHOUT_PARENTHESIS.has(keyword) || WRITES.has(keyword)) effect = 'writes';
          setsColumns ||= HAVE_SET.has(keyword);
        }
        const begins =
          previous === DECLARE || previous === SET || (lexer.before === COMMA && lexer.depth === listDepth);
        if (begins && list === 'declared') declared.add(name);
        if (begins && list === 'set' && !declared.has(name)) return undefined;
        if (keyword === DECLARE || keyword === SET) {
          list = keyword === DECLARE ? 'declared' : setsColumns ? 'none' : 'set';
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
  return lexer.broken || lexer.malformed || isCalling ? undefined : effect;
}

function effectOfCall(lexer: Lexer, name: string, effectOfCalled: EffectOfCalled): RoutineEffect | undefined {
  const isQualified = lexer.before === DOT;
  if (isQualified || lexer.quoted) return effectOfCalled('function', nameOf(name));
  if (effectOf(lexer.word, lexer.mode) !== 0) return undefined;
  if (isBuiltIn(lexer.word, lexer.mode, lexer.position - 1 !== lexer.stop)) return 'reads';
  return effectOfCalled('function', name);
}

/** `schema.name`, of names as they were gathered: `.schema.name`. */
function nameOf(gathered: string): string {
  return gathered.replace(/^\.(?=.*\.)/, '');
}
