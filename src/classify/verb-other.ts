import { connectionStatementOf, MAX_CONNECTION_STATEMENT } from './connection-statement.js';
import * as finding from './finding.js';
import { CALL, NAME, QUOTED } from './lexer.js';
import {
  ADMINISTRATION,
  DIAGNOSTICS,
  PIN_BITS,
  KNOWN_PROCEDURE,
  PROCEDURE_CALL,
  READ,
  SESSION_STATE,
  TEXT_PREPARED_STATEMENT,
  WRITE,
} from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { latin1Text } from './text.js';
import { word, words } from './words.js';

const QUERIES: ReadonlySet<number> = new Set(words('SELECT TABLE'));
const IMMEDIATE = word('IMMEDIATE');
const INDEX = word('INDEX');
const OPEN = word('OPEN');
const BACKUP_ENDS: ReadonlySet<number> = new Set(words('END UNLOCK'));

/** The one form that certainly ends all named locks: nothing else is evaluated, and it is. */
const RELEASES_ALL_LOCKS = /^\s*(?:SELECT|DO)\s+RELEASE_ALL_LOCKS\s*\(\s*\)\s*(?:AS\s+\w+\s*)?$/i;
const MAX_RELEASE_LENGTH = 200;

export function readSelect(scan: StatementScan): void {
  const { lexer } = scan;
  const { start } = lexer;
  scan.outcome = READ;
  readReleaseOfLocks(scan);
  if ((scan.found & finding.READS_CONNECTION_ID) === 0) return;
  const stop = scan.textStop;
  if (stop - start > MAX_CONNECTION_STATEMENT) return;
  const text = latin1Text(lexer.sql, start, stop);
  scan.asksOwnId = connectionStatementOf(text, lexer.mode)?.kind === 'connection-id';
}

export function readDo(scan: StatementScan): void {
  scan.outcome = READ;
  readReleaseOfLocks(scan, true);
}

/**
 * Reads to the end of a statement that is no SELECT: InnoDB locks the rows that its sub-queries read. Source: `store_lock` of
 * ha_innobase.
 */
export function takeLockingRest(scan: StatementScan): void {
  const { lexer } = scan;
  for (; !scan.atEnd; scan.take()) {
    if (lexer.keyword && QUERIES.has(lexer.word)) scan.found |= finding.LOCKS_ROWS;
  }
}

function readReleaseOfLocks(scan: StatementScan, locks = false): void {
  const { lexer } = scan;
  const { start } = lexer;
  if (locks) takeLockingRest(scan);
  else scan.takeRest();
  if ((scan.found & finding.CALLS_LOCK_FUNCTION) === 0) return;
  const stop = scan.textStop;
  if (stop - start <= MAX_RELEASE_LENGTH && RELEASES_ALL_LOCKS.test(latin1Text(lexer.sql, start, stop))) {
    scan.unpins |= PIN_BITS['named-lock'];
  }
}

/** What a procedure's OUT parameters are given stays in user variables. */
export function readCall(scan: StatementScan): void {
  scan.outcome = PROCEDURE_CALL;
  scan.assignsVariables = true;
  scan.take();
  const effect = scan.effectOfProcedure(readProcedureName(scan));
  // As those of a read, so that it is told what the arguments call.
  scan.outcome = READ;
  scan.takeRest();
  const isKnown = effect !== undefined && (scan.found & finding.CALLS_STORED_FUNCTION) === 0;
  scan.found &= ~(finding.CALLS_STORED_FUNCTION | finding.CALLS_KNOWN_WRITER);
  scan.outcome = isKnown ? KNOWN_PROCEDURE : PROCEDURE_CALL;
}

/** `p` or `schema.p`, in lower case. */
function readProcedureName(scan: StatementScan): string {
  const { lexer } = scan;
  const names: string[] = [];
  while (lexer.token === NAME || lexer.token === QUOTED) {
    names.push(latin1Text(lexer.sql, lexer.start, lexer.stop).toLowerCase());
    scan.take();
  }
  // The parenthesis behind it: it calls no function.
  if (lexer.token === CALL) scan.take();
  return names.join('.');
}

/** `LOAD DATA` can fill user variables; `LOAD INDEX INTO CACHE` is about one server. */
export function readLoad(scan: StatementScan): void {
  scan.take();
  scan.outcome = scan.lexer.word === INDEX ? ADMINISTRATION : WRITE;
  scan.assignsVariables = true;
}

export function readGet(scan: StatementScan): void {
  scan.outcome = DIAGNOSTICS;
  scan.assignsVariables = true;
}

export function readHandler(scan: StatementScan): void {
  scan.outcome = SESSION_STATE;
  for (scan.take(); !scan.atEnd; scan.take()) {
    if (scan.lexer.token === NAME && scan.lexer.word === OPEN) scan.pins |= PIN_BITS.handler;
  }
}

export function readPrepare(scan: StatementScan): void {
  scan.outcome = TEXT_PREPARED_STATEMENT;
  scan.pins |= PIN_BITS['text-prepared-statement'];
}

/** The text of `EXECUTE IMMEDIATE` may be any statement. */
export function readExecute(scan: StatementScan): void {
  scan.outcome = TEXT_PREPARED_STATEMENT;
  scan.take();
  if (scan.lexer.word === IMMEDIATE) scan.pins |= PIN_BITS['unknown-statement'];
}

/** MariaDB's `BACKUP STAGE …` and `BACKUP LOCK`. */
export function readBackup(scan: StatementScan): void {
  scan.outcome = ADMINISTRATION;
  let ends = false;
  for (scan.take(); !scan.atEnd; scan.take()) {
    if (BACKUP_ENDS.has(scan.lexer.word)) ends = true;
  }
  if (ends) scan.unpins |= PIN_BITS['instance-lock'];
  else scan.pins |= PIN_BITS['instance-lock'];
}
