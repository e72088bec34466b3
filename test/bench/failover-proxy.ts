import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { Ledger } from '../faults/ledger.js';
import type { NodeSeen, Subject } from './failover-site.js';

interface NodeRow extends RowDataPacket, NodeSeen {}

/** A proxy before the cluster, which is asked in SQL. */
export class ProxySubject implements Subject {
  readonly #cluster: Cluster;
  readonly #port: number;
  readonly #admin: Connection;

  private constructor(cluster: Cluster, port: number, admin: Connection) {
    this.#cluster = cluster;
    this.#port = port;
    this.#admin = admin;
  }

  static async connect(cluster: Cluster, port: number): Promise<ProxySubject> {
    const admin = await createConnection({ host: '127.0.0.1', port, ...cluster.accounts.monitor });
    return new ProxySubject(cluster, port, admin);
  }

  async nodes(): Promise<readonly NodeSeen[]> {
    const [rows] = await this.#admin.query<NodeRow[]>('SHOW RWSPLIT NODES');
    return rows;
  }

  async objection(): Promise<string | undefined> {
    const [status] = await this.#admin.query<RowDataPacket[]>('SHOW RWSPLIT FAILOVER');
    const dies = String(status.find(({ what }) => what === 'if_primary_dies')?.['value']);
    return dies === 'a replica is promoted' ? undefined : dies;
  }

  async switchOver(to: string): Promise<void> {
    await this.#admin.query(`RWSPLIT SWITCHOVER TO '${to}'`);
  }

  ledger(database: string): Ledger {
    return new Ledger({ host: '127.0.0.1', port: this.#port, ...this.#cluster.accounts.app, database });
  }

  async close(): Promise<void> {
    await this.#admin.end();
  }
}
