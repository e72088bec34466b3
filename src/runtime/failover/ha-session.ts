import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { NodeAddress } from '../../topology/snapshot.js';
import { failoverFlavourOf, type FailoverFlavour } from '../../flavour/failover-of.js';
import { endOlderSessions, leaderAttributes, type LeaderIdentity } from '../coordinator/older-sessions.js';
import type { PromoterLogin } from '../monitor-login.js';
import { errnoOf } from '../probe-failure.js';

const CONNECT_MS = 2_000;

/** As whom a session changes a server: a leader; the one proxy that there is; or one that leads no more, and must not. */
export type HaIdentity = LeaderIdentity | 'alone' | 'deposed';

/** A session to one node for the sake of failovers: kept, so that nothing has to be dialled when every millisecond counts. */
export class HaSession {
  readonly address: NodeAddress;
  readonly #login: PromoterLogin;
  readonly #onClosed: () => void;
  readonly #identity: () => HaIdentity;
  #connection: Connection | undefined;
  /** What this make of server is asked and told. */
  #flavour: FailoverFlavour | undefined;
  /** As whom it was opened. */
  #epoch: number | undefined;
  #closed = false;

  /**
   * @param onClosed the server, or the network, ended a session that was open
   * @param identity of the leader whose session it is: then those of earlier leaders are ended first, and it is none of a later one's; none is opened for one that leads no more
   */
  constructor(
    address: NodeAddress,
    login: PromoterLogin,
    onClosed: () => void,
    identity: () => HaIdentity = () => 'alone',
  ) {
    this.#identity = identity;
    this.address = address;
    this.#login = login;
    this.#onClosed = onClosed;
  }

  get isOpen(): boolean {
    return this.#connection !== undefined;
  }

  /**
   * Rows of a statement.
   * @param timeoutMs none when absent
   * @throws what the server says; or why it cannot be known what it did, and then the session is over
   */
  async query(sql: string, timeoutMs?: number): Promise<RowDataPacket[]> {
    const connection = await this.#connect(timeoutMs ?? CONNECT_MS);
    try {
      const [rows] = await connection.query<RowDataPacket[]>(
        timeoutMs === undefined ? { sql } : { sql, timeout: timeoutMs },
      );
      return Array.isArray(rows) ? rows : [];
    } catch (error) {
      if (!isServersWord(error)) this.#drop(connection);
      throw error;
    }
  }

  /** Of the server at its other end. */
  async flavour(timeoutMs: number): Promise<FailoverFlavour> {
    await this.#connect(timeoutMs);
    if (this.#flavour === undefined) throw new Error('the session has ended');
    return this.#flavour;
  }

  /** So that it is there when it is needed. */
  async open(timeoutMs: number): Promise<void> {
    await this.#connect(timeoutMs);
  }

  close(): void {
    this.#closed = true;
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.destroy();
  }

  async #connect(timeoutMs: number): Promise<Connection> {
    const told = this.#identity();
    // A statement that follows another one may find its session ended by whoever leads now.
    if (told === 'deposed') throw new Error('this proxy does not lead any more');
    const identity = told === 'alone' ? undefined : told;
    if (this.#connection !== undefined && this.#epoch === identity?.epoch) return this.#connection;
    if (this.#connection !== undefined) this.#drop(this.#connection);
    const attributes = identity === undefined ? undefined : leaderAttributes(identity);
    const { session, serverVersion } = await this.#login.connect(this.address, timeoutMs, attributes);
    try {
      if (identity !== undefined) await endOlderSessions(session, identity, timeoutMs, 'ended');
    } catch (error) {
      session.destroy();
      throw error;
    }
    this.#epoch = identity?.epoch;
    // Backslashes in our literals are to mean what we mean, whatever the server's own mode.
    await session.query({ sql: "SET SESSION sql_mode = ''", timeout: timeoutMs });
    if (this.#closed) {
      session.destroy();
      throw new Error('the proxy is shutting down');
    }
    session.on('error', () => {
      if (this.#connection !== session) return;
      this.#connection = undefined;
      this.#onClosed();
    });
    this.#connection = session;
    this.#flavour = failoverFlavourOf(serverVersion);
    return session;
  }

  #drop(connection: Connection): void {
    connection.destroy();
    if (this.#connection === connection) this.#connection = undefined;
  }
}

/** Errors with which a server ends what runs, wherever it stands: shutdown, KILL, idle for too long. */
const INTERRUPTIONS: ReadonlySet<number> = new Set([1053, 1077, 1079, 1152, 1317, 1927, 3032, 3169, 4031]);

/** The server refused: nothing was done. Anything else leaves it open. */
export function isServersWord(error: unknown): boolean {
  if (!(error instanceof Error) || !('sqlState' in error) || INTERRUPTIONS.has(errnoOf(error) ?? 0)) return false;
  return typeof error.sqlState === 'string' && error.sqlState !== '';
}
