import { NAME_BYTE } from './byte-class.js';
import * as finding from './finding.js';
import { MAX_WORDS, word, words } from './words.js';

/** System variables that one cannot read on any server alike. All others are carried along with the session. */
const VARIABLES: ReadonlyArray<readonly [finding: number, names: string]> = [
  [finding.READS_LAST_INSERT_ID, 'IDENTITY LAST_INSERT_ID'],
  [finding.READS_DIAGNOSTICS, 'ERROR_COUNT LAST_GTID WARNING_COUNT'],
  [finding.READS_CONNECTION_ID, 'PSEUDO_THREAD_ID'],
  [
    finding.IS_SERVER_SPECIFIC,
    `GTID_BINLOG_POS GTID_BINLOG_STATE GTID_CURRENT_POS GTID_EXECUTED GTID_OWNED GTID_PURGED GTID_SLAVE_POS INNODB_READ_ONLY
     READ_ONLY SUPER_READ_ONLY`,
  ],
];

/** Tables of information_schema about one server, or about the session's statement before. INNODB_… are looked at by prefix. */
const INFORMATION_SCHEMA: ReadonlyArray<readonly [finding: number, names: string]> = [
  [finding.READS_DIAGNOSTICS, 'OPTIMIZER_TRACE PROFILING'],
  [
    finding.IS_SERVER_SPECIFIC,
    `ALL_PLUGINS CLIENT_STATISTICS CONNECTION_CONTROL_FAILED_LOGIN_ATTEMPTS EVENTS FEEDBACK FILES GLOBAL_STATUS GLOBAL_VARIABLES
     INDEX_STATISTICS KEY_CACHES METADATA_LOCK_INFO MYSQL_FIREWALL_USERS MYSQL_FIREWALL_WHITELIST PLUGINS PROCESSLIST
     QUERY_CACHE_INFO QUERY_RESPONSE_TIME SESSION_STATUS SLAVE_STATUS SYSTEM_VARIABLES TABLE_STATISTICS THREAD_POOL_GROUPS
     THREAD_POOL_QUEUES THREAD_POOL_STATS THREAD_POOL_WAITS TP_THREAD_GROUP_STATE TP_THREAD_GROUP_STATS TP_THREAD_STATE
     USER_STATISTICS USER_VARIABLES WSREP_MEMBERSHIP WSREP_STATUS`,
  ],
];

/** Tables of the schema mysql that are not replicated. */
const MYSQL_SCHEMA = `
  COLUMN_STATS EVENT GENERAL_LOG GTID_EXECUTED GTID_SLAVE_POS INDEX_STATS INNODB_INDEX_STATS INNODB_TABLE_STATS
  NDB_BINLOG_INDEX REPLICATION_ASYNCHRONOUS_CONNECTION_FAILOVER REPLICATION_ASYNCHRONOUS_CONNECTION_FAILOVER_MANAGED
  REPLICATION_GROUP_CONFIGURATION_VERSION REPLICATION_GROUP_MEMBER_ACTIONS SLAVE_MASTER_INFO SLAVE_RELAY_LOG_INFO
  SLAVE_WORKER_INFO SLOW_LOG TABLE_STATS TRANSACTION_REGISTRY
`;

const PERFORMANCE_SCHEMA = word('PERFORMANCE_SCHEMA');
const SYS = word('SYS');
const INFORMATION = word('INFORMATION_SCHEMA');
const MYSQL = word('MYSQL');
const INNODB_PREFIX = 'INNODB_';

function table(entries: ReadonlyArray<readonly [finding: number, names: string]>): Int32Array {
  const found = new Int32Array(MAX_WORDS);
  for (const [bit, names] of entries) for (const id of words(names)) found[id] = bit;
  return found;
}

const variables = table(VARIABLES);
const informationSchema = table(INFORMATION_SCHEMA);
const mysqlSchema = table([[finding.IS_SERVER_SPECIFIC, MYSQL_SCHEMA]]);

/** What reading `@@name` is found to be; 0 for most. */
export function variableFinding(name: number): number {
  return variables[name] ?? 0;
}

/**
 * What `schema.table` is found to be; 0 for most.
 * @param schema its number in the table of words
 * @param name that of the table
 */
export function tableFinding(schema: number, name: number, sql: Uint8Array, start: number, stop: number): number {
  switch (schema) {
    case PERFORMANCE_SCHEMA:
    case SYS:
      return finding.IS_SERVER_SPECIFIC;
    case MYSQL:
      return mysqlSchema[name] ?? 0;
    case INFORMATION:
      return startsWithInnodb(sql, start, stop) ? finding.IS_SERVER_SPECIFIC : (informationSchema[name] ?? 0);
    default:
      return 0;
  }
}

function startsWithInnodb(sql: Uint8Array, start: number, stop: number): boolean {
  if (stop - start < INNODB_PREFIX.length) return false;
  for (let i = 0; i < INNODB_PREFIX.length; i += 1) {
    if (NAME_BYTE[sql[start + i] ?? 0] !== INNODB_PREFIX.charCodeAt(i)) return false;
  }
  return true;
}
