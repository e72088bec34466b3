import { ADMINISTRATION, PIN_BITS, READ_ONLY_TRANSACTION, TRANSACTION_CONTROL, UNKNOWN_STATEMENT } from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { word, words } from './words.js';

const TRANSACTION = word('TRANSACTION');
const NOT = word('NOT');
const READ = word('READ');
const ONLY = word('ONLY');
const XA_OPENS: ReadonlySet<number> = new Set(words('BEGIN START'));
const XA_ENDS: ReadonlySet<number> = new Set(words('COMMIT ROLLBACK'));

/** `BEGIN NOT ATOMIC` is MariaDB's block of statements: it may do anything. */
export function readBegin(scan: StatementScan): void {
  scan.outcome = TRANSACTION_CONTROL;
  scan.take();
  if (scan.lexer.word !== NOT) return;
  scan.outcome = UNKNOWN_STATEMENT;
  scan.pins |= PIN_BITS['unknown-statement'];
}

/** `START TRANSACTION`; else of replication. */
export function readStart(scan: StatementScan): void {
  const { lexer } = scan;
  scan.take();
  if (lexer.word !== TRANSACTION) {
    scan.outcome = ADMINISTRATION;
    return;
  }
  scan.outcome = TRANSACTION_CONTROL;
  for (let previous = 0; !scan.atEnd; scan.take()) {
    if (previous === READ && lexer.word === ONLY) scan.outcome = READ_ONLY_TRANSACTION;
    previous = lexer.word;
  }
}

export function readXa(scan: StatementScan): void {
  scan.outcome = TRANSACTION_CONTROL;
  scan.take();
  if (XA_OPENS.has(scan.lexer.word)) scan.pins |= PIN_BITS.xa;
  if (XA_ENDS.has(scan.lexer.word)) scan.unpins |= PIN_BITS.xa;
}
