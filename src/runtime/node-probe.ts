import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { Observation } from '../topology/assess.js';
import { GtidSet } from '../topology/gtid-set.js';
import type { NodeAddress } from '../topology/snapshot.js';
import type { MonitorConnection, MonitorLogin } from './monitor-login.js';

interface Variables extends RowDataPacket {
  readonly uuid: string;
  readonly version: string;
  readonly readOnly: number;
  readonly executed: string;
}

/** Looks at one node over a session that it keeps. */
export class NodeProbe {
  readonly address: NodeAddress;
  readonly #login: MonitorLogin;
  readonly #timeoutMs: number;
  #connection: MonitorConnection | undefined;
  #statusStatement = 'SHOW REPLICA STATUS';

  constructor(address: NodeAddress, login: MonitorLogin, timeoutMs: number) {
    this.address = address;
    this.#login = login;
    this.#timeoutMs = timeoutMs;
  }

  /** Never rejects: a node that does not answer is an observation too. */
  async observe(): Promise<Observation> {
    try {
      const { session, capabilities, flavour } = await this.#connect();
      const askedAtMs = Date.now();
      const [[seen]] = await session.query<Variables[]>({
        sql: flavour.askNode,
        timeout: this.#timeoutMs,
      });
      if (seen === undefined) throw new Error('it gave no answer to its variables');
      const [source] = await this.#replicaStatus(session);
      return {
        kind: 'answered',
        address: this.address,
        serverUuid: seen.uuid,
        serverVersion: seen.version,
        capabilities,
        readOnly: seen.readOnly === 1,
        hasSource: source !== undefined,
        applies: source?.['Replica_SQL_Running'] === 'Yes' || source?.['Slave_SQL_Running'] === 'Yes',
        executed: flavour.parseExecuted(seen.executed) ?? GtidSet.EMPTY,
        askedAtMs,
      };
    } catch (error) {
      this.close();
      return { kind: 'silent', address: this.address, why: this.#explain(error) };
    }
  }

  close(): void {
    this.#connection?.session.destroy();
    this.#connection = undefined;
  }

  async #connect(): Promise<MonitorConnection> {
    if (this.#connection !== undefined) return this.#connection;
    const connection = await this.#login.connect(this.address, this.#timeoutMs);
    connection.session.on('error', () => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    this.#connection = connection;
    return connection;
  }

  async #replicaStatus(connection: Connection): Promise<RowDataPacket[]> {
    const ask = async (): Promise<RowDataPacket[]> => {
      const [rows] = await connection.query<RowDataPacket[]>({ sql: this.#statusStatement, timeout: this.#timeoutMs });
      return rows;
    };
    try {
      return await ask();
    } catch (error) {
      // Servers before 8.0.22, and MariaDB before 10.5, only know the older words.
      if (errnoOf(error) !== 1064 || this.#statusStatement.includes('SLAVE')) throw error;
      this.#statusStatement = 'SHOW SLAVE STATUS';
      return ask();
    }
  }

  #explain(error: unknown): string {
    const message = error instanceof Error ? error.message || errnoName(error) : String(error);
    switch (errnoOf(error)) {
      case 1045:
        return `it refused the monitor's login (${message}); check --monitor-user and its password`;
      case 1227:
        return `the monitor's user lacks a privilege (${message}); GRANT REPLICATION CLIENT ON *.* TO '${this.#login.user}'`;
      default:
        return message;
    }
  }
}

function errnoOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return undefined;
  return typeof error.errno === 'number' ? error.errno : undefined;
}

function errnoName(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
