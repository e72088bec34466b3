import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { newAccounts } from '../../docker/cluster/accounts.js';
import type { Cluster, ClusterAccounts, ClusterNode } from '../../docker/cluster/cluster.js';
import { launchMariadb, type MariadbServer } from './mariadbd.js';
import { accountStatements, replicate, serverOptions } from './replication.js';

const HOST = '127.0.0.1';

/** A cluster of MariaDB's servers that is one of MySQL's to whoever does faults on it. */
export interface LaunchedMariadb extends Cluster {
  readonly serverOf: (node: ClusterNode) => MariadbServer;
}

/** One primary and two replicas that acknowledge its transactions; not of a test file, as those of `cluster.ts` are. */
export async function launchMariadbCluster(onProgress: (line: string) => void): Promise<LaunchedMariadb> {
  const { root, monitor, app, failover } = newAccounts();
  const accounts = { root, monitor, app, failover };
  const servers: MariadbServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map(async (server) => server.stop()));
  };
  try {
    for (const id of [1, 2, 3]) servers.push(await launchMariadb(serverOptions(id, true), accountStatements(accounts)));
    const version = await bringUp(servers, accounts);
    onProgress(`MariaDB ${version} is up: ports ${servers.map(({ port }) => port).join(', ')}, the primary's first`);
    const byPort = new Map(servers.map((it) => [it.port, it]));
    const nodes = servers.map((it, index) => nodeOf(it, index));
    const [primary, ...replicas] = nodes;
    if (primary === undefined) throw new Error('a cluster has at least one server');
    return {
      provider: 'debian',
      version,
      nodes: [primary, ...replicas],
      accounts,
      stop,
      serverOf: ({ port }) => {
        const server = byPort.get(port);
        if (server === undefined) throw new Error(`no server of this cluster has port ${port}`);
        return server;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @returns as `SELECT VERSION()` says it */
async function bringUp(servers: readonly MariadbServer[], { root }: ClusterAccounts): Promise<string> {
  const roots = await Promise.all(servers.map(async ({ host, port }) => createConnection({ host, port, ...root })));
  try {
    await replicate(servers, roots, root, true);
    const version = await roots[0]?.query<RowDataPacket[]>('SELECT VERSION() AS version');
    return String(version?.[0][0]?.['version']);
  } finally {
    for (const connection of roots) connection.destroy();
  }
}

function nodeOf(server: MariadbServer, index: number): ClusterNode {
  return {
    name: `node-${index + 1}`,
    host: HOST,
    port: server.port,
    serverId: index + 1,
    kill: async () => server.kill(),
    freeze: async () => server.freeze(),
    thaw: async () => server.thaw(),
    restart: async () => {
      await server.kill();
      await server.start();
    },
    log: async () => server.log(),
  };
}
