import type { RowDataPacket } from 'mysql2/promise';
import { JOURNAL } from '../../flavour/mysql-failover.js';
import type { NodeState, ReplicaState, SemiSyncState } from '../../failover/view.js';
import { GtidSet } from '../../topology/gtid-set.js';
import { errnoOf } from '../probe-failure.js';
import type { HaSession } from './ha-session.js';

/** A primary that a node knows of. */
export interface JournalEntry {
  /** Of the leader that made it the primary. */
  readonly epoch: number;
  /** Which of that leader's changes it was. */
  readonly change: number;
  readonly serverUuid: string;
  readonly node: string;
}

/** What a node says of itself; what is known of it otherwise is not in here. */
export interface Looked extends Omit<
  NodeState,
  'name' | 'host' | 'port' | 'reach' | 'why' | 'seenAtMs' | 'preference'
> {
  /** Who has been the primary, the last one first. */
  readonly journal: readonly JournalEntry[];
  /** Since when the server runs, by its own clock: it changes with each start of it only. */
  readonly uptimeS: number;
  /** What its super_read_only is comes from its configuration: nobody has set it since it was started. */
  readonly isAsStarted: boolean;
}

const NODE =
  'SELECT @@server_uuid AS uuid, @@version AS version, @@global.read_only OR @@global.super_read_only AS readOnly, ' +
  '@@global.offline_mode AS offline, @@global.gtid_executed AS executed, ' +
  "@@global.log_bin AND @@global.log_replica_updates AND @@global.gtid_mode = 'ON' AS canBeSource, " +
  "(SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime') AS uptime, " +
  "(SELECT VARIABLE_SOURCE FROM performance_schema.variables_info WHERE VARIABLE_NAME = 'super_read_only') AS closedBy";
const SEMI_SYNC =
  'SELECT @@global.rpl_semi_sync_source_enabled AS enabled, @@global.rpl_semi_sync_source_wait_point AS point, ' +
  '@@global.rpl_semi_sync_source_wait_no_replica AS without, @@global.rpl_semi_sync_source_timeout AS timeout, ' +
  '@@global.rpl_semi_sync_source_wait_for_replica_count AS count, @@global.rpl_semi_sync_replica_enabled AS replica';
const SEMI_SYNC_STATUS = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_%'";
const REPLICA = "SHOW REPLICA STATUS FOR CHANNEL ''";
const RECEIVER =
  'SELECT TIMESTAMPDIFF(MICROSECOND, GREATEST(LAST_HEARTBEAT_TIMESTAMP, LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP, ' +
  'QUEUEING_TRANSACTION_START_QUEUE_TIMESTAMP), NOW(6)) / 1000 AS quietMs, HEARTBEAT_INTERVAL * 1000 AS heartbeatMs ' +
  'FROM performance_schema.replication_connection_status JOIN performance_schema.replication_connection_configuration ' +
  "USING (CHANNEL_NAME) WHERE CHANNEL_NAME = ''";
const PRIMARIES = `SELECT epoch, change_no, server_uuid AS uuid, node FROM ${JOURNAL} ORDER BY epoch DESC, change_no DESC LIMIT 100`;

const ER_UNKNOWN_SYSTEM_VARIABLE = 1193;
/** No such schema, or table; or the account may not see it. */
const NO_JOURNAL: ReadonlySet<number> = new Set([1044, 1049, 1142, 1146]);

/** Looks at one node, again and again. */
export class NodeLook {
  readonly #session: HaSession;
  readonly #nowMs: () => number;
  #hasSemiSync = true;
  /** How far its receiver had come, and since when. */
  #received: { readonly place: string; readonly sinceMs: number } | undefined;

  constructor(session: HaSession, nowMs: () => number) {
    this.#session = session;
    this.#nowMs = nowMs;
  }

