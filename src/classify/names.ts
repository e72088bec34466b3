import type { LexMode } from './classification.js';
import { CALL, END, Lexer, NAME, QUOTED } from './lexer.js';
import { latin1Text } from './text.js';

const DOT = 0x2e;

/**
 * Every name and word that stands in a text, in lower case, and each `a.b` as such too. What is a table among them only a parser can
 * say; what is not among them is no table of the statement.
 */
export function namesIn(sql: Uint8Array, start: number, end: number, mode: LexMode): ReadonlySet<string> {
  const lexer = new Lexer(sql, start, end, mode);
  const names = new Set<string>();
  let previous = '';
  for (let token = lexer.next(); token !== END; token = lexer.next()) {
    if (token === CALL) continue;
    const name = token === NAME || token === QUOTED ? latin1Text(sql, lexer.start, lexer.stop).toLowerCase() : '';
    if (name !== '') {
      names.add(name);
      if (lexer.before === DOT && previous !== '') names.add(`${previous}.${name}`);
    }
    previous = name;
  }
  return names;
}
