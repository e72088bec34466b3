import type { Command } from '../failover/task.js';
import type { GtidSet } from '../topology/gtid-set.js';
import {
  quoted,
  type FailoverStatements,
  type HaStatement,
  type ReplicationAccount,
  type Told,
} from './failover-statements.js';
import { textIn } from './failover-look.js';
import { journalRow, MAKE_JOURNAL } from './journal.js';
import { mariadbGtids, mariadbPosition } from './mariadb-gtids.js';

/** MariaDB from 10.6 on. Source: its documentation, "CHANGE MASTER TO", "Global Transaction ID" and "Semisynchronous Replication". */
export const MARIADB_FAILOVER: FailoverStatements = {
  of: (command, { replication }) => statementsOf(command, replication),
  positionOf: (told) => ({ executed: executedIn(told), received: mariadbGtids(told['Gtid_IO_Pos']) }),
  makeJournal: MAKE_JOURNAL,
  askAccount: 'SHOW SLAVE STATUS',
  // The password it tells nobody: it has to be named.
  accountOf: (row) => ({
    user: textIn(row, 'Master_User'),
    password: '',
    tls: textIn(row, 'Master_SSL_Allowed') === 'Yes',
  }),
  lacksClone: 'from a backup, by mariabackup: MariaDB has no CLONE',
};

function statementsOf(command: Command, account: ReplicationAccount | undefined): readonly HaStatement[] {
  switch (command.kind) {
    case 'stop-receiving':
      return STOP_RECEIVING;
    case 'start-receiving':
      return [{ sql: 'START SLAVE IO_THREAD' }];
    case 'read-position':
      return [{ sql: 'SHOW SLAVE STATUS' }, { sql: EXECUTED }];
    case 'stop-replica':
      return [{ sql: 'STOP SLAVE' }];
    case 'start-replica':
      return [{ sql: 'START SLAVE' }];
    case 'forget-source':
      return [{ sql: 'RESET SLAVE ALL' }];
    case 'follow':
      return follow(command, account);
    case 'wait-executed':
      return awaitExecuted(command.gtids, command.timeoutMs);
    case 'assert-executed':
      return [{ sql: EXECUTED, holds: (row) => executedIn(row).contains(command.gtids) }];
    case 'assert-nothing-else':
      return [{ sql: EXECUTED, holds: (row) => command.gtids.contains(executedIn(row)) }];
    case 'semi-sync-source': {
      const on = `SET GLOBAL rpl_semi_sync_master_enabled = ${command.on ? 'ON' : 'OFF'}`;
      if (!command.on) return [{ sql: on }];
      // With any other of these it would go on unacknowledged one day. It knows of one acknowledgement only, never of more.
      const lossless =
        'SET GLOBAL rpl_semi_sync_master_timeout = 4294967295, GLOBAL rpl_semi_sync_master_wait_no_slave = ON, ' +
        "GLOBAL rpl_semi_sync_master_wait_point = 'AFTER_SYNC'";
      return [{ sql: lossless }, { sql: on }];
    }
    case 'semi-sync-replica':
      return [{ sql: `SET GLOBAL rpl_semi_sync_slave_enabled = ${command.on ? 'ON' : 'OFF'}` }];
    case 'close-for-writes':
      return close(command.waitS);
    case 'end-transactions':
      return [{ sql: CLIENTS_AT_WORK, endsClients: true }];
    case 'rotate-log':
      return [{ sql: 'FLUSH NO_WRITE_TO_BINLOG BINARY LOGS' }];
    case 'open-for-writes':
      return [{ sql: 'SET GLOBAL read_only = OFF' }];
    case 'persist-closed':
      // It has no SET PERSIST: its option file has to say read_only=1.
      return [];
    case 'offline':
      return command.on ? offline() : [];
    case 'clone':
      throw new Error(MARIADB_FAILOVER.lacksClone);
    case 'journal':
      return [journalRow(command)];
  }
}

const OFFLINE_WAIT_S = 1;

/**
 * It has no offline_mode: what runs for each new client refuses it meanwhile. It is closed before anything lets go of what hangs. Of transactions
 * that are committed together one session waits for all acknowledgements: when it is ended the others are told that theirs are written, unless they
 * were ended before.
 */
