import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { ReplicaFacts, ServerFacts } from '../../check/facts.js';
import type { SemiSyncState } from '../../failover/view.js';
import { wordsOf, type Words } from '../../failover/words.js';
import { textIn } from '../../flavour/failover-look.js';
import { isMariadb } from '../../flavour/flavour-of.js';
import type { MonitorConnection } from '../monitor-login.js';
import { replicasOf, sourceOf } from '../replica-status.js';
import type { Found } from '../../topology/observation.js';

const STATEMENT_MS = 5_000;

/** A server, and which others it knows of. */
export interface LookedAt {
  readonly server: ServerFacts;
  readonly others: readonly Found[];
}

/** Everything that is asked of a server. What the account may not see is not known. @throws where it does not answer */
export async function lookAtServer({ session, flavour }: MonitorConnection): Promise<LookedAt> {
  const variables = pairsOf(await ask(session, 'SHOW GLOBAL VARIABLES'), 'Variable_name', 'Value');
  const version = variables.get('version') ?? '';
  const make = isMariadb(version) ? 'mariadb' : 'mysql';
  const [status] = await askStatus(session);
  const source = status === undefined ? undefined : sourceOf(status);
  const replicas = await askIfTold(session, 'SHOW REPLICAS');
  const persisted = await askIfTold(session, 'SELECT * FROM performance_schema.persisted_variables');
  const dynamic = await askIfTold(session, DYNAMIC[make]);
  const attributes = await askIfTold(session, OWN_ATTRIBUTES);
  const counters = pairsOf(await ask(session, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%'"), 'Variable_name', 'Value');
  const replica = status === undefined ? undefined : replicaOf(status, (await askIfTold(session, HEARTBEAT))?.[0]);
  return {
    server: {
      make,
      version,
      // MariaDB has none.
      uuid: variables.get('server_uuid') ?? ['server_id', 'hostname', 'port'].map((it) => variables.get(it)).join(':'),
      variables,
      persisted: persisted && pairsOf(persisted, 'VARIABLE_NAME', 'VARIABLE_VALUE'),
      dynamic: dynamic && new Set(dynamic.map((it) => textIn(it, 'name'))),
      replica,
      semiSync: semiSyncOf(variables, counters, wordsOf(version)),
      hasClonePlugin: variables.has('clone_valid_donor_list'),
      trackerRefusal: await refusalOf(session, flavour.trackSession),
      tellsAttributes: Number(attributes?.[0]?.['found'] ?? 0) > 0,
    },
    others: [...replicasOf(replicas ?? []), ...(source === undefined || source.host === '' ? [] : [source])],
  };
}

/** What an account may do. */
export async function askGrants(session: Connection): Promise<string[]> {
  const rows = await ask(session, 'SHOW GRANTS');
  return rows.map((row) => String(Object.values(row)[0]));
}

const DYNAMIC = {
  mysql: "SELECT VARIABLE_NAME AS name FROM performance_schema.variables_info WHERE VARIABLE_SOURCE = 'DYNAMIC'",
  mariadb:
    "SELECT LOWER(VARIABLE_NAME) AS name FROM information_schema.SYSTEM_VARIABLES WHERE GLOBAL_VALUE_ORIGIN = 'SQL'",
};
const USES_GTIDS: ReadonlySet<string> = new Set(['Slave_Pos', 'Current_Pos']);
const HEARTBEAT =
  "SELECT HEARTBEAT_INTERVAL * 1000 AS ms FROM performance_schema.replication_connection_configuration WHERE CHANNEL_NAME = ''";
const OWN_ATTRIBUTES =
  'SELECT COUNT(*) AS found FROM performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID()';

async function ask(session: Connection, sql: string): Promise<RowDataPacket[]> {
  const [rows] = await session.query<RowDataPacket[]>({ sql, timeout: STATEMENT_MS });
  return rows;
}

/** @returns undefined where the server refuses: the account may not see it, or there is no such thing */
async function askIfTold(session: Connection, sql: string): Promise<RowDataPacket[] | undefined> {
  try {
    return await ask(session, sql);
  } catch (error) {
    if (isServersWord(error)) return undefined;
    throw error;
  }
}

async function askStatus(session: Connection): Promise<RowDataPacket[]> {
  // What MariaDB's tells of all connections has more than what it tells of one.
  const rows =
    (await askIfTold(session, 'SHOW ALL SLAVES STATUS')) ??
    (await askIfTold(session, 'SHOW REPLICA STATUS')) ??
    (await askIfTold(session, 'SHOW SLAVE STATUS'));
  // The channels of a group are the group's affair.
  return (rows ?? []).filter(
    (it) => !textIn(it, 'Channel_Name').startsWith('group_replication') && textIn(it, 'Connection_name') === '',
  );
}

async function refusalOf(session: Connection, sql: string): Promise<string | undefined> {
  try {
    await ask(session, sql);
    return undefined;
  } catch (error) {
    if (!isServersWord(error)) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

function isServersWord(error: unknown): boolean {
  return error instanceof Error && 'sqlState' in error;
}

function replicaOf(status: RowDataPacket, heartbeat: RowDataPacket | undefined): ReplicaFacts {
  const { host, port, uuid, receives, applies, error } = sourceOf(status);
  const seconds = textIn(status, 'Slave_heartbeat_period');
  const ms: unknown = seconds === '' ? heartbeat?.['ms'] : Number(seconds) * 1_000;
  return {
    source: `${host}:${port}`,
    sourceUuid: uuid,
    receives,
    applies,
    error,
    autoPosition: textIn(status, 'Auto_Position') === '1' || USES_GTIDS.has(textIn(status, 'Using_Gtid')),
    retryCount: Number(textIn(status, 'Source_Retry_Count') || 86_400),
    heartbeatMs: ms === undefined || ms === null ? undefined : Number(ms),
  };
}

function semiSyncOf(
  variables: ReadonlyMap<string, string>,
  counters: ReadonlyMap<string, string>,
  { semiSyncSource, semiSyncReplica, replica }: Words,
): SemiSyncState | undefined {
  const source = (name: string): string | undefined => variables.get(`${semiSyncSource}_${name}`);
  const replicaEnabled = variables.get(`${semiSyncReplica}_enabled`);
  const counter = (name: string): string | undefined => counters.get(`${semiSyncSource.replace('rpl', 'Rpl')}_${name}`);
  if (source('enabled') === undefined || replicaEnabled === undefined) return undefined;
  return {
    sourceEnabled: source('enabled') === 'ON',
    sourceActive: counter('status') === 'ON',
    waitsAfterSync: source('wait_point') === 'AFTER_SYNC',
    waitsWithoutReplicas: source(`wait_no_${replica}`) === 'ON',
    timeoutMs: Number(source('timeout')),
    // MariaDB waits for one.
    acknowledgements: Number(source(`wait_for_${replica}_count`) ?? 1),
    clients: Number(counter('clients') ?? 0),
    waiting: Number(counter('wait_sessions') ?? 0),
    replicaEnabled: replicaEnabled === 'ON',
  };
}

function pairsOf(rows: readonly RowDataPacket[], name: string, value: string): ReadonlyMap<string, string> {
  return new Map(rows.map((row) => [textIn(row, name), textIn(row, value)]));
}
