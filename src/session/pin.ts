import type { PinReason } from '../classify/classification.js';

/** Why a session has to keep one primary connection for all its statements. */
export type Pin =
  | PinReason
  /** The client itself asked for session trackers: it gets what it asked for, and ours would disturb them. */
  | 'session-tracker'
  /** The server reported a change that no tracker names and no statement explains. */
  | 'unknown-state-change'
  /** MariaDB's sql_mode has ORACLE: statements are of another language, in which a column may be a sequence. Until it is taken back. */
  | 'oracle-mode'
  | 'long-data' // COM_STMT_SEND_LONG_DATA, until the statement ran
  | 'cursor' // until it is read to its end or closed
  | 'set-option' // COM_SET_OPTION
  | 'replication'; // COM_REGISTER_REPLICA, COM_BINLOG_DUMP: the server knows the connection as a replica's

/**
 * Why a session keeps its primary connection although its reads may go to a replica: something on it may be asked for later.
 */
export type Hold =
  | 'last-insert-id'
  /** Temporary tables whose names are known: what names none of them may run elsewhere. */
  | 'temporary-table'
  /** Variables that SET gave values: what reads none of them may run elsewhere. */
  | 'user-variable'
  /** A procedure or stored function may have left locks that no tracker reports. */
  | 'procedure-call'
  /** ROW_COUNT(), SHOW WARNINGS: until the next statement. */
  | 'previous-statement';
