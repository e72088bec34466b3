import { NAME } from './lexer.js';
import { ADMINISTRATION, DDL, PIN_BITS, TEMPORARY_TABLE, TEXT_PREPARED_STATEMENT } from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { word, words } from './words.js';

const DEFINER = word('DEFINER');
const TEMPORARY = word('TEMPORARY');
const PREPARE = word('PREPARE');
const EVENT = word('EVENT');
/** `ALTER INSTANCE`, and account statements. */
const ADMINISTERED: ReadonlySet<number> = new Set(words('INSTANCE ROLE USER'));
/** What has a body of statements, which do not run now. */
const ROUTINES: ReadonlySet<number> = new Set(words('EVENT FUNCTION LIBRARY PACKAGE PROCEDURE TRIGGER'));
const OTHER_OBJECTS: ReadonlySet<number> = new Set(
  words('DATABASE INDEX LOGFILE RESOURCE SCHEMA SEQUENCE SERVER SPATIAL TABLE TABLESPACE UNDO UNIQUE VIEW FULLTEXT'),
);

export function readCreate(scan: StatementScan): void {
  const object = readObject(scan);
  if (object === TEMPORARY) {
    scan.outcome = TEMPORARY_TABLE;
    scan.pins |= PIN_BITS['temporary-table'];
  }
  if (ROUTINES.has(object)) scan.lexer.finish();
}

export function readAlter(scan: StatementScan): void {
  if (readObject(scan) === EVENT) scan.lexer.finish();
}

export function readDrop(scan: StatementScan): void {
  const object = readObject(scan);
  if (object === TEMPORARY) scan.outcome = TEMPORARY_TABLE;
  if (object === PREPARE) scan.outcome = TEXT_PREPARED_STATEMENT;
}

export function readRename(scan: StatementScan): void {
  readObject(scan);
}

/** Goes to the word that names the kind of object, past `OR REPLACE`, `DEFINER = user` and the like, and returns it. */
function readObject(scan: StatementScan): number {
  const { lexer } = scan;
  scan.outcome = DDL;
  let isUser = false;
  for (scan.take(); !scan.atEnd; scan.take()) {
    if (isUser) {
      isUser = false;
    } else if (lexer.token === NAME && lexer.keyword) {
      const object = lexer.word;
      if (ADMINISTERED.has(object)) scan.outcome = ADMINISTRATION;
      if (scan.outcome === ADMINISTRATION || object === TEMPORARY || object === PREPARE) return object;
      if (ROUTINES.has(object) || OTHER_OBJECTS.has(object)) return object;
      isUser = object === DEFINER;
    }
  }
  return 0;
}
