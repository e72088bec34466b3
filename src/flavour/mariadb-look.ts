import { textIn, type FailoverLook } from './failover-look.js';
import { mariadbGtids } from './mariadb-gtids.js';

/** MariaDB from 10.5 on. Source: its documentation, "SHOW REPLICA STATUS" and "Semisynchronous Replication". */
export const MARIADB_LOOK: FailoverLook = {
  askNode:
    // As the monitor calls it: see `mariadb.ts`.
    "SELECT CONCAT(@@global.server_id, '@', @@hostname, ':', @@port) AS uuid, @@version AS version, " +
    '@@global.read_only AS readOnly, @@global.gtid_binlog_state AS executed, @@global.gtid_slave_pos AS applied, ' +
    '@@global.log_bin AND @@global.log_slave_updates AND @@global.gtid_strict_mode AS canBeSource, ' +
    "(SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME') AS uptime, " +
    "(SELECT GLOBAL_VALUE_ORIGIN FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'READ_ONLY') AS closedBy",
  nodeOf: (row) => ({
    serverUuid: String(row['uuid']),
    version: String(row['version']),
    readOnly: Number(row['readOnly']) === 1,
    offline: false,
    executed: mariadbGtids(row['executed'], row['applied']),
    // With a backup comes what its origin had applied when it was a replica, which this server may have made; but no binary log.
    logged: mariadbGtids(row['executed']),
    canBeSource: Number(row['canBeSource']) === 1,
    uptimeS: Number(row['uptime']),
    isAsStarted: row['closedBy'] !== 'SQL',
    // It is in there from when it is written to the binary log, and waits for its acknowledgement after that.
    countsUnacknowledged: true,
  }),
  askSemiSync:
    'SELECT @@global.rpl_semi_sync_master_enabled AS enabled, @@global.rpl_semi_sync_master_wait_point AS point, ' +
    '@@global.rpl_semi_sync_master_wait_no_slave AS without, @@global.rpl_semi_sync_master_timeout AS timeout, ' +
    '@@global.rpl_semi_sync_slave_enabled AS replica',
  askSemiSyncStatus: "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_%'",
  semiSyncOf: (row, status) => ({
    sourceEnabled: Number(row['enabled']) === 1,
    sourceActive: status.get('Rpl_semi_sync_master_status') === 'ON',
    waitsAfterSync: row['point'] === 'AFTER_SYNC',
    waitsWithoutReplicas: Number(row['without']) === 1,
    timeoutMs: Number(row['timeout']),
    acknowledgements: 1,
    clients: Number(status.get('Rpl_semi_sync_master_clients') ?? 0),
    waiting: Number(status.get('Rpl_semi_sync_master_wait_sessions') ?? 0),
    replicaEnabled: Number(row['replica']) === 1,
  }),
  askReplica: 'SHOW ALL SLAVES STATUS',
  askReceiver: undefined,
  replicaOf: (rows) => {
    const row = rows.find((it) => textIn(it, 'Connection_name') === '');
    if (row === undefined) return undefined;
    const running = textIn(row, 'Slave_IO_Running');
    const hasGtids = textIn(row, 'Using_Gtid') !== 'No';
    const told = (column: string): string => textIn(row, column);
    return {
      // When something came last it does not tell, but how many heartbeats came.
      place: `${told('Master_Log_File')}:${told('Read_Master_Log_Pos')}:${told('Slave_received_heartbeats')}`,
      quietMs: undefined,
      sourceHost: told('Master_Host'),
      sourcePort: Number(told('Master_Port')),
      // It knows its source by the address alone.
      sourceUuid: '',
      received: mariadbGtids(row['Gtid_IO_Pos']),
      receiver: running === 'Yes' ? 'on' : running === 'No' ? 'off' : 'connecting',
      receiverErrno: Number(told('Last_IO_Errno')),
      heartbeatMs: Number(told('Slave_heartbeat_period')) * 1000,
      applies: hasGtids && told('Slave_SQL_Running') === 'Yes',
      applierError: hasGtids ? told('Last_SQL_Error') : 'it does not replicate by GTID (MASTER_USE_GTID = slave_pos)',
      delayS: Number(told('SQL_Delay')),
    };
  },
};
