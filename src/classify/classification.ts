import type { Consistency } from '../session/consistency.js';

/** Where a statement runs. `last` is the connection that ran the session's previous statement. */
export type Target = 'primary' | 'replica' | 'last';

/**
 * Why a statement was given its target. The same word stands in logs, metrics, `rwsplit explain` and the docs.
 * Reasons that end in the target `replica` are named first.
 */
export type ClassReason =
  // to a replica
  | 'read'
  | 'hint-replica'
  // to the previous statement's connection
  | 'diagnostics' // SHOW WARNINGS, SHOW ERRORS, GET DIAGNOSTICS, @@warning_count, @@error_count
  | 'last-insert-id' // LAST_INSERT_ID(), @@identity, @@last_insert_id
  | 'row-count' // ROW_COUNT()
  | 'found-rows' // FOUND_ROWS()
  // to the primary
  | 'write'
  | 'ddl'
  | 'locking-read' // FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE
  | 'select-into'
  | 'transaction-control' // BEGIN, COMMIT, SAVEPOINT, XA, SET TRANSACTION, LOCK TABLES …
  | 'read-only-transaction' // START TRANSACTION READ ONLY: the whole transaction runs on one replica
  | 'session-state' // SET, USE, PREPARE, HANDLER: what it changes lives on the session's own connection
  | 'user-variable' // reads or assigns @v
  | 'lock-function' // GET_LOCK and its family
  | 'connection-id'
  | 'stored-function' // a call of something that is not one of MySQL's own functions
  | 'side-effect-function' // SLEEP is none; MASTER_POS_WAIT, NEXTVAL, service locks … are
  | 'procedure-call'
  | 'text-prepared-statement'
  | 'multi-statement'
  | 'server-specific' // answers about one server: SHOW PROCESSLIST, SHOW BINARY LOGS, performance_schema
  | 'administration' // FLUSH, KILL, ANALYZE TABLE, account statements …
  | 'explain-of-write'
  | 'explain-analyze'
  | 'temporary-table'
  | 'hint-primary'
  | 'hint-node'
  | 'rule' // a rule of the configuration
  | 'unknown-statement'
  | 'unparsable';

/**
 * What a statement leaves behind on the connection that ran it, in a form that cannot be carried to another connection.
 * The session keeps that connection while such a reason holds (a *pin*).
 */
export type PinReason =
  | 'temporary-table'
  | 'table-lock' // LOCK TABLES, FLUSH TABLES WITH READ LOCK, FLUSH TABLES … FOR EXPORT
  | 'instance-lock' // LOCK INSTANCE FOR BACKUP
  | 'named-lock' // GET_LOCK, service locks
  | 'user-variable'
  | 'text-prepared-statement'
  | 'service-lock' // SERVICE_GET_READ_LOCKS and its like: RELEASE_ALL_LOCKS() does not end them
  | 'handler'
  | 'xa'
  | 'found-rows' // SQL_CALC_FOUND_ROWS
  | 'connection-id' // CONNECTION_ID(): what was made of it is to stay true, for a KILL too
  | 'stored-function' // may have left anything behind
  | 'next-transaction' // SET TRANSACTION: until the next transaction ended
  | 'one-shot-variable' // SET insert_id, timestamp, rand_seed …: cannot be read back and carried over
  | 'role' // SET ROLE
  | 'resource-group' // SET RESOURCE GROUP
  | 'unknown-statement';

/** What a statement does to transactions, where that decides about the server on which one is to run. */
export type TransactionPart =
  /** BEGIN, START TRANSACTION: as the session's own access mode says. */
  | 'opens'
  | 'opens-read-only'
  | 'opens-read-write'
  /** COMMIT, ROLLBACK, SAVEPOINT: belongs to the one that is open. */
  | 'within'
  /** SET autocommit: may end it, and then leaves its characteristics to the next one on that connection. */
  | 'sets-autocommit'
  /** SET TRANSACTION, for the next one only. */
  | 'next-read-only'
  | 'next-read-write'
  /** Its isolation level, and that is not SERIALIZABLE. */
  | 'next-isolation';

/** The class of one statement. Values are frozen and shared: nothing is allocated for a repeated statement. */
export interface Classification {
  readonly target: Target;
  readonly reason: ClassReason;
  /** What the statement may leave on its connection. Empty for nearly all. */
  readonly pins: readonly PinReason[];
  /** Pins that end when this statement succeeds: UNLOCK TABLES, RELEASE_ALL_LOCKS(), XA COMMIT, UNLOCK INSTANCE … */
  readonly unpins: readonly PinReason[];
  /** The text of what it calls is known, and leaves nothing on the connection that the server does not tell. */
  readonly leavesNothing?: true;
  /** The node that a `node=NAME` hint asks for. */
  readonly node?: string;
  readonly transaction?: TransactionPart;
  /** How fresh a `consistency=LEVEL` hint wants it. */
  readonly consistency?: Consistency;
  /** How far behind a `max_lag_ms=N` hint lets its replica be. */
  readonly maxLagMs?: number;
}

/** What of a session decides how its text is cut into tokens. */
export interface LexMode {
  /** sql_mode has ANSI_QUOTES: `"x"` is an identifier, not a string. */
  readonly ansiQuotes: boolean;
  /** sql_mode has NO_BACKSLASH_ESCAPES. */
  readonly noBackslashEscapes: boolean;
  /** sql_mode has IGNORE_SPACE: `COUNT (x)` is the built-in function, else it is a stored one. */
  readonly ignoreSpace?: boolean;
  /** `character_set_client` where a byte after the first of a character may be ASCII; `other` for all the rest. */
  readonly charset: 'other' | 'gbk' | 'sjis' | 'cp932' | 'big5' | 'gb18030';
  /** For executable comments: 90704 for 9.7.4, 101119 for MariaDB 10.11.19. */
  readonly serverVersion: number;
  readonly mariadb: boolean;
}
