import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { Account } from './cluster.js';
import { waitUntil } from './wait-until.js';

const CAUGHT_UP_TIMEOUT_MS = 60_000;

export async function followSource(replica: Connection, sourcePort: number, account: Account): Promise<void> {
  await replica.query(
    `CHANGE REPLICATION SOURCE TO
       SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ?, SOURCE_USER = ?, SOURCE_PASSWORD = ?,
       SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1,
       SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400, SOURCE_HEARTBEAT_PERIOD = 0.2`,
    [sourcePort, account.user, account.password],
  );
  await replica.query('START REPLICA');
}

/** Waits until the replica's threads run and it has applied all that the primary has executed by now. */
export async function untilCaughtUp(
  name: string,
  replica: Connection,
  primary: Connection,
  signal?: AbortSignal,
): Promise<void> {
  const gtids = await executedGtids(primary);
  await waitUntil(
    `${name} catching up with its source`,
    CAUGHT_UP_TIMEOUT_MS,
    async () => {
      const trouble = await replicationTrouble(replica);
      if (trouble !== undefined) throw new Error(trouble);
      const [rows] = await replica.query<RowDataPacket[]>('SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed) AS hasAll', [
        gtids,
      ]);
      return rows[0]?.['hasAll'] === 1 ? true : undefined;
    },
    signal,
  );
}

async function executedGtids(connection: Connection): Promise<string> {
  const [rows] = await connection.query<RowDataPacket[]>('SELECT @@GLOBAL.gtid_executed AS gtids');
  return String(rows[0]?.['gtids']);
}

async function replicationTrouble(replica: Connection): Promise<string | undefined> {
  const [rows] = await replica.query<RowDataPacket[]>(
    `SELECT c.SERVICE_STATE AS receiver, c.LAST_ERROR_MESSAGE AS receiverError, a.SERVICE_STATE AS applier,
       (SELECT MAX(LAST_ERROR_MESSAGE) FROM performance_schema.replication_applier_status_by_worker) AS applierError
     FROM performance_schema.replication_connection_status c JOIN performance_schema.replication_applier_status a USING (CHANNEL_NAME)`,
  );
  const status = rows[0];
  if (status === undefined) return 'it is not a replica';
  if (status['receiver'] === 'ON' && status['applier'] === 'ON') return undefined;
  return `receiver ${status['receiver']} ${status['receiverError']}, applier ${status['applier']} ${status['applierError'] ?? ''}`;
}
