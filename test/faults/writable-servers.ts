import { setTimeout as pause } from 'node:timers/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';

const PAUSE_MS = 5;
const CONNECT_MS = 1_000;

/** Watches which servers take writes: never two at once. */
export class WritableServers {
  readonly #cluster: Cluster;
  readonly #connections = new Map<ClusterNode, Connection>();
  readonly #seen = new Set<string>();
  readonly #watching: Promise<void>;
  #stopped = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#watching = this.#watch();
  }

  /** @returns pairs that took writes at the same time */
  async stop(): Promise<string[]> {
    this.#stopped = true;
    await this.#watching;
    for (const connection of this.#connections.values()) connection.destroy();
    return [...this.#seen];
  }

  async #watch(): Promise<void> {
    for (; !this.#stopped; await pause(PAUSE_MS)) {
      for (const first of await this.#writable(this.#cluster.nodes)) {
        const others = await this.#writable(this.#cluster.nodes.filter((it) => it !== first));
        // It took writes before the others were asked, and after it.
        const [still] = others.length > 0 ? await this.#writable([first]) : [];
        if (still !== undefined) for (const it of others) this.#seen.add(`${first.name} and ${it.name}`);
      }
    }
  }

  async #writable(nodes: readonly ClusterNode[]): Promise<ClusterNode[]> {
    const asked = nodes.map(async (node) => ((await this.#isWritable(node).catch(() => false)) ? [node] : []));
    return (await Promise.all(asked)).flat();
  }

  async #isWritable(node: ClusterNode): Promise<boolean> {
    const { host, port } = node;
    let connection = this.#connections.get(node);
    try {
      if (connection === undefined) {
        const { root } = this.#cluster.accounts;
        connection = await createConnection({ host, port, ...root, connectTimeout: CONNECT_MS });
        connection.on('error', () => {});
        this.#connections.set(node, connection);
      }
      const [[row]] = await connection.query<RowDataPacket[]>({
        sql: 'SELECT @@global.read_only OR @@global.super_read_only OR @@global.offline_mode AS closed',
        timeout: CONNECT_MS,
      });
      return Number(row?.['closed']) === 0;
    } catch (error) {
      connection?.destroy();
      this.#connections.delete(node);
      throw error;
    }
  }
}
