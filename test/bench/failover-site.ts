import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { listens } from '../../docker/cluster/listens.js';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { Ledger } from '../faults/ledger.js';
import type { Relay } from '../open-relay.js';

export const WRITERS = 16;
export const TIMEOUT_MS = 60_000;
const SCHEMA = 'bench_failover';
export const TABLE = `${SCHEMA}.ledger`;

interface NodeRow extends RowDataPacket {
  readonly node: string;
  readonly role: string;
  readonly health: string;
}

/** A proxy before a cluster, where faults are done. */
export class FailoverSite {
  readonly cluster: Cluster;
  /** How the proxy gets to each node, where it does not so directly. */
  readonly ways: readonly Relay[];
  readonly #port: number;
  readonly #admin: Connection;

  private constructor(cluster: Cluster, ways: readonly Relay[], port: number, admin: Connection) {
    this.cluster = cluster;
    this.ways = ways;
    this.#port = port;
    this.#admin = admin;
  }

  static async open(cluster: Cluster, ways: readonly Relay[], port: number): Promise<FailoverSite> {
    const admin = await createConnection({ host: '127.0.0.1', port, ...cluster.accounts.monitor });
    const client = await createConnection({ host: '127.0.0.1', port, ...cluster.accounts.app });
    await client.query(`CREATE DATABASE IF NOT EXISTS ${SCHEMA}`);
    await client.query(`CREATE TABLE IF NOT EXISTS ${TABLE} (id VARCHAR(40) PRIMARY KEY)`);
    await client.end();
    return new FailoverSite(cluster, ways, port, admin);
  }

  async close(): Promise<void> {
    await this.#admin.end();
  }

  /** Writers that have begun. */
  async write(): Promise<Ledger> {
    const { app } = this.cluster.accounts;
    const ledger = new Ledger({ host: '127.0.0.1', port: this.#port, ...app, database: SCHEMA });
    ledger.start(WRITERS);
    await waitUntil('writes', TIMEOUT_MS, async () => Promise.resolve(ledger.acknowledgedSince(0) > 200 || undefined));
    return ledger;
  }

  async primary(): Promise<ClusterNode> {
    return waitUntil('a primary', TIMEOUT_MS, async () => this.#primaryNow());
  }

  async otherPrimaryThan(node: ClusterNode): Promise<ClusterNode> {
    return waitUntil('another primary', TIMEOUT_MS, async () => {
      const now = await this.#primaryNow();
      return now === node ? undefined : now;
    });
  }

  async #primaryNow(): Promise<ClusterNode | undefined> {
    const name = (await this.#nodes()).find(({ role }) => role === 'primary')?.node;
    return this.cluster.nodes.find((node, index) => this.#nameOf(node, index) === name);
  }

  /** Starts what is down: an old primary with transactions of its own gets its data anew, for which its server ends once more. */
  async untilWhole(): Promise<void> {
    await waitUntil('all nodes serving', 2 * TIMEOUT_MS, async () => {
      for (const node of this.cluster.nodes) if (!(await listens(node.port))) await node.restart();
      const rows = await this.#nodes();
      if (!rows.every(({ role, health }) => role !== 'unknown' && health === 'up')) return undefined;
      const [status] = await this.#admin.query<RowDataPacket[]>('SHOW RWSPLIT FAILOVER');
      const dies = String(status.find(({ what }) => what === 'if_primary_dies')?.['value']);
      if (dies !== 'a replica is promoted') throw new Error(dies);
      return true;
    });
  }

  async switchOver(to: ClusterNode): Promise<void> {
    await this.#admin.query(`RWSPLIT SWITCHOVER TO '${this.#nameOf(to, this.cluster.nodes.indexOf(to))}'`);
  }

  /** What the present primary says of what clients were told, and of how often the primary has changed. */
  async judge(ledger: Ledger): Promise<{ lost: number; wrong: number; changes: number }> {
    const { host, port } = await this.primary();
    const server = await createConnection({ host, port, ...this.cluster.accounts.root, database: SCHEMA });
    const lost = (await ledger.lostOn(server)).length;
    const wrong = (await ledger.unexpectedOn(server)).length;
    const [[journal]] = await server.query<RowDataPacket[]>('SELECT COUNT(*) AS changes FROM rwsplit.journal');
    await server.end();
    return { lost, wrong, changes: Number(journal?.['changes']) };
  }

  async #nodes(): Promise<NodeRow[]> {
    const [rows] = await this.#admin.query<NodeRow[]>('SHOW RWSPLIT NODES');
    return rows;
  }

  #nameOf(node: ClusterNode, index: number): string {
    const { host, port } = this.ways[index] ?? node;
    return `${host}:${port}`;
  }
}
