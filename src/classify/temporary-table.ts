import type { LexMode } from './classification.js';
import { Lexer, NAME, QUOTED } from './lexer.js';
import { latin1Text } from './text.js';
import { word } from './words.js';

const CREATE = word('CREATE');
const DROP = word('DROP');
const TEMPORARY = word('TEMPORARY');
const TABLE = word('TABLE');
const IF = word('IF');
const NOT = word('NOT');
const EXISTS = word('EXISTS');
const DOT = 0x2e;
const COMMA = 0x2c;

/** A table as a statement names it; bytes as characters of the same numbers. */
export interface TableName {
  /** Undefined for the session's default one. */
  readonly schema: string | undefined;
  readonly table: string;
}

/** What a statement does to tables that may be temporary. */
export interface TableChange {
  readonly does: 'create' | 'drop';
  readonly tables: readonly TableName[];
}

/** Reads `CREATE TEMPORARY TABLE t …` and `DROP [TEMPORARY] TABLE t, u`; undefined for anything that is not just that. */
export function readTableChange(sql: Uint8Array, mode: LexMode): TableChange | undefined {
  const lexer = new Lexer(sql, 0, sql.length, mode);
  const takes = (expected: number): boolean => {
    if (lexer.token !== NAME || !lexer.keyword || lexer.word !== expected) return false;
    lexer.next();
    return true;
  };
  lexer.next();
  const does = takes(CREATE) ? 'create' : takes(DROP) ? 'drop' : undefined;
  if (does === undefined) return undefined;
  const temporary = takes(TEMPORARY);
  if (!takes(TABLE) || (does === 'create' && !temporary)) return undefined;
  if (takes(IF)) {
    if (does === 'create' && !takes(NOT)) return undefined;
    if (!takes(EXISTS)) return undefined;
  }
  const tables: TableName[] = [];
  for (;;) {
    const name = readName(lexer);
    if (name === undefined) return undefined;
    tables.push(name);
    if (does === 'create' || lexer.before !== COMMA) break;
  }
  return lexer.broken || lexer.malformed ? undefined : { does, tables };
}

function readName(lexer: Lexer): TableName | undefined {
  const first = readPart(lexer);
  if (first === undefined) return undefined;
  if (lexer.before !== DOT) return { schema: undefined, table: first };
  const table = readPart(lexer);
  return table === undefined ? undefined : { schema: first, table };
}

function readPart(lexer: Lexer): string | undefined {
  if (lexer.token !== NAME && lexer.token !== QUOTED) return undefined;
  const part = latin1Text(lexer.sql, lexer.start, lexer.stop);
  lexer.next();
  return part === '' ? undefined : part;
}
