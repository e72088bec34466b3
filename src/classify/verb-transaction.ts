import {
  ADMINISTRATION,
  NEXT_ISOLATION,
  NEXT_READ_ONLY,
  NEXT_READ_WRITE,
  PIN_BITS,
  READ_ONLY_TRANSACTION,
  READ_WRITE_TRANSACTION,
  TRANSACTION_BEGIN,
  TRANSACTION_CONTROL,
  UNKNOWN_STATEMENT,
} from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { word, words } from './words.js';

const TRANSACTION = word('TRANSACTION');
const NOT = word('NOT');
const READ = word('READ');
const ONLY = word('ONLY');
const WRITE = word('WRITE');
const SERIALIZABLE = word('SERIALIZABLE');
const XA_OPENS: ReadonlySet<number> = new Set(words('BEGIN START'));
const XA_ENDS: ReadonlySet<number> = new Set(words('COMMIT ROLLBACK'));

/** `BEGIN NOT ATOMIC` is MariaDB's block of statements: it may do anything. */
export function readBegin(scan: StatementScan): void {
  scan.outcome = TRANSACTION_BEGIN;
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
  switch (readCharacteristics(scan)) {
    case 'read-only':
      scan.outcome = READ_ONLY_TRANSACTION;
      return;
    case 'none':
      scan.outcome = TRANSACTION_BEGIN;
      return;
    default:
      scan.outcome = READ_WRITE_TRANSACTION;
  }
}

/** `SET TRANSACTION …`, for the next transaction only; the current token is what comes after. */
export function readNextTransaction(scan: StatementScan): void {
  switch (readCharacteristics(scan)) {
    case 'read-only':
      scan.outcome = NEXT_READ_ONLY;
      return;
    case 'read-write':
      scan.outcome = NEXT_READ_WRITE;
      return;
    case 'none':
      scan.outcome = NEXT_ISOLATION;
      return;
    case 'serializable':
      scan.outcome = TRANSACTION_CONTROL;
  }
}

/** The access mode that is asked for; `serializable` outweighs it: there, plain reads lock. */
function readCharacteristics(scan: StatementScan): 'none' | 'read-only' | 'read-write' | 'serializable' {
  const { lexer } = scan;
  let mode: 'none' | 'read-only' | 'read-write' = 'none';
  let isSerializable = false;
  for (let previous = 0; !scan.atEnd; scan.take()) {
    if (previous === READ && lexer.word === ONLY) mode = 'read-only';
    if (previous === READ && lexer.word === WRITE) mode = 'read-write';
    if (lexer.word === SERIALIZABLE) isSerializable = true;
    previous = lexer.word;
  }
  return isSerializable ? 'serializable' : mode;
}

export function readXa(scan: StatementScan): void {
  scan.outcome = TRANSACTION_CONTROL;
  scan.take();
  if (XA_OPENS.has(scan.lexer.word)) scan.pins |= PIN_BITS.xa;
  if (XA_ENDS.has(scan.lexer.word)) scan.unpins |= PIN_BITS.xa;
}
