import { CALL, type Lexer, NAME, QUOTED } from './lexer.js';
import { word } from './words.js';

const AS = word('AS');
const COMMA = 0x2c;
const CLOSING = 0x29;

/**
 * Whether the text after an opening parenthesis, which is the current token, reads `a, b) AS (`: then the parenthesis begins
 * the columns of a common table expression, not the arguments of a function.
 */
export function isColumnListOfCte(lexer: Lexer): boolean {
  const ahead = lexer.fork();
  let separator = 0;
  for (let token = ahead.next(); token === NAME || token === QUOTED; token = ahead.next()) {
    if (ahead.before === CLOSING && ahead.skipped === 1) return ahead.word === AS && ahead.next() === CALL;
    if (ahead.before !== separator || ahead.skipped > 1) return false;
    separator = COMMA;
  }
  return false;
}
