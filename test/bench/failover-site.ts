import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { listens } from '../../docker/cluster/listens.js';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { hasItsOwn, makeAnew } from '../mariadb/make-anew.js';
import type { LaunchedMariadb } from '../mariadb/launch-cluster.js';
import type { Ledger } from '../faults/ledger.js';
import type { StrayWriter } from '../faults/stray-writer.js';
import type { Relay } from '../open-relay.js';

export const WRITERS = 16;
export const TIMEOUT_MS = 60_000;
const SCHEMA = 'bench_failover';
export const TABLE = `${SCHEMA}.ledger`;

export interface NodeSeen {
  readonly node: string;
  readonly role: string;
  readonly health: string;
}

/** Who is to get clients over a fault. */
export interface Subject {
  nodes(): Promise<readonly NodeSeen[]>;
  /** @returns why nobody would be promoted if the primary died now; undefined where somebody would */
  objection(): Promise<string | undefined>;
  switchOver(to: string): Promise<void>;
  ledger(schema: string): Ledger;
  close(): Promise<void>;
}

/** One of MySQL, whose servers get their data anew by CLONE, or of MariaDB, where that is done by hand. */
export type BenchCluster = Cluster | LaunchedMariadb;

/** A cluster where faults are done, and what is between it and clients. */
export class FailoverSite {
  readonly cluster: BenchCluster;
  /** How the proxy gets to each node, where it does not so directly. */
  readonly ways: readonly Relay[];
  readonly #subject: Subject;

  private constructor(cluster: BenchCluster, ways: readonly Relay[], subject: Subject) {
    this.cluster = cluster;
    this.ways = ways;
    this.#subject = subject;
  }

  static async open(cluster: BenchCluster, ways: readonly Relay[], subject: Subject): Promise<FailoverSite> {
    const site = new FailoverSite(cluster, ways, subject);
    const { host, port } = await site.primary();
    const client = await createConnection({ host, port, ...cluster.accounts.app });
    await client.query(`CREATE DATABASE IF NOT EXISTS ${SCHEMA}`);
    await client.query(`CREATE TABLE IF NOT EXISTS ${TABLE} (id VARCHAR(40) PRIMARY KEY)`);
    await client.end();
    return site;
  }

  async close(): Promise<void> {
    await this.#subject.close();
  }

  /** Writers that have begun. */
  async write(): Promise<Ledger> {
    const ledger = this.#subject.ledger(SCHEMA);
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
    const name = (await this.#subject.nodes()).find(({ role }) => role === 'primary')?.node;
    return this.cluster.nodes.find((node, index) => this.#nameOf(node, index) === name);
  }

  /** Starts what is down: an old primary with transactions of its own gets its data anew, for which its server ends once more. */
  async untilWhole(): Promise<void> {
    await waitUntil('all nodes serving', 2 * TIMEOUT_MS, async () => {
      for (const node of this.cluster.nodes) if (!(await listens(node.port))) await node.restart();
      if ('serverOf' in this.cluster) await this.#makeAnew(this.cluster);
      const rows = await this.#subject.nodes();
      if (!rows.every(({ role, health }) => role !== 'unknown' && health === 'up')) return undefined;
      const objection = await this.#subject.objection();
      if (objection !== undefined) throw new Error(objection);
      return true;
    });
  }

  /** What an operator of MariaDB does with each server that has transactions of its own. */
  async #makeAnew({ nodes, accounts, serverOf }: LaunchedMariadb): Promise<void> {
    const primary = serverOf(await this.primary());
    for (const node of nodes.map((it) => serverOf(it))) {
      if (await hasItsOwn(node, primary, accounts.root)) await makeAnew(node, primary, accounts.root);
    }
  }

  async switchOver(to: ClusterNode): Promise<void> {
    await this.#subject.switchOver(this.#nameOf(to, this.cluster.nodes.indexOf(to)));
  }

  /** What the present primary says of what clients were told, and of how often the primary has changed. */
  async judge(
    ledger: Ledger,
    stray?: StrayWriter,
  ): Promise<{ lost: number; wrong: number; strays: number; changes: number }> {
    const { host, port } = await this.primary();
    const server = await createConnection({ host, port, ...this.cluster.accounts.root, database: SCHEMA });
    const lost = (await ledger.lostOn(server)).length;
    const wrong = (await ledger.unexpectedOn(server)).length;
    const strays = (await stray?.lostOn(server))?.length ?? 0;
    const [[journal]] = await server.query<RowDataPacket[]>('SELECT COUNT(*) AS changes FROM rwsplit.journal');
    await server.end();
    return { lost, wrong, strays, changes: Number(journal?.['changes']) };
  }

  #nameOf(node: ClusterNode, index: number): string {
    const { host, port } = this.ways[index] ?? node;
    return `${host}:${port}`;
  }
}
