import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { isMariadb } from '../../src/flavour/flavour-of.js';
import { mariadbGtids } from '../../src/flavour/mariadb-gtids.js';

/** What those who do faults ask servers of one make, and say to them. */
export interface FaultWords {
  /** A replica gets its transactions from this port of this machine from now on, by the same account. */
  readonly follow: (port: number) => readonly string[];
  readonly waitingForAcknowledgement: string;
  /** Connections that acknowledge. */
  readonly acknowledging: string;
  /** Transactions that a replica has received and not applied. */
  backlogOf(replica: Connection): Promise<number>;
}

export function wordsOf({ version }: Pick<Cluster, 'version'>): FaultWords {
  return isMariadb(version) ? MARIADB : MYSQL;
}

const MYSQL: FaultWords = {
  follow: (port) => [
    'STOP REPLICA IO_THREAD',
    // What is not named here would be as for a source that is a minute away.
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${port}, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400, SOURCE_HEARTBEAT_PERIOD = 0.2`,
    'START REPLICA IO_THREAD',
  ],
  waitingForAcknowledgement: "SHOW STATUS LIKE 'Rpl_semi_sync_source_wait_sessions'",
  acknowledging: "SHOW STATUS LIKE 'Rpl_semi_sync_source_clients'",
  /** Each has its number in a set of GTIDs. */
  backlogOf: async (replica) => {
    const [[row]] = await replica.query<RowDataPacket[]>(
      `SELECT GTID_SUBTRACT(RECEIVED_TRANSACTION_SET, @@global.gtid_executed) AS gtids
       FROM performance_schema.replication_connection_status WHERE CHANNEL_NAME = ''`,
    );
    const intervals = String(row?.['gtids'] ?? '').matchAll(/:(\d+)(?:-(\d+))?/g);
    return [...intervals].reduce((sum, [, from, to]) => sum + Number(to ?? from) - Number(from) + 1, 0);
  },
};

const MARIADB: FaultWords = {
  follow: (port) => [
    'STOP SLAVE',
    `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${port}, MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 0.2`,
    'START SLAVE',
  ],
  waitingForAcknowledgement: "SHOW STATUS LIKE 'Rpl_semi_sync_master_wait_sessions'",
  acknowledging: "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'",
  backlogOf: async (replica) => {
    const [[row]] = await replica.query<RowDataPacket[]>('SHOW SLAVE STATUS');
    const [[applied]] = await replica.query<RowDataPacket[]>('SELECT @@global.gtid_slave_pos AS gtids');
    const last = (gtids: unknown): number => {
      const set = mariadbGtids(gtids);
      return Math.max(0, ...[...set.sources()].map((source) => set.intervals(source).at(-1)?.last ?? 0));
    };
    return last(row?.['Gtid_IO_Pos']) - last(applied?.['gtids']);
  },
};
