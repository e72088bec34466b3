import * as finding from './finding.js';
import { NAME } from './lexer.js';
import { READ } from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { takeLockingRest } from './verb-other.js';
import { word, words } from './words.js';

/** Words before the one that says what is shown. */
const MODIFIERS: ReadonlySet<number> = new Set(words('ALL EXTENDED FULL GLOBAL LOCAL SESSION STORAGE'));
const CREATE = word('CREATE');
const COUNT = word('COUNT');
const STATUS = word('STATUS');
const EVENT = word('EVENT');
const WHERE = word('WHERE');
const TABLES_AND_ROUTINES: ReadonlySet<number> = new Set(words('FUNCTION LIBRARY PACKAGE PROCEDURE TABLE'));

/** Any replica shows the same. */
const ALIKE: ReadonlySet<number> = new Set(
  words(`AUTHORS CHARACTER CHARSET COLLATION COLUMNS CONTRIBUTORS DATABASES ENGINES FIELDS GRANTS INDEX INDEXES KEYS LOCALES
    PRIVILEGES SCHEMAS TABLES TRIGGERS`),
);
/** About the session's statement before, or its statements on that connection. */
const DIAGNOSTICS: ReadonlySet<number> = new Set(words('ERRORS PROFILE PROFILES WARNINGS'));
// All others are about one server: processes, status, variables, logs, replication; or events, which replicas hold disabled.

export function readShow(scan: StatementScan): void {
  const { lexer } = scan;
  scan.outcome = READ;
  do scan.take();
  while (lexer.token === NAME && MODIFIERS.has(lexer.word));
  scan.found |= shownFinding(scan);
  // A condition can call functions and read variables; what stands before it are names and account names.
  while (!scan.atEnd && !(lexer.keyword && lexer.word === WHERE)) lexer.next();
  takeLockingRest(scan);
}

function shownFinding(scan: StatementScan): number {
  const { lexer } = scan;
  if (scan.atEnd) return finding.IS_SERVER_SPECIFIC;
  const shown = lexer.token === NAME ? lexer.word : 0;
  if (shown === COUNT || DIAGNOSTICS.has(shown)) return finding.READS_DIAGNOSTICS;
  if (ALIKE.has(shown)) return 0;
  lexer.next();
  if (shown === CREATE) return lexer.word === EVENT ? finding.IS_SERVER_SPECIFIC : 0;
  return TABLES_AND_ROUTINES.has(shown) && lexer.word === STATUS ? 0 : finding.IS_SERVER_SPECIFIC;
}
