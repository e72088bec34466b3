import * as finding from './finding.js';
import { NAME, SYSTEM_VARIABLE, VARIABLE } from './lexer.js';
import { ADMINISTRATION, PIN_BITS, SESSION_STATE, SETS_AUTOCOMMIT, TRANSACTION_CONTROL } from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { readNextTransaction } from './verb-transaction.js';
import { word, words } from './words.js';

type Scope = 'global' | 'session' | 'none';

const SCOPES: ReadonlyMap<number, Scope> = new Map<number, Scope>([
  ...words('GLOBAL PERSIST PERSIST_ONLY').map((id): [number, Scope] => [id, 'global']),
  ...words('LOCAL SESSION').map((id): [number, Scope] => [id, 'session']),
]);
const PASSWORD = word('PASSWORD');
const DEFAULT = word('DEFAULT');
const ROLE = word('ROLE');
const RESOURCE = word('RESOURCE');
const STATEMENT = word('STATEMENT');
const FOR = word('FOR');
const TRANSACTION = word('TRANSACTION');
const AUTHORIZATION = word('AUTHORIZATION');
const AUTOCOMMIT = word('AUTOCOMMIT');

/** Variables whose value holds for the next statement only, cannot be read back, or names the connection itself. */
const ONE_SHOT: ReadonlySet<number> = new Set(
  words(`DEBUG DEBUG_SYNC GTID_DOMAIN_ID GTID_NEXT GTID_NEXT_LIST GTID_SEQ_NO IDENTITY IMMEDIATE_SERVER_VERSION INSERT_ID
    LAST_INSERT_ID ORIGINAL_COMMIT_TIMESTAMP ORIGINAL_SERVER_VERSION PSEUDO_REPLICA_MODE PSEUDO_SLAVE_MODE PSEUDO_THREAD_ID
    RAND_SEED1 RAND_SEED2 SKIP_REPLICATION SQL_LOG_BIN SQL_LOG_OFF TIMESTAMP`),
);
/** Written as `@@name`, without a scope, these are set for the next transaction only. */
const CHARACTERISTICS: ReadonlySet<number> = new Set(
  words('TRANSACTION_ISOLATION TRANSACTION_READ_ONLY TX_ISOLATION TX_READ_ONLY'),
);
const COMMA = 0x2c;

export function readSet(scan: StatementScan): void {
  const { lexer } = scan;
  scan.outcome = SESSION_STATE;
  scan.take();
  switch (lexer.keyword ? lexer.word : 0) {
    case PASSWORD:
    case DEFAULT:
      scan.outcome = ADMINISTRATION;
      return;
    case ROLE:
      scan.pins |= PIN_BITS.role;
      return;
    case RESOURCE:
      scan.pins |= PIN_BITS['resource-group'];
      return;
    case TRANSACTION:
      setTransaction(scan, 'none');
      return;
    case STATEMENT:
      readPrefix(scan);
      return;
    default:
      readAssignments(scan);
  }
}

/** MariaDB's `SET STATEMENT variable = value FOR statement`. */
function readPrefix(scan: StatementScan): void {
  const { lexer } = scan;
  while (!scan.atEnd && !(lexer.keyword && lexer.word === FOR)) scan.take();
  scan.take();
  scan.isPrefix = true;
}

function readAssignments(scan: StatementScan): void {
  const { lexer } = scan;
  const { depth } = lexer;
  let scope: Scope = 'session';
  let areAllGlobal = true;
  while (!scan.atEnd) {
    if (lexer.token === VARIABLE) {
      scan.found |= finding.ASSIGNS_VARIABLE;
      areAllGlobal = false;
    } else {
      const isSystemVariable = lexer.token === SYSTEM_VARIABLE;
      const named = SCOPES.get(lexer.word);
      if (named !== undefined) lexer.next();
      const own: Scope = named ?? (isSystemVariable ? 'none' : scope);
      // A scope written as a word holds for the assignments after it too.
      if (!isSystemVariable) scope = own;
      if (own !== 'global') areAllGlobal = false;
      if (readVariable(scan, own)) return;
    }
    goToNextAssignment(scan, depth);
  }
  if (areAllGlobal) scan.outcome = ADMINISTRATION;
}

/** The variable is the current token. Returns whether this was no assignment but another form of SET. */
function readVariable(scan: StatementScan, scope: Scope): boolean {
  const { lexer } = scan;
  if (lexer.token === NAME && lexer.word === TRANSACTION) {
    setTransaction(scan, scope);
    return true;
  }
  if (lexer.token === NAME && lexer.word === AUTHORIZATION) {
    scan.pins |= PIN_BITS['unknown-statement'];
    return true;
  }
  if (scope !== 'global' && lexer.word === AUTOCOMMIT) scan.outcome = SETS_AUTOCOMMIT;
  if (scope !== 'global' && ONE_SHOT.has(lexer.word)) scan.pins |= PIN_BITS['one-shot-variable'];
  if (scope === 'none' && CHARACTERISTICS.has(lexer.word)) scan.pins |= PIN_BITS['next-transaction'];
  return false;
}

function setTransaction(scan: StatementScan, scope: Scope): void {
  scan.outcome = scope === 'global' ? ADMINISTRATION : TRANSACTION_CONTROL;
  if (scope !== 'none') return;
  scan.pins |= PIN_BITS['next-transaction'];
  readNextTransaction(scan);
}

function goToNextAssignment(scan: StatementScan, depth: number): void {
  const { lexer } = scan;
  // The variable is written, not read.
  if (!scan.atEnd) lexer.next();
  while (!scan.atEnd && !(lexer.before === COMMA && lexer.depth === depth)) scan.take();
}
