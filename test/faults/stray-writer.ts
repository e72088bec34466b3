import { setTimeout as pause } from 'node:timers/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { listens } from '../../docker/cluster/listens.js';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { errnoOf } from '../../src/runtime/probe-failure.js';

const CONNECT_MS = 1_000;
const STATEMENT_MS = 5_000;
const PAUSE_MS = 5;

/** A client that goes past the proxy, and writes on a server that was the primary. */
export class StrayWriter {
  readonly #cluster: Cluster;
  readonly #node: ClusterNode;
  readonly #table: string;
  /** Open since before the fault. */
  readonly #early: Connection;
  readonly #acknowledged: string[] = [];
  #writes = 0;

  private constructor(cluster: Cluster, node: ClusterNode, table: string, early: Connection) {
    this.#cluster = cluster;
    this.#node = node;
    this.#table = table;
    this.#early = early;
  }

  /** @param table with one column `id` that a text fits in */
  static async connect(cluster: Cluster, node: ClusterNode, table: string): Promise<StrayWriter> {
    return new StrayWriter(cluster, node, table, await connect(cluster, node));
  }

  /** One that waits while the server stands still. */
  async writeOnce(): Promise<void> {
    await this.#write(this.#early).catch(() => {});
    this.#early.destroy();
  }

  /** Again and again, until the server refuses to be written to, or is not there. */
  async writeUntilRefused(): Promise<void> {
    for (let isRefused = false; !isRefused; await pause(PAUSE_MS)) {
      try {
        const connection = await connect(this.#cluster, this.#node);
        await this.#write(connection).finally(() => connection.destroy());
      } catch (error) {
        isRefused = CLOSED.has(errnoOf(error) ?? 0) || !(await listens(this.#node.port));
      }
    }
  }

  /** What it was told to be written, and is not there: a server that is being stopped may have sent it to its replicas just before. */
  async lostOn(server: Connection): Promise<string[]> {
    const [rows] = await server.query<RowDataPacket[]>(`SELECT id FROM ${this.#table} WHERE id LIKE 'stray %'`);
    const there = new Set(rows.map(({ id }) => String(id)));
    return this.#acknowledged.filter((id) => !there.has(id));
  }

  async #write(connection: Connection): Promise<void> {
    const id = `stray ${this.#node.port} ${++this.#writes} ${Date.now()}`;
    await connection.query({ sql: `INSERT INTO ${this.#table} VALUES ('${id}')`, timeout: STATEMENT_MS });
    this.#acknowledged.push(id);
  }
}

/** Read-only, offline. */
const CLOSED: ReadonlySet<number> = new Set([1290, 3032]);

async function connect({ accounts }: Cluster, { host, port }: ClusterNode): Promise<Connection> {
  const connection = await createConnection({ host, port, ...accounts.app, connectTimeout: CONNECT_MS });
  connection.on('error', () => {});
  return connection;
}
