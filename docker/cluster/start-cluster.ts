import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { accountStatements, initSql, newAccounts, type AllAccounts } from './accounts.js';
import {
  PROVIDERS,
  type Account,
  type Cluster,
  type ClusterNode,
  type ClusterOptions,
  type ProviderName,
} from './cluster.js';
import { launchContainers } from './container-fleet.js';
import type { Fleet, Launcher, Server } from './fleet.js';
import { freePorts } from './free-ports.js';
import { launchDebianMysqld, launchInstalledMysqld } from './local-fleet.js';
import { serverOptions } from './option-file.js';
import { followSource, untilCaughtUp } from './replication.js';
import { GivenUp, waitUntil } from './wait-until.js';

const DEFAULT_REPLICA_COUNT = 2;
const LOGIN_TIMEOUT_MS = 90_000;

const LAUNCHERS: Readonly<Record<ProviderName, Launcher>> = {
  container: launchContainers,
  mysqld: launchInstalledMysqld,
  debian: launchDebianMysqld,
};

const WAYS: Readonly<Record<ProviderName, string>> = {
  container: 'a container engine (Docker or Podman) with the image of RWSPLIT_MYSQL_IMAGE, by default mysql:8.4',
  mysqld: 'a mysqld of MySQL on the PATH or in RWSPLIT_MYSQLD',
  debian: "MySQL from Debian's packages, on Debian as root",
};

/** One primary and its replicas, real MySQL servers on 127.0.0.1, replicating when this resolves. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const onProgress = options.onProgress ?? (() => {});
  const failures: string[] = [];
  for (const provider of providersToTry(options.provider)) {
    try {
      const outcome = await startWith(provider, options, onProgress);
      if (typeof outcome !== 'string') return outcome;
      failures.push(`${WAYS[provider]}: ${outcome}`);
      onProgress(outcome);
    } catch (error) {
      options.signal?.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      failures.push(`${WAYS[provider]}: ${message}`);
      onProgress(message);
    }
  }
  throw new Error(
    `MySQL could not be started. Each of these would do:\n${failures.map((failure) => `- ${failure}`).join('\n')}`,
  );
}

function providersToTry(chosen: ProviderName | undefined): readonly ProviderName[] {
  const name = chosen ?? process.env['RWSPLIT_PROVIDER'];
  if (name === undefined) return PROVIDERS;
  const provider = PROVIDERS.find((known) => known === name);
  if (provider === undefined) throw new Error(`RWSPLIT_PROVIDER is "${name}", not one of ${PROVIDERS.join(', ')}`);
  return [provider];
}

/** The cluster, or why this machine cannot have one in this way. */
async function startWith(
  provider: ProviderName,
  { replicaCount = DEFAULT_REPLICA_COUNT, fast = false, semiSync = false, signal, ports: givenPorts }: ClusterOptions,
  onProgress: (line: string) => void,
): Promise<Cluster | string> {
  const count = replicaCount + 1;
  const ports = givenPorts ?? (await freePorts(count));
  if (ports.length !== count) throw new Error(`${count} servers need as many ports, not ${ports.length}`);
  const accounts = newAccounts();
  const specs = ports.map((port, index) => ({
    name: `node-${index + 1}`,
    port,
    options: serverOptions({ serverId: index + 1, port, readOnly: index > 0, fast, semiSync }),
  }));

  const launch = await LAUNCHERS[provider]({ specs, initSql: initSql(accounts), onProgress });
  if (launch.kind === 'unavailable') return launch.reason;
  const { fleet } = launch;
  try {
    const nodes = fleet.servers.map((server, index) => nodeOf(server, index, ports[index] ?? 0, accounts.root));
    const [primary, ...replicas] = nodes;
    if (primary === undefined) throw new Error('a cluster has at least one server');
    const version = await bringUp(fleet, primary, replicas, accounts, semiSync, signal);
    signal?.throwIfAborted();
    onProgress(`MySQL ${version} is up: ports ${ports.join(', ')}, the primary's first`);
    const { root, monitor, app, failover } = accounts;
    return {
      provider,
      version,
      nodes: [primary, ...replicas],
      accounts: { root, monitor, app, failover },
      stop: () => fleet.stop(),
    };
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}

function nodeOf(server: Server, index: number, port: number, root: Account): ClusterNode {
  const name = `node-${index + 1}`;
  return {
    name,
    host: '127.0.0.1',
    port,
    serverId: index + 1,
    kill: () => server.kill(),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    async restart() {
      await server.kill();
      await server.start();
      const connection = await logIn(name, server, port, root);
      await connection.end();
    },
    log: () => server.logTail(),
  };
}

/** Makes a primary with replicas out of servers that have just been started. Resolves with their version. */
async function bringUp(
  fleet: Fleet,
  primaryNode: ClusterNode,
  replicaNodes: readonly ClusterNode[],
  accounts: AllAccounts,
  semiSync: boolean,
  signal: AbortSignal | undefined,
): Promise<string> {
  const connections: Connection[] = [];
  try {
    for (const [index, { name, port }] of [primaryNode, ...replicaNodes].entries()) {
      const server = fleet.servers[index];
      if (server !== undefined) connections.push(await logIn(name, server, port, accounts.root, signal));
    }
    const [primary, ...replicas] = connections;
    if (primary === undefined) throw new Error('a cluster has at least one server');
    for (const statement of accountStatements(accounts)) await primary.query(statement);
    for (const replica of replicas) await followSource(replica, primaryNode.port, accounts.replication);
    for (const [index, replica] of replicas.entries()) {
      await untilCaughtUp(replicaNodes[index]?.name ?? '', replica, primary, signal);
    }
    if (semiSync) {
      await primary.query('SET GLOBAL rpl_semi_sync_source_enabled = ON');
      // When it comes back, another one may be the primary.
      await primary.query('SET PERSIST_ONLY super_read_only = ON');
    }
    const [rows] = await primary.query<RowDataPacket[]>('SELECT VERSION() AS version');
    return String(rows[0]?.['version']);
  } finally {
    for (const connection of connections) connection.destroy();
  }
}

/** A login is the one sign that a server is up: its log says "ready" earlier, and also while its data directory is made. */
async function logIn(
  name: string,
  server: Server,
  port: number,
  { user, password }: Account,
  signal?: AbortSignal,
): Promise<Connection> {
  try {
    return await waitUntil(
      `a login at ${name} (127.0.0.1:${port})`,
      LOGIN_TIMEOUT_MS,
      async () => {
        if (!(await server.isRunning())) throw new GivenUp(`${name} ended by itself`);
        return await createConnection({ host: '127.0.0.1', port, user, password, connectTimeout: 5_000 });
      },
      signal,
    );
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\nThe end of its log:\n${await server.logTail()}`, { cause: error });
  }
}
