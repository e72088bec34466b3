import { readCreate, readDrop, readAlter, readRename } from './verb-ddl.js';
import { readAnalyze, readExplain } from './verb-explain.js';
import { readFlush, readLock, readUnlock } from './verb-lock.js';
import {
  readBackup,
  readCall,
  readDo,
  readExecute,
  readGet,
  readHandler,
  readLoad,
  readPrepare,
  readSelect,
} from './verb-other.js';
import { readSet } from './verb-set.js';
import { readShow } from './verb-show.js';
import { readBegin, readStart, readXa } from './verb-transaction.js';
import * as outcome from './outcome.js';
import { PIN_BITS, type Outcome } from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { MAX_WORDS, word, words } from './words.js';

/** Reads on from a statement's first word, which is the current token, as far as its kind depends on more words. */
type VerbReader = (scan: StatementScan) => void;

const READERS: Readonly<Record<string, VerbReader>> = {
  ALTER: readAlter,
  ANALYZE: readAnalyze,
  BACKUP: readBackup,
  BEGIN: readBegin,
  CALL: readCall,
  CREATE: readCreate,
  DESC: readExplain,
  DESCRIBE: readExplain,
  DO: readDo,
  DROP: readDrop,
  EXECUTE: readExecute,
  EXPLAIN: readExplain,
  FLUSH: readFlush,
  GET: readGet,
  HANDLER: readHandler,
  LOAD: readLoad,
  LOCK: readLock,
  PREPARE: readPrepare,
  RENAME: readRename,
  SELECT: readSelect,
  SET: readSet,
  SHOW: readShow,
  START: readStart,
  UNLOCK: readUnlock,
  XA: readXa,
};

/** First words that decide alone. */
const DECIDED: ReadonlyArray<readonly [outcome: Outcome, verbs: string]> = [
  [outcome.READ, 'CHECKSUM HELP TABLE VALUES WITH'],
  [outcome.WRITE, 'DELETE INSERT REPLACE UPDATE'],
  [outcome.DDL, 'IMPORT TRUNCATE'],
  [outcome.WITHIN_TRANSACTION, 'COMMIT RELEASE ROLLBACK SAVEPOINT'],
  [outcome.SESSION_STATE, 'RESIGNAL SIGNAL USE'],
  [outcome.TEXT_PREPARED_STATEMENT, 'DEALLOCATE'],
  [
    outcome.ADMINISTRATION,
    `BINLOG CACHE CHANGE CHECK CLONE GRANT INSTALL KILL OPTIMIZE PURGE REPAIR RESET RESTART REVOKE SHUTDOWN STOP UNINSTALL`,
  ],
];

const readers: Array<VerbReader | undefined> = Array.from({ length: MAX_WORDS });
for (const [verb, reader] of Object.entries(READERS)) readers[word(verb)] = reader;
for (const [decided, verbs] of DECIDED) {
  for (const verb of words(verbs)) {
    readers[verb] = (scan) => {
      scan.outcome = decided;
    };
  }
}

/** Reads the first words of the statement that begins with the current token. */
export function readVerb(scan: StatementScan): void {
  const { lexer } = scan;
  const reader = lexer.keyword ? readers[lexer.word] : undefined;
  if (reader === undefined) {
    scan.outcome = outcome.UNKNOWN_STATEMENT;
    scan.pins |= PIN_BITS['unknown-statement'];
    return;
  }
  reader(scan);
}
