import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll } from 'vitest';
import type { Account } from '../../docker/cluster/cluster.js';
import { clusterInfo } from '../cluster.js';
import { value } from '../proxy.js';
import type { MariadbServer } from './mariadbd.js';
import { accountStatements, followSource, replicate, serverOptions } from './replication.js';
import { startMariadb } from './server.js';

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
    const { accounts } = clusterInfo();
    const nodes = [];
    for (let id = 1; id <= 1 + replicaCount; id++) {
      nodes.push(await startMariadb(serverOptions(id, semiSync), accountStatements(accounts)));
    }
    const roots = await Promise.all(nodes.map(async (node) => connectTo(node, accounts.root)));
    await replicate(nodes, roots, accounts.root, semiSync);
    return new MariadbCluster(nodes, roots);
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
    await followSource(replica, { host, port }, root);
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
