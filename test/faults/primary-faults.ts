import { setTimeout as pause } from 'node:timers/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { openRelay, type OpenRelay, type Relay } from '../open-relay.js';

/** What becomes of a primary. */
export const FAULTS = ['killed', 'frozen', 'cut', 'unreachable', 'lagging'] as const;
export type Fault = (typeof FAULTS)[number];

/** Each in words. */
export const FAULT_WORDS: Readonly<Record<Fault, string>> = {
  killed: 'killed',
  frozen: 'frozen, and thawed when another one writes',
  cut: 'cut off from its replicas, then killed',
  unreachable: 'cut off from the proxy only',
  lagging: 'killed while its replicas have a backlog',
};

const TIMEOUT_MS = 30_000;
/** Transactions that a replica has received and not applied, before its primary is killed. */
const BACKLOG = 300;
/** So long replicas are cut off from a primary before it is killed. */
const CUT_MS = 1_000;

/** One that can be done at any moment. */
export interface PreparedFault {
  /**
   * Resolves when the primary is gone from whoever it is to be gone from.
   * @param onStrike called right before that, when what it takes is there
   * @returns how many transactions were waiting on its slowest replica, or for acknowledgements
   */
  strike(onStrike?: () => void): Promise<number>;
  /** Ends what can be ended: it is thawed, or reached again. A server that is gone stays so. */
  undo(): Promise<void>;
}

export interface FaultSite {
  readonly cluster: Cluster;
  readonly primary: ClusterNode;
  /** Where all clients write, as `schema.table`: replicas cannot apply what goes there while it is locked. */
  readonly table: string;
  /** How whoever is tested gets to the primary; its replicas have another way. For `unreachable` only. */
  readonly way?: Relay | undefined;
}

/** @param fault must not be done before clients write: some of them wait until they do */
export async function prepareFault(fault: Fault, site: FaultSite): Promise<PreparedFault> {
  const steps = await PREPARE[fault](site);
  let isUndone = false;
  return {
    strike: async (onStrike = () => {}) => {
      const waiting = await steps.ready();
      onStrike();
      await steps.doIt();
      return waiting;
    },
    undo: async () => {
      if (!isUndone) await steps.undo();
      isUndone = true;
    },
  };
}

interface Steps {
  /** @returns how many transactions wait */
  ready(): Promise<number>;
  doIt(): Promise<void>;
  undo(): Promise<void>;
}

const PREPARE: Readonly<Record<Fault, (site: FaultSite) => Promise<Steps>>> = {
  killed: async ({ primary }) => now({ doIt: async () => primary.kill() }),
  frozen: async ({ primary }) => now({ doIt: async () => primary.freeze(), undo: async () => primary.thaw() }),
  cut: prepareCut,
  unreachable: async ({ way }) => {
    if (way === undefined) throw new Error('nothing is between the primary and whoever is to lose it');
    return now({
      doIt: async () => Promise.resolve(way.cut()),
      undo: async () => Promise.resolve(way.mend()),
    });
  },
  lagging: prepareLag,
};

async function now(steps: Partial<Steps>): Promise<Steps> {
  const nothing = async (): Promise<void> => Promise.resolve();
  return Promise.resolve({ ready: async () => Promise.resolve(0), doIt: nothing, undo: nothing, ...steps });
}

/** Its replicas replicate through a relay from now on, of which nobody else knows. */
export async function relayReplicas({ cluster, primary }: Pick<FaultSite, 'cluster' | 'primary'>): Promise<OpenRelay> {
  const relay = await openRelay(primary);
  for (const node of othersThan(primary, cluster)) {
    const replica = await asRoot(cluster, node);
    await replica.query('STOP REPLICA IO_THREAD');
    // What is not named here would be as for a source that is a minute away.
    await replica.query(
      `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${relay.port}, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400, SOURCE_HEARTBEAT_PERIOD = 0.2`,
    );
    await replica.query('START REPLICA IO_THREAD');
    await waitUntil('its receiver', TIMEOUT_MS, async () => {
      const [rows] = await replica.query<RowDataPacket[]>("SHOW REPLICA STATUS FOR CHANNEL ''");
      return rows[0]?.['Replica_IO_Running'] === 'Yes' || undefined;
    });
    await replica.end();
  }
  // Those that they had before count as well, until it notices that they are gone.
  const source = await asRoot(cluster, primary);
  await waitUntil('as many connections as there are replicas', TIMEOUT_MS, async () => {
    const [rows] = await source.query<RowDataPacket[]>("SHOW STATUS LIKE 'Rpl_semi_sync_source_clients'");
    return Number(rows[0]?.['Value']) < cluster.nodes.length || undefined;
  });
  await source.end();
  return relay;
}

async function prepareCut(site: FaultSite): Promise<Steps> {
  const { cluster, primary } = site;
  const relay = await relayReplicas(site);
  const source = await asRoot(cluster, primary);
  return {
    ready: async () => {
      relay.cut();
      await pause(CUT_MS);
      return waitUntil('writes that wait for acknowledgements', TIMEOUT_MS, async () => {
        const [rows] = await source.query<RowDataPacket[]>("SHOW STATUS LIKE 'Rpl_semi_sync_source_wait_sessions'");
        const count = Number(rows[0]?.['Value']);
        return count > 0 ? count : undefined;
      });
    },
    doIt: async () => primary.kill(),
    undo: async () => {
      source.destroy();
      return Promise.resolve(relay.close());
    },
  };
}

/** What replicas receive waits behind a lock, until their source is gone. */
async function prepareLag({ cluster, primary, table }: FaultSite): Promise<Steps> {
  const replicas = await Promise.all(othersThan(primary, cluster).map(async (node) => asRoot(cluster, node)));
  return {
    ready: async () => {
      for (const replica of replicas) await replica.query(`LOCK TABLES ${table} READ`);
      const backlogs = replicas.map(async (replica) =>
        waitUntil('a backlog', TIMEOUT_MS, async () => {
          const count = await backlogOf(replica);
          return count >= BACKLOG ? count : undefined;
        }),
      );
      return Math.max(...(await Promise.all(backlogs)));
    },
    doIt: async () => {
      await primary.kill();
      for (const replica of replicas) await replica.query('UNLOCK TABLES');
    },
    undo: async () => {
      for (const replica of replicas) replica.destroy();
      return Promise.resolve();
    },
  };
}

/** Transactions of its source; each has its number in a set of GTIDs. */
async function backlogOf(replica: Connection): Promise<number> {
  const [[row]] = await replica.query<RowDataPacket[]>(
    `SELECT GTID_SUBTRACT(GROUP_CONCAT(RECEIVED_TRANSACTION_SET), @@global.gtid_executed) AS gtids
     FROM performance_schema.replication_connection_status WHERE CHANNEL_NAME = ''`,
  );
  const intervals = String(row?.['gtids'] ?? '').matchAll(/:(\d+)(?:-(\d+))?/g);
  return [...intervals].reduce((sum, [, from, to]) => sum + Number(to ?? from) - Number(from) + 1, 0);
}

function othersThan(primary: ClusterNode, { nodes }: Cluster): ClusterNode[] {
  return nodes.filter((node) => node !== primary);
}

async function asRoot({ accounts }: Cluster, { host, port }: ClusterNode): Promise<Connection> {
  const connection = await createConnection({ host, port, ...accounts.root });
  connection.on('error', () => {});
  return connection;
}
