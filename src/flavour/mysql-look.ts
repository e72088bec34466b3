import { GtidSet } from '../topology/gtid-set.js';
import { textIn, type FailoverLook } from './failover-look.js';

export const MYSQL_LOOK: FailoverLook = {
  askNode:
    'SELECT @@server_uuid AS uuid, @@version AS version, @@global.read_only OR @@global.super_read_only AS readOnly, ' +
    '@@global.offline_mode AS offline, @@global.gtid_executed AS executed, ' +
    "@@global.log_bin AND @@global.log_replica_updates AND @@global.gtid_mode = 'ON' AS canBeSource, " +
    '@@global.report_host AS reportHost, @@global.report_port AS reportPort, ' +
    "(SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime') AS uptime, " +
    "(SELECT VARIABLE_SOURCE FROM performance_schema.variables_info WHERE VARIABLE_NAME = 'super_read_only') AS closedBy",
  nodeOf: (row) => ({
    serverUuid: String(row['uuid']),
    version: String(row['version']),
    readOnly: Number(row['readOnly']) === 1,
    offline: Number(row['offline']) === 1,
    executed: mysqlGtids(row['executed']),
    canBeSource: Number(row['canBeSource']) === 1,
    reported:
      textIn(row, 'reportHost') === ''
        ? undefined
        : { host: textIn(row, 'reportHost'), port: Number(row['reportPort']) },
    uptimeS: Number(row['uptime']),
    isAsStarted: row['closedBy'] !== 'DYNAMIC',
    countsUnacknowledged: false,
  }),
  askSemiSync:
    'SELECT @@global.rpl_semi_sync_source_enabled AS enabled, @@global.rpl_semi_sync_source_wait_point AS point, ' +
    '@@global.rpl_semi_sync_source_wait_no_replica AS without, @@global.rpl_semi_sync_source_timeout AS timeout, ' +
    '@@global.rpl_semi_sync_source_wait_for_replica_count AS count, @@global.rpl_semi_sync_replica_enabled AS replica',
  askSemiSyncStatus: "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_%'",
  semiSyncOf: (row, status) => ({
    sourceEnabled: Number(row['enabled']) === 1,
    sourceActive: status.get('Rpl_semi_sync_source_status') === 'ON',
    waitsAfterSync: row['point'] === 'AFTER_SYNC',
    waitsWithoutReplicas: Number(row['without']) === 1,
    timeoutMs: Number(row['timeout']),
    acknowledgements: Number(row['count']),
    clients: Number(status.get('Rpl_semi_sync_source_clients') ?? 0),
    waiting: Number(status.get('Rpl_semi_sync_source_wait_sessions') ?? 0),
    replicaEnabled: Number(row['replica']) === 1,
  }),
  askReplica: "SHOW REPLICA STATUS FOR CHANNEL ''",
  askReceiver:
    'SELECT TIMESTAMPDIFF(MICROSECOND, GREATEST(LAST_HEARTBEAT_TIMESTAMP, LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP, ' +
    'QUEUEING_TRANSACTION_START_QUEUE_TIMESTAMP), NOW(6)) / 1000 AS quietMs, HEARTBEAT_INTERVAL * 1000 AS heartbeatMs ' +
    'FROM performance_schema.replication_connection_status JOIN performance_schema.replication_connection_configuration ' +
    "USING (CHANNEL_NAME) WHERE CHANNEL_NAME = ''",
  replicaOf: ([row], receiver) => {
    if (row === undefined) return undefined;
    const quietMs = receiver?.['quietMs'];
    const running = textIn(row, 'Replica_IO_Running');
    return {
      // A long transaction comes without heartbeats, and is not queued before its end.
      place: `${textIn(row, 'Source_Log_File')}:${textIn(row, 'Read_Source_Log_Pos')}`,
      quietMs: quietMs === null || quietMs === undefined ? undefined : Number(quietMs),
      sourceHost: textIn(row, 'Source_Host'),
      sourcePort: Number(textIn(row, 'Source_Port')),
      sourceUuid: textIn(row, 'Source_UUID'),
      received: mysqlGtids(row['Retrieved_Gtid_Set']),
      receiver: running === 'Yes' ? 'on' : running === 'Connecting' ? 'connecting' : 'off',
      receiverErrno: Number(textIn(row, 'Last_IO_Errno')),
      heartbeatMs: Number(receiver?.['heartbeatMs'] ?? 0),
      applies: textIn(row, 'Replica_SQL_Running') === 'Yes',
      applierError: textIn(row, 'Last_SQL_Error'),
      delayS: Number(textIn(row, 'SQL_Delay')),
    };
  },
};

/** @throws Error where it is no set of GTIDs: nothing may be decided by what cannot be read */
export function mysqlGtids(value: unknown): GtidSet {
  const text = typeof value === 'string' ? value : '';
  const parsed = GtidSet.parse(text);
  if (parsed === undefined) throw new Error(`it tells of GTIDs that cannot be read: ${text}`);
  return parsed;
}
