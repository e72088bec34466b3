import type { LexMode } from './classification.js';
import { CALL, END, Lexer, NAME, QUOTED } from './lexer.js';
import { latin1Text } from './text.js';

const DOT = 0x2e;

/**
 * Every name and word that stands in a text, in lower case; what follows a dot only as `a.b`. What is a table among them only a parser
 * can say; what is not among them is no table of the statement.
 */
export function namesIn(sql: Uint8Array, start: number, end: number, mode: LexMode): ReadonlySet<string> {
  const lexer = new Lexer(sql, start, end, mode);
  const names = new Set<string>();
  let previous = '';
  for (let token = lexer.next(); token !== END; token = lexer.next()) {
    if (token === CALL) continue;
    const name = token === NAME || token === QUOTED ? latin1Text(sql, lexer.start, lexer.stop).toLowerCase() : '';
    if (name !== '') {
      names.add(lexer.before === DOT && previous !== '' ? `${previous}.${name}` : name);
    }
    previous = name;
  }
  return names;
}
