import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll } from 'vitest';
import type { Account } from '../../docker/cluster/cluster.js';
import { clusterInfo } from '../cluster.js';
import { value } from '../proxy.js';
import { startMariadb, type MariadbServer } from './server.js';

const CATCH_UP_TIMEOUT_S = 30;

const open: Connection[] = [];
afterAll(() => {
  for (const connection of open.splice(0)) connection.destroy();
});

/** A primary and its replicas, which end with the test file. Their accounts are those of the shared cluster. */
export class MariadbCluster {
  /** The primary is the first. Server ids count from 1. */
  readonly nodes: readonly MariadbServer[];
  readonly #roots: readonly Connection[];

  private constructor(nodes: MariadbCluster['nodes'], roots: readonly Connection[]) {
    this.nodes = nodes;
    this.#roots = roots;
  }

  /** @param semiSync each transaction waits until a replica has it, and all servers are closed when they start */
  static async start({ replicaCount = 2, semiSync = false } = {}): Promise<MariadbCluster> {
    const nodes = [];
    for (let id = 1; id <= 1 + replicaCount; id++) {
      nodes.push(await startMariadb([...optionsOf(id), ...(semiSync ? LOSSLESS : [])], accountStatements()));
    }
    const roots = await Promise.all(nodes.map(async (node) => connectTo(node, clusterInfo().accounts.root)));
    const cluster = new MariadbCluster(nodes, roots);
    if (semiSync)
      await Promise.all(cluster.replicas.map(async (it) => it.query('SET GLOBAL rpl_semi_sync_slave_enabled = ON')));
    await Promise.all(cluster.replicas.map(async (_, index) => cluster.follow(index + 1, 0)));
    if (semiSync) {
      await cluster.root(0).query('SET GLOBAL rpl_semi_sync_master_enabled = ON');
      await cluster.root(0).query('SET GLOBAL read_only = OFF');
    }
    return cluster;
  }

  /** A connection to a server without anything in between, as an account that may do everything; closed when the file ends. */
  root(index: number): Connection {
    const root = this.#roots[index];
    if (root === undefined) throw new Error(`the cluster has no node ${index}`);
    return root;
  }

  get replicas(): readonly Connection[] {
    return this.#roots.slice(1);
  }

  /** Resolves when the replicas have applied all that the primary has executed by now. */
  async untilReplicated(): Promise<void> {
    const position = await value(this.root(0), 'SELECT @@GLOBAL.gtid_binlog_pos');
    await Promise.all(
      this.replicas.map(async (replica) => {
        const waited = await value(replica, 'SELECT MASTER_GTID_WAIT(?, ?)', [position, CATCH_UP_TIMEOUT_S]);
        if (waited !== 0) throw new Error(`a replica has not caught up within ${CATCH_UP_TIMEOUT_S} s`);
      }),
    );
  }

  /** One node replicates from another. */
  async follow(index: number, source: number): Promise<void> {
    const { root } = clusterInfo().accounts;
    const { host, port } = this.nodes[source] ?? { host: '', port: 0 };
    // It may have been started anew.
    const replica = await connectTo(this.nodes[index] ?? { host, port }, root);
    await replica.query(
      `CHANGE MASTER TO MASTER_HOST=?, MASTER_PORT=?, MASTER_USER=?, MASTER_PASSWORD=?, MASTER_USE_GTID=slave_pos,
       MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=0.2`,
      [host, port, root.user, root.password],
    );
    await replica.query('START SLAVE');
    await replica.query('SET GLOBAL read_only = 1');
  }
}

async function connectTo(
  node: { readonly host: string; readonly port: number },
  account: Account,
): Promise<Connection> {
  const { host, port } = node;
  const connection = await createConnection({ host, port, ...account });
  // Its server may be killed.
  connection.on('error', () => {});
  open.push(connection);
  return connection;
}

function optionsOf(id: number): string[] {
  return [`server-id=${id}`, 'log-bin=binlog', 'log-slave-updates', 'gtid-strict-mode=ON', 'sync-binlog=0'];
}

/** As README.md asks for where nothing acknowledged may be lost. */
const LOSSLESS = [
  ...['read-only=1', 'skip-slave-start', 'performance-schema=ON'],
  ...['rpl-semi-sync-master-timeout=4294967295', 'rpl-semi-sync-master-wait-point=AFTER_SYNC'],
];

/** Run by each server for itself. */
function accountStatements(): string[] {
  const { root, monitor, app, failover } = clusterInfo().accounts;
  const create = ({ user, password }: Account): string =>
    `CREATE USER IF NOT EXISTS ${user}@'%' IDENTIFIED BY '${password}'`;
  return [
    'SET sql_log_bin = 0',
    // Those that a new data directory has, without passwords.
    "DROP USER IF EXISTS root@'127.0.0.1', root@localhost, root@'::1'",
    create(root),
    "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION",
    create(monitor),
    `GRANT BINLOG MONITOR, SLAVE MONITOR, REPLICATION SLAVE, PROCESS ON *.* TO ${monitor.user}@'%'`,
    create(failover),
    `GRANT BINLOG MONITOR, SLAVE MONITOR, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN, RELOAD, PROCESS ON *.*
     TO ${failover.user}@'%'`.replaceAll('\n', ' '),
    `GRANT ALL ON rwsplit.* TO ${failover.user}@'%'`,
    `GRANT SELECT ON performance_schema.* TO ${failover.user}@'%'`,
    create(app),
    `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE,
     CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER, SHOW DATABASES, RELOAD, PROCESS, BINLOG MONITOR
     ON *.* TO ${app.user}@'%'`.replaceAll('\n', ' '),
  ];
}