function offline(): HaStatement[] {
  const others: HaStatement = { sql: `${CLIENTS} AND COALESCE(state, '') <> '${WAITS}'`, endsClients: true };
  const all: HaStatement = { sql: `${CLIENTS} ORDER BY COALESCE(state, '') = '${WAITS}'`, endsClients: true };
  return [
    { sql: 'SELECT @@global.init_connect AS greeting' },
    { sql: `SET GLOBAL init_connect = ${quoted(REFUSAL)}` },
    others,
    others,
    all,
    ...close(OFFLINE_WAIT_S),
    all,
    // Where it failed before this, it is done again, and an operator's own is not known any more.
    {
      sql: (told) =>
        `SET GLOBAL init_connect = ${quoted(told['greeting'] === REFUSAL ? '' : textIn(told, 'greeting'))}`,
    },
  ];
}

const REFUSAL = "SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'this server is the primary no more'";

const KILL_RECEIVER: HaStatement = {
  sql: "SELECT id FROM information_schema.processlist WHERE command = 'Slave_IO'",
  endsClients: true,
};

/**
 * A semi-synchronous receiver that is told to stop says goodbye to its source first, and waits a second or more for one that is frozen. One whose
 * thread is killed does not, at the second time at the latest; the wait is for where that does not help either.
 */
const STOP_RECEIVING: readonly HaStatement[] = [
  { sql: 'SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout = 1' },
  KILL_RECEIVER,
  { sql: 'DO SLEEP(0.02)' },
  KILL_RECEIVER,
  { sql: 'STOP SLAVE IO_THREAD' },
];

/** What it has of each server; and what it had from a backup, before its own binary log begins. */
const EXECUTED = 'SELECT @@global.gtid_binlog_state AS executed, @@global.gtid_slave_pos AS applied';

function executedIn({ executed, applied }: Told): GtidSet {
  return mariadbGtids(executed, applied);
}

/** It succeeds when the applier is there: in a domain who has one has all before it. */
function awaitExecuted(gtids: GtidSet, timeoutMs: number): HaStatement[] {
  const position = mariadbPosition(gtids);
  if (position === '') return [];
  const sql = `SELECT MASTER_GTID_WAIT('${position}', ${timeoutMs / 1000}) = 0 AS ok`;
  return [{ sql, holds: ({ ok }) => Number(ok) === 1 }];
}

/** Users with READ ONLY ADMIN, or SUPER, write all the same: it has no super_read_only. */
function close(waitS: number): HaStatement[] {
  return [{ sql: `SET SESSION lock_wait_timeout = ${waitS}` }, { sql: 'SET GLOBAL read_only = ON' }];
}

/** What replicates, and what looks after all this, is not among them. */
const CLIENTS =
  'SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() ' +
  "AND user NOT IN ('system user', 'event_scheduler', SUBSTRING_INDEX(CURRENT_USER(), '@', 1)) AND command NOT LIKE 'Binlog Dump%'";
const WAITS = 'Waiting for semi-sync ACK from slave';
/** In a transaction, or at work on a statement. */
const CLIENTS_AT_WORK = `${CLIENTS} AND (command <> 'Sleep' OR id IN (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx))`;

/** A replica tries again each second; its source shows five times a second that it is there. */
const PATIENCE = 'MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 0.2';
const APPLY_S = 1;

/**
 * It takes no change of source before both its threads stand still, and then gets everything anew from where its applier was. Whom it is to
 * follow has all that it has; yet while it may still apply what it has received, that is waited for.
 */
function follow(
  { host, port, anew }: Extract<Command, { kind: 'follow' }>,
  account: ReplicationAccount | undefined,
): readonly HaStatement[] {
  const where = `MASTER_HOST = ${quoted(host)}, MASTER_PORT = ${port}`;
  if (!anew) {
    return [
      ...STOP_RECEIVING,
      { sql: 'SHOW SLAVE STATUS' },
      { sql: (told) => `SELECT MASTER_GTID_WAIT(${quoted(textIn(told, 'Gtid_IO_Pos'))}, ${APPLY_S})` },
      { sql: 'STOP SLAVE' },
      { sql: `CHANGE MASTER TO ${where}, ${PATIENCE}` },
      { sql: 'START SLAVE' },
    ];
  }
  if (account === undefined || account.password === '') {
    throw new Error(
      'a replica of MariaDB does not tell with which account it replicates: name one as failover.replication_user',
    );
  }
  const { user, password, tls } = account;
  return [
    { sql: 'STOP SLAVE' },
    // What it wrote itself is not in there, and would come again.
    { sql: 'SET GLOBAL gtid_slave_pos = @@global.gtid_current_pos' },
    {
      sql:
        `CHANGE MASTER TO ${where}, MASTER_USER = ${quoted(user)}, MASTER_PASSWORD = ${quoted(password)}, ` +
        `MASTER_SSL = ${tls ? 1 : 0}, ${PATIENCE}`,
    },
    { sql: 'START SLAVE' },
  ];
}
