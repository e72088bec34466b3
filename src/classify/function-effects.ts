import {
  COMMON_FUNCTIONS,
  MARIADB_FUNCTIONS,
  MYSQL_9_FUNCTIONS,
  MYSQL_9_SYNTAX_WORDS,
  MYSQL_FUNCTIONS,
  SPACE_SENSITIVE_FUNCTIONS,
  SYNTAX_WORDS,
} from './builtin-functions.js';
import type { LexMode } from './classification.js';
import * as finding from './finding.js';
import { MAX_WORDS, words } from './words.js';

/** Built-in functions that are no plain reads, and what each one is found to be. */
const EFFECTS: ReadonlyArray<readonly [finding: number, names: string]> = [
  [finding.TAKES_NAMED_LOCK, 'GET_LOCK'],
  [finding.CALLS_LOCK_FUNCTION, 'IS_FREE_LOCK IS_USED_LOCK RELEASE_ALL_LOCKS RELEASE_LOCK'],
  [
    finding.TAKES_SERVICE_LOCK,
    'SERVICE_GET_READ_LOCKS SERVICE_GET_WRITE_LOCKS VERSION_TOKENS_LOCK_EXCLUSIVE VERSION_TOKENS_LOCK_SHARED',
  ],
  [
    finding.HAS_SIDE_EFFECT,
    `ASYNCHRONOUS_CONNECTION_FAILOVER_ADD_MANAGED ASYNCHRONOUS_CONNECTION_FAILOVER_ADD_SOURCE
     ASYNCHRONOUS_CONNECTION_FAILOVER_DELETE_MANAGED ASYNCHRONOUS_CONNECTION_FAILOVER_DELETE_SOURCE
     ASYNCHRONOUS_CONNECTION_FAILOVER_RESET GROUP_REPLICATION_DISABLE_MEMBER_ACTION GROUP_REPLICATION_ENABLE_MEMBER_ACTION
     GROUP_REPLICATION_RESET_MEMBER_ACTIONS GROUP_REPLICATION_SET_AS_PRIMARY GROUP_REPLICATION_SET_COMMUNICATION_PROTOCOL
     GROUP_REPLICATION_SET_WRITE_CONCURRENCY GROUP_REPLICATION_SWITCH_TO_MULTI_PRIMARY_MODE
     GROUP_REPLICATION_SWITCH_TO_SINGLE_PRIMARY_MODE LASTVAL MASTER_GTID_WAIT MASTER_POS_WAIT NEXTVAL SERVICE_RELEASE_LOCKS SETVAL
     SOURCE_POS_WAIT VERSION_TOKENS_DELETE VERSION_TOKENS_EDIT VERSION_TOKENS_SET VERSION_TOKENS_UNLOCK
     WAIT_FOR_EXECUTED_GTID_SET WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS`,
  ],
  [finding.READS_LAST_INSERT_ID, 'LAST_INSERT_ID'],
  [finding.READS_ROW_COUNT, 'ROW_COUNT'],
  [finding.READS_FOUND_ROWS, 'FOUND_ROWS'],
  [finding.READS_CONNECTION_ID, 'CONNECTION_ID PS_CURRENT_THREAD_ID'],
  [
    finding.IS_SERVER_SPECIFIC,
    `BINLOG_GTID_POS GROUP_REPLICATION_GET_COMMUNICATION_PROTOCOL GROUP_REPLICATION_GET_WRITE_CONCURRENCY LOAD_FILE PS_THREAD_ID
     VERSION_TOKENS_SHOW`,
  ],
];

/** Of these, MySQL has none: there they are stored functions. */
const MARIADB_EFFECTS = 'BINLOG_GTID_POS LASTVAL MASTER_GTID_WAIT NEXTVAL SETVAL';

const MYSQL = 1;
const MYSQL_9 = 2;
const MARIADB = 4;
const SYNTAX = 8;
const SPACE_SENSITIVE = 16;
const MYSQL_9_SINCE = 90000;

const effects = new Int32Array(MAX_WORDS);
const traits = new Uint8Array(MAX_WORDS);

function mark(names: string, trait: number): void {
  for (const id of words(names)) traits[id] = (traits[id] ?? 0) | trait;
}

mark(COMMON_FUNCTIONS, MYSQL | MARIADB);
mark(MYSQL_FUNCTIONS, MYSQL);
mark(MYSQL_9_FUNCTIONS, MYSQL_9);
mark(MYSQL_9_SYNTAX_WORDS, MYSQL_9);
mark(MARIADB_FUNCTIONS, MARIADB);
mark(MARIADB_EFFECTS, MARIADB);
mark(SYNTAX_WORDS, SYNTAX);
mark(SPACE_SENSITIVE_FUNCTIONS, SPACE_SENSITIVE);
for (const [found, names] of EFFECTS) for (const id of words(names)) effects[id] = found;

/** What a call of this word is found to be; 0 if it is a plain read or no built-in function at all. */
export function effectOf(word: number, mode: LexMode): number {
  const effect = effects[word] ?? 0;
  if (effect === 0 || mode.mariadb) return effect;
  return ((traits[word] ?? 0) & MARIADB) === 0 ? effect : 0;
}

/** Whether an unquoted word with a parenthesis after it is syntax or a function of the server's own. */
export function isBuiltIn(word: number, mode: LexMode, spaceBeforeParenthesis: boolean): boolean {
  const trait = traits[word] ?? 0;
  if ((trait & SPACE_SENSITIVE) !== 0 && spaceBeforeParenthesis && mode.ignoreSpace !== true) return false;
  if ((trait & SYNTAX) !== 0) return true;
  if (mode.mariadb) return (trait & MARIADB) !== 0;
  return (trait & MYSQL) !== 0 || ((trait & MYSQL_9) !== 0 && mode.serverVersion >= MYSQL_9_SINCE);
}