  /** @throws why it does not answer */
  async look(timeoutMs: number): Promise<Looked> {
    if (!this.#session.isOpen) this.#hasSemiSync = true;
    const ask = async (sql: string): Promise<RowDataPacket[]> => this.#session.query(sql, timeoutMs);
    const [node] = await ask(NODE);
    if (node === undefined) throw new Error('it gave no answer to its variables');
    const semiSync = await this.#semiSync(ask);
    const [status] = await ask(REPLICA);
    const replica = status === undefined ? undefined : this.#replicaOf(status, (await ask(RECEIVER))[0]);
    return {
      serverUuid: String(node['uuid']),
      version: String(node['version']),
      readOnly: Number(node['readOnly']) === 1,
      offline: Number(node['offline']) === 1,
      executed: gtidsOf(node['executed']),
      canBeSource: Number(node['canBeSource']) === 1,
      uptimeS: Number(node['uptime']),
      isAsStarted: node['closedBy'] !== 'DYNAMIC',
      replica,
      semiSync,
      journal: await this.#journal(ask),
    };
  }

  async #semiSync(ask: (sql: string) => Promise<RowDataPacket[]>): Promise<SemiSyncState | undefined> {
    if (!this.#hasSemiSync) return undefined;
    try {
      const [row] = await ask(SEMI_SYNC);
      if (row === undefined) return undefined;
      const status = new Map((await ask(SEMI_SYNC_STATUS)).map((it) => [it['Variable_name'], String(it['Value'])]));
      return {
        sourceEnabled: Number(row['enabled']) === 1,
        sourceActive: status.get('Rpl_semi_sync_source_status') === 'ON',
        waitsAfterSync: row['point'] === 'AFTER_SYNC',
        waitsWithoutReplicas: Number(row['without']) === 1,
        timeoutMs: Number(row['timeout']),
        acknowledgements: Number(row['count']),
        clients: Number(status.get('Rpl_semi_sync_source_clients') ?? 0),
        waiting: Number(status.get('Rpl_semi_sync_source_wait_sessions') ?? 0),
        replicaEnabled: Number(row['replica']) === 1,
      };
    } catch (error) {
      if (errnoOf(error) !== ER_UNKNOWN_SYSTEM_VARIABLE) throw error;
      this.#hasSemiSync = false;
      return undefined;
    }
  }

  #replicaOf(status: RowDataPacket, receiver: RowDataPacket | undefined): ReplicaState {
    const text = (column: string): string => String(status[column] ?? '');
    const nowMs = this.#nowMs();
    // A long transaction comes without heartbeats, and is not queued before its end.
    const place = `${text('Source_Log_File')}:${text('Read_Source_Log_Pos')}`;
    if (this.#received?.place !== place) this.#received = { place, sinceMs: nowMs };
    const toldMs: unknown = receiver?.['quietMs'];
    const quietMs = toldMs === null || toldMs === undefined ? Infinity : Number(toldMs);
    const running = text('Replica_IO_Running');
    return {
      sourceHost: text('Source_Host'),
      sourcePort: Number(text('Source_Port')),
      sourceUuid: text('Source_UUID'),
      received: gtidsOf(status['Retrieved_Gtid_Set']),
      receiver: running === 'Yes' ? 'on' : running === 'Connecting' ? 'connecting' : 'off',
      receiverErrno: Number(text('Last_IO_Errno')),
      quietForMs: Math.min(quietMs, nowMs - this.#received.sinceMs),
      heartbeatMs: Number(receiver?.['heartbeatMs'] ?? 0),
      applies: text('Replica_SQL_Running') === 'Yes',
      applierError: text('Last_SQL_Error'),
      delayS: Number(text('SQL_Delay')),
    };
  }

  async #journal(ask: (sql: string) => Promise<RowDataPacket[]>): Promise<readonly JournalEntry[]> {
    try {
      const rows = await ask(PRIMARIES);
      return rows.map((it) => ({
        epoch: Number(it['epoch']),
        change: Number(it['change_no']),
        serverUuid: String(it['uuid']),
        node: String(it['node']),
      }));
    } catch (error) {
      if (!NO_JOURNAL.has(errnoOf(error) ?? 0)) throw error;
      return [];
    }
  }
}

/** @throws Error where it is no set of GTIDs: nothing may be decided by what cannot be read */
export function gtidsOf(value: unknown): GtidSet {
  const text = typeof value === 'string' ? value : '';
  const parsed = GtidSet.parse(text);
  if (parsed === undefined) throw new Error(`it tells of GTIDs that cannot be read: ${text}`);
  return parsed;
}
