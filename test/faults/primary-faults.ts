import { setTimeout as pause } from 'node:timers/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { isMariadb } from '../../src/flavour/flavour-of.js';
import { openRelay, type OpenRelay, type Relay } from '../open-relay.js';
import { wordsOf } from './words.js';

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
  /** How whoever is tested gets to the primary. Its replicas, which log in as `root` there, come by the same way where {@link sharesWays}. */
  readonly way?: Relay | undefined;
}

/** Whether a fault is done on the way to the primary; where not, servers are reached directly. */
export function needsWays(fault: Fault, cluster: Pick<Cluster, 'version'>): boolean {
  return fault === 'unreachable' || (fault === 'cut' && sharesWays(cluster));
}

/** MariaDB's replicas tell their source by nothing but its address: whoever promotes has to have the same one. */
export function sharesWays({ version }: Pick<Cluster, 'version'>): boolean {
  return isMariadb(version);
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

const NO_WAY = 'nothing is between the primary and whoever is to lose it';
const PREPARE: Readonly<Record<Fault, (site: FaultSite) => Promise<Steps>>> = {
  killed: async ({ primary }) => now({ doIt: async () => primary.kill() }),
  frozen: async ({ primary }) => now({ doIt: async () => primary.freeze(), undo: async () => primary.thaw() }),
  cut: prepareCut,
  unreachable: async ({ way, cluster }) => {
    if (way === undefined) throw new Error(NO_WAY);
    return now({
      doIt: async () => Promise.resolve(way.cut(whoOf(cluster, (isReplica) => !isReplica))),
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
  const words = wordsOf(cluster);
  for (const node of othersThan(primary, cluster)) {
    await follow(await asRoot(cluster, node), words.follow(relay.port));
  }
  // Those that they had before count as well, until it notices that they are gone.
  const source = await asRoot(cluster, primary);
  await waitUntil('as many connections as there are replicas', TIMEOUT_MS, async () => {
    const [rows] = await source.query<RowDataPacket[]>(words.acknowledging);
    return Number(rows[0]?.['Value']) < cluster.nodes.length || undefined;
  });
  await source.end();
  return relay;
}

/** Replicas reach their source through a relay of which nobody else knows, or by the way that all take. */
async function prepareCut(site: FaultSite): Promise<Steps> {
  const { cluster, primary, way } = site;
  const relay = sharesWays(cluster) ? undefined : await relayReplicas(site);
  const source = await asRoot(cluster, primary);
  const words = wordsOf(cluster);
  const between = relay ?? way;
  if (between === undefined) throw new Error(NO_WAY);
  return {
    ready: async () => {
      between.cut(whoOf(cluster, (isReplica) => isReplica));
      await pause(CUT_MS);
      return waitUntil('writes that wait for acknowledgements', TIMEOUT_MS, async () => {
        const [rows] = await source.query<RowDataPacket[]>(words.waitingForAcknowledgement);
        const count = Number(rows[0]?.['Value']);
        return count > 0 ? count : undefined;
      });
    },
    doIt: async () => primary.kill(),
    undo: async () => {
      source.destroy();
      relay?.close();
      return Promise.resolve(way?.mend());
    },
  };
}

/** Of those that share a way; where none is shared, all. */
function whoOf(cluster: Cluster, which: (isReplica: boolean) => boolean): ((user: string) => boolean) | undefined {
  return sharesWays(cluster) ? (user) => which(user === cluster.accounts.root.user) : undefined;
}

/** Ends the connection when the replica receives. */
async function follow(replica: Connection, statements: readonly string[]): Promise<void> {
  for (const sql of statements) await replica.query(sql);
  await waitUntil('its receiver', TIMEOUT_MS, async () => {
    const [rows] = await replica.query<RowDataPacket[]>('SHOW REPLICA STATUS');
    return rows[0]?.['Replica_IO_Running'] === 'Yes' || rows[0]?.['Slave_IO_Running'] === 'Yes' || undefined;
  });
  await replica.end();
}

/** What replicas receive waits behind a lock, until their source is gone. */
async function prepareLag({ cluster, primary, table }: FaultSite): Promise<Steps> {
  const words = wordsOf(cluster);
  const replicas = await Promise.all(othersThan(primary, cluster).map(async (node) => asRoot(cluster, node)));
  return {
    ready: async () => {
      for (const replica of replicas) await replica.query(`LOCK TABLES ${table} READ`);
      const backlogs = replicas.map(async (replica) =>
        waitUntil('a backlog', TIMEOUT_MS, async () => {
          const count = await words.backlogOf(replica);
          if (count >= BACKLOG) return count;
          const [[status]] = await replica.query<RowDataPacket[]>('SHOW REPLICA STATUS');
          throw new Error(`${count} of ${BACKLOG} wait; ${JSON.stringify(status)}`);
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

function othersThan(primary: ClusterNode, { nodes }: Cluster): ClusterNode[] {
  return nodes.filter((node) => node !== primary);
}

async function asRoot({ accounts }: Cluster, { host, port }: ClusterNode): Promise<Connection> {
  const connection = await createConnection({ host, port, ...accounts.root });
  connection.on('error', () => {});
  return connection;
}
