import type { Connection, RowDataPacket } from 'mysql2/promise';
import { textIn } from '../flavour/failover-look.js';
import { GtidSet } from '../topology/gtid-set.js';
import type { Found, GroupRole, Observation, SourceReport } from '../topology/observation.js';
import type { NodeAddress } from '../topology/snapshot.js';
import { errnoOf, isAlive, isRefusal, whyOf } from './probe-failure.js';
import type { MonitorConnection, NodeLogin } from './monitor-login.js';
import { replicasOf, sourceOf } from './replica-status.js';

interface Variables extends RowDataPacket {
  readonly uuid: string;
  readonly version: string;
  readonly readOnly: number;
  readonly executed: string;
  readonly committed?: string;
}

/** What a look is to find out beside what changes all the time. */
export interface Question {
  /** From where it replicates, and as what it is in a group. */
  readonly replication: boolean;
  /** Which other servers it knows. */
  readonly others: boolean;
  /** How old is what it applies. */
  readonly lag: boolean;
}

const MEMBERS =
  'SELECT MEMBER_ID AS uuid, MEMBER_HOST AS host, MEMBER_PORT AS port, MEMBER_STATE AS state, MEMBER_ROLE AS role ' +
  'FROM performance_schema.replication_group_members';
/** The coordinator holds back what a delay is for; workers have the rest. */
const APPLYING =
  'SELECT MAX(TIMESTAMPDIFF(MICROSECOND, at, NOW(6))) / 1000 AS ms FROM (' +
  'SELECT PROCESSING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP AS at FROM performance_schema.replication_applier_status_by_coordinator ' +
  'UNION ALL ' +
  'SELECT APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP FROM performance_schema.replication_applier_status_by_worker' +
  ") AS applied WHERE at > '1970-01-02'";

/** Errors of what the monitor's user may not see, or the server does not have: it is not asked again. */
const NOT_TOLD: ReadonlySet<number> = new Set([1044, 1045, 1064, 1142, 1143, 1146, 1227]);

const ER_SPECIFIC_ACCESS_DENIED = 1227;

/** Looks at one node over a session that it keeps. */
export class NodeProbe {
  readonly address: NodeAddress;
  readonly #login: NodeLogin;
  readonly #timeoutMs: number;
  #connection: MonitorConnection | undefined;
  #opening: Promise<MonitorConnection> | undefined;
  #stopped = false;
  #statusStatement = 'SHOW REPLICA STATUS';
  readonly #notTold = new Set<string>();
  #source: SourceReport | undefined;
  #isUntold = false;
  #group: GroupRole = 'none';
  #groupPrimaries: readonly string[] = [];
  #members: readonly Found[] = [];
  #replicas: readonly Found[] = [];

  constructor(address: NodeAddress, login: NodeLogin, timeoutMs: number) {
    this.address = address;
    this.#login = login;
    this.#timeoutMs = timeoutMs;
  }

