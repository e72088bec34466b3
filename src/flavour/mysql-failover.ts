import type { Command } from '../failover/task.js';
import {
  quoted,
  type FailoverStatements,
  type HaAccounts,
  type HaStatement,
  type ReplicationAccount,
  type Told,
} from './failover-statements.js';
import { textIn } from './failover-look.js';
import { journalRow, MAKE_JOURNAL } from './journal.js';
import { mysqlGtids } from './mysql-look.js';

/** MySQL from 8.0.26 on. Source: its manual, "Replication Statements" and "Semisynchronous Replication". */
export const MYSQL_FAILOVER: FailoverStatements = {
  of: (command, accounts) => statementsOf(command, accounts),
  positionOf: ({ executed, received }) => ({ executed: mysqlGtids(executed), received: mysqlGtids(received ?? '') }),
  makeJournal: MAKE_JOURNAL,
  askAccount:
    "SELECT User_name AS user, User_password AS password, Enabled_ssl AS tls FROM mysql.slave_master_info WHERE Channel_name = ''",
  accountOf: (row) => ({
    user: textIn(row, 'user'),
    password: textIn(row, 'password'),
    tls: Number(row['tls']) === 1,
  }),
  lacksClone: undefined,
};

const isOk = ({ ok }: Told): boolean => Number(ok) === 1;

function statementsOf(command: Command, accounts: HaAccounts): readonly HaStatement[] {
  switch (command.kind) {
    case 'stop-receiving':
      return [{ sql: 'STOP REPLICA IO_THREAD' }];
    case 'start-receiving':
      return [{ sql: 'START REPLICA IO_THREAD' }];
    case 'read-position':
      return [{ sql: READ_POSITION }];
    case 'stop-replica':
      return [{ sql: 'STOP REPLICA' }];
    case 'start-replica':
      return [{ sql: 'START REPLICA' }];
    case 'forget-source':
      return [{ sql: 'RESET REPLICA ALL' }];
    case 'follow':
      return follow(command, accounts.replication);
    case 'wait-executed':
      return [
        {
          sql: `SELECT WAIT_FOR_EXECUTED_GTID_SET('${command.gtids.toString()}', ${command.timeoutMs / 1000}) = 0 AS ok`,
          holds: isOk,
        },
      ];
    case 'assert-executed':
      return [{ sql: `SELECT GTID_SUBSET('${command.gtids.toString()}', @@global.gtid_executed) AS ok`, holds: isOk }];
    case 'assert-nothing-else':
      return [{ sql: `SELECT GTID_SUBSET(@@global.gtid_executed, '${command.gtids.toString()}') AS ok`, holds: isOk }];
    case 'semi-sync-source': {
      const on = `SET GLOBAL rpl_semi_sync_source_enabled = ${command.on ? 'ON' : 'OFF'}`;
      if (!command.on) return [{ sql: on }];
      // With any other of these it would go on unacknowledged one day, and nothing would be certain any more.
      const lossless =
        'SET GLOBAL rpl_semi_sync_source_timeout = 4294967295, GLOBAL rpl_semi_sync_source_wait_no_replica = ON, ' +
        `GLOBAL rpl_semi_sync_source_wait_point = AFTER_SYNC, GLOBAL rpl_semi_sync_source_wait_for_replica_count = ${command.acknowledgements}`;
      return [{ sql: lossless }, { sql: on }];
    }
    case 'semi-sync-replica':
      return [{ sql: `SET GLOBAL rpl_semi_sync_replica_enabled = ${command.on ? 'ON' : 'OFF'}` }];
    case 'close-for-writes':
      return [{ sql: `SET SESSION lock_wait_timeout = ${command.waitS}` }, { sql: 'SET GLOBAL super_read_only = ON' }];
    case 'end-transactions':
      return [{ sql: CLIENTS_AT_WORK, endsClients: true }];
    case 'rotate-log':
      return [{ sql: 'FLUSH NO_WRITE_TO_BINLOG BINARY LOGS' }];
    case 'open-for-writes':
      return [{ sql: 'SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF' }];
    case 'persist-closed':
      return [{ sql: 'SET PERSIST super_read_only = ON' }];
    case 'offline':
      return [{ sql: `SET GLOBAL offline_mode = ${command.on ? 'ON' : 'OFF'}` }];
    case 'clone': {
      const { host, port } = command;
      const { user, password } = accounts.own;
      return [
        { sql: `SET GLOBAL clone_valid_donor_list = ${quoted(`${host}:${port}`)}` },
        // It refuses to be replaced while it is read-only. Clients stay out: it is offline, or takes this command only.
        { sql: 'SET GLOBAL super_read_only = OFF' },
        { sql: `CLONE INSTANCE FROM ${quoted(user)}@${quoted(host)}:${port} IDENTIFIED BY ${quoted(password)}` },
      ];
    }
    case 'journal':
      return [journalRow(command)];
  }
}

/** What it has received since it follows its source, and what it has executed. One row: GROUP_CONCAT() would cut off a long set. */
const READ_POSITION =
  'SELECT @@global.gtid_executed AS executed, ' +
  "(SELECT RECEIVED_TRANSACTION_SET FROM performance_schema.replication_connection_status WHERE CHANNEL_NAME = '') AS received";

/** A replica tries again each second, for a day; its source shows five times a second that it is there. */
const PATIENCE = 'SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400, SOURCE_HEARTBEAT_PERIOD = 0.2';

/** In a transaction, or at work on a statement. What replicates, and what looks after all this, is not among them. */
const CLIENTS_AT_WORK =
  'SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() ' +
  "AND user NOT IN ('system user', 'event_scheduler', SUBSTRING_INDEX(CURRENT_USER(), '@', 1)) AND command NOT LIKE 'Binlog Dump%' " +
  "AND (command <> 'Sleep' OR id IN (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx))";

/**
 * While its applier runs, a change of source without a new position keeps the relay log. Only a node that has no relay log of its own gets everything
 * anew.
 */
function follow(
  { host, port, anew }: Extract<Command, { kind: 'follow' }>,
  account: ReplicationAccount | undefined,
): readonly HaStatement[] {
  const where = `SOURCE_HOST = ${quoted(host)}, SOURCE_PORT = ${port}`;
  if (!anew) {
    return [
      { sql: 'STOP REPLICA IO_THREAD' },
      // Where it is not named the heartbeat goes back to half of replica_net_timeout, and a frozen source is noticed in a minute.
      { sql: `CHANGE REPLICATION SOURCE TO ${where}, ${PATIENCE}` },
      { sql: 'START REPLICA IO_THREAD' },
    ];
  }
  if (account === undefined) {
    throw new Error(
      'no replica tells with which account it replicates: name one as failover.replication_user, or grant ' +
        'SELECT ON mysql.slave_master_info to the user of the failover',
    );
  }
  const secure = account.tls ? 'SOURCE_SSL = 1' : 'GET_SOURCE_PUBLIC_KEY = 1';
  return [
    { sql: 'STOP REPLICA' },
    {
      sql:
        `CHANGE REPLICATION SOURCE TO ${where}, SOURCE_USER = ${quoted(account.user)}, SOURCE_PASSWORD = ${quoted(account.password)}, ` +
        `SOURCE_AUTO_POSITION = 1, ${secure}, ${PATIENCE}`,
    },
    { sql: 'START REPLICA' },
  ];
}
