import { NAME } from './lexer.js';
import { ADMINISTRATION, PIN_BITS, TRANSACTION_CONTROL } from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { word, words } from './words.js';

const TABLES: ReadonlySet<number> = new Set(words('TABLE TABLES'));
const INSTANCE = word('INSTANCE');
const READ = word('READ');
const LOCK = word('LOCK');
const FOR = word('FOR');
const EXPORT = word('EXPORT');

export function readLock(scan: StatementScan): void {
  scan.take();
  const locksTables = TABLES.has(scan.lexer.word);
  scan.outcome = locksTables ? TRANSACTION_CONTROL : ADMINISTRATION;
  scan.pins |= PIN_BITS[locksTables ? 'table-lock' : 'instance-lock'];
}

export function readUnlock(scan: StatementScan): void {
  scan.take();
  const { word } = scan.lexer;
  scan.outcome = TABLES.has(word) ? TRANSACTION_CONTROL : ADMINISTRATION;
  if (TABLES.has(word)) scan.unpins |= PIN_BITS['table-lock'];
  if (word === INSTANCE) scan.unpins |= PIN_BITS['instance-lock'];
}

/** Only `FLUSH TABLES … WITH READ LOCK` and `… FOR EXPORT` leave locks. */
export function readFlush(scan: StatementScan): void {
  const { lexer } = scan;
  scan.outcome = ADMINISTRATION;
  let previous = 0;
  for (scan.take(); !scan.atEnd; scan.take()) {
    const keyword = lexer.token === NAME && lexer.keyword ? lexer.word : 0;
    if ((previous === READ && keyword === LOCK) || (previous === FOR && keyword === EXPORT)) {
      scan.pins |= PIN_BITS['table-lock'];
    }
    previous = keyword;
  }
}