  /** Never rejects: a node that does not answer is an observation too. */
  async observe(question: Question): Promise<Observation> {
    try {
      const isNew = this.#connection === undefined;
      const { session, capabilities, flavour } = await this.#connect();
      const askedAtMs = Date.now();
      const [seen] = await this.#ask<Variables>(session, flavour.askNode);
      if (seen === undefined) throw new Error('it gave no answer to its variables');
      if (question.replication || isNew) await this.#lookAtReplication(session, seen.uuid);
      if (question.others || isNew) await this.#lookAtReplicas(session);
      const applyingForMs = question.lag && this.#source !== undefined ? await this.#applyingFor(session) : undefined;
      const source = this.#source;
      const above = source === undefined ? [] : [{ host: source.host, port: source.port, uuid: source.uuid }];
      return {
        kind: 'answered',
        address: this.address,
        serverUuid: seen.uuid,
        serverVersion: seen.version,
        capabilities,
        readOnly: seen.readOnly === 1,
        source,
        sourceUntold: this.#isUntold,
        group: this.#group,
        groupPrimaries: this.#groupPrimaries,
        found: [...this.#replicas, ...this.#members, ...above],
        executed: flavour.parseExecuted(seen.executed) ?? GtidSet.EMPTY,
        committed: flavour.parseCommitted(seen.committed ?? '') ?? GtidSet.EMPTY,
        askedAtMs,
        applyingForMs,
      };
    } catch (error) {
      this.#drop();
      const why = whyOf(error, this.#login.user);
      return { kind: 'silent', address: this.address, why, alive: isAlive(error), refused: isRefusal(error) };
    }
  }

  /** Logs in anew and leaves again: a node that hangs, or is full, may still serve the session that is kept. */
  async logIn(): Promise<Observation | undefined> {
    try {
      const { session } = await this.#login.connect(this.address, this.#timeoutMs);
      session.destroy();
      return undefined;
    } catch (error) {
      const why = `a new login fails: ${whyOf(error, this.#login.user)}`;
      return { kind: 'silent', address: this.address, why, alive: isAlive(error), refused: isRefusal(error) };
    }
  }

  /** For good: a login that is under way leaves again. */
  stop(): void {
    this.#stopped = true;
    this.#drop();
  }

  #drop(): void {
    this.#connection?.session.destroy();
    this.#connection = undefined;
  }

  async #connect(): Promise<MonitorConnection> {
    if (this.#connection !== undefined) return this.#connection;
    // Looks that overlap share it.
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<MonitorConnection> {
    const connection = await this.#login.connect(this.address, this.#timeoutMs);
    if (this.#stopped) {
      connection.session.destroy();
      throw new Error('it is not looked at any more');
    }
    connection.session.on('error', () => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    this.#connection = connection;
    this.#notTold.clear();
    return connection;
  }

  async #lookAtReplication(session: Connection, uuid: string): Promise<void> {
    const rows = await this.#replicaStatusIfTold(session);
    this.#isUntold = rows === undefined;
    // The channels of a group are the group's affair.
    const row = rows?.find((it) => !textIn(it, 'Channel_Name').startsWith('group_replication'));
    this.#source = row === undefined ? undefined : sourceOf(row);
    const members = await this.#askIfTold<RowDataPacket>(session, MEMBERS);
    const online = members.filter((it) => it['state'] === 'ONLINE');
    this.#members = online.map(foundOf);
    this.#groupPrimaries = online.filter((it) => it['role'] === 'PRIMARY').map((it) => textIn(it, 'uuid'));
    const own = online.find((it) => it['uuid'] === uuid);
    this.#group = own === undefined ? 'none' : groupRoleOf(own, members);
  }

  async #lookAtReplicas(session: Connection): Promise<void> {
    const rows = await this.#askIfTold<RowDataPacket>(session, 'SHOW REPLICAS');
    this.#replicas = replicasOf(rows);
  }

  async #applyingFor(session: Connection): Promise<number | undefined> {
    const [row] = await this.#askIfTold<RowDataPacket>(session, APPLYING);
    const ms: unknown = row?.['ms'];
    return ms === undefined || ms === null ? undefined : Math.max(0, Number(ms));
  }

  async #ask<T extends RowDataPacket>(session: Connection, sql: string): Promise<T[]> {
    const [rows] = await session.query<T[]>({ sql, timeout: this.#timeoutMs });
    return rows;
  }

  async #askIfTold<T extends RowDataPacket>(session: Connection, sql: string): Promise<T[]> {
    if (this.#notTold.has(sql)) return [];
    try {
      return await this.#ask<T>(session, sql);
    } catch (error) {
      if (!NOT_TOLD.has(errnoOf(error) ?? 0)) throw error;
      this.#notTold.add(sql);
      return [];
    }
  }

  /** @returns undefined where the monitor's user may not see it, and need not */
  async #replicaStatusIfTold(session: Connection): Promise<RowDataPacket[] | undefined> {
    try {
      return await this.#replicaStatus(session);
    } catch (error) {
      if (!this.#login.mayLackPrivileges || errnoOf(error) !== ER_SPECIFIC_ACCESS_DENIED) throw error;
      return undefined;
    }
  }

  async #replicaStatus(session: Connection): Promise<RowDataPacket[]> {
    try {
      return await this.#ask(session, this.#statusStatement);
    } catch (error) {
      // Servers before 8.0.22, and MariaDB before 10.5, only know the older words.
      if (errnoOf(error) !== 1064 || this.#statusStatement.includes('SLAVE')) throw error;
      this.#statusStatement = 'SHOW SLAVE STATUS';
      return this.#ask(session, this.#statusStatement);
    }
  }
}

function groupRoleOf(own: RowDataPacket, members: readonly RowDataPacket[]): GroupRole {
  const reached = members.filter((it) => it['state'] !== 'UNREACHABLE').length;
  if (reached * 2 <= members.length) return 'minority';
  return own['role'] === 'PRIMARY' ? 'primary' : 'secondary';
}

function foundOf(row: RowDataPacket): Found {
  return { host: textIn(row, 'host'), port: Number(row['port']), uuid: textIn(row, 'uuid') };
}
