import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { NodeAddress } from '../../topology/snapshot.js';
import { failoverFlavourOf, type FailoverFlavour } from '../../flavour/failover-of.js';
import { endOlderSessions, leaderAttributes, type LeaderIdentity } from '../coordinator/older-sessions.js';
import type { PromoterLogin } from '../monitor-login.js';
import { errnoOf } from '../probe-failure.js';
import { endLeftSessions } from './left-sessions.js';

const CONNECT_MS = 2_000;

/** As whom a session changes a server: a leader; the one proxy that there is; or one that leads no more, and must not. */
export type HaIdentity = LeaderIdentity | 'alone' | 'deposed';

/** A session to one node for the sake of failovers: kept, so that nothing has to be dialled when every millisecond counts. */
export class HaSession {
  readonly address: NodeAddress;
  readonly #login: PromoterLogin;
  readonly #onClosed: () => void;
  readonly #identity: (() => HaIdentity) | undefined;
  /** Of sessions that were given up, and may yet do what they were told. */
  readonly #left = new Set<number>();
  /** Ends the waiting for what is under way. */
  readonly #underWay = new Set<() => void>();
  #abandoned = 0;
  #connection: Connection | undefined;
  /** What this make of server is asked and told. */
  #flavour: FailoverFlavour | undefined;
  #opening: { readonly abandoned: number; readonly done: Promise<void> } | undefined;
  /** As whom it was opened. */
  #epoch: number | undefined;
  #closed = false;

  /**
   * @param onClosed the server, or the network, ended a session that was open
   * @param identity of the leader whose session it is: then those of earlier leaders are ended first, and it is none of a later one's; none is opened
   * for one that leads no more. Who is alone ends its own earlier ones
   */
  constructor(address: NodeAddress, login: PromoterLogin, onClosed: () => void, identity?: () => HaIdentity) {
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
    return this.#unlessGivenUp(this.#query(sql, timeoutMs));
  }

  /** Nobody waits any more for what is under way: it may be carried out, or not, and is over before anything else is said. */
  abandon(): void {
    this.#abandoned++;
    for (const giveUp of this.#underWay) giveUp();
    if (this.#connection !== undefined) this.#drop(this.#connection);
  }

  async #unlessGivenUp<T>(done: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new Error('it was given up for something that is more urgent'));
      this.#underWay.add(giveUp);
      done.then(resolve, reject).finally(() => this.#underWay.delete(giveUp));
    });
  }

  async #query(sql: string, timeoutMs: number | undefined): Promise<RowDataPacket[]> {
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
    await this.#unlessGivenUp(this.#connect(timeoutMs));
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
    const told = this.#identity?.() ?? 'alone';
    // A statement that follows another one may find its session ended by whoever leads now.
    if (told === 'deposed') throw new Error('this proxy does not lead any more');
    const identity = told === 'alone' ? undefined : told;
    if (this.#connection !== undefined && this.#epoch === identity?.epoch) return this.#connection;
    // Two at once would end each other: one that was given up comes to its end first.
    if (this.#opening !== undefined && this.#opening.abandoned !== this.#abandoned) {
      await this.#opening.done.catch(() => undefined);
      return this.#connect(timeoutMs);
    }
    this.#opening ??= {
      abandoned: this.#abandoned,
      done: this.#open(timeoutMs, identity).finally(() => {
        this.#opening = undefined;
      }),
    };
    await this.#opening.done;
    return this.#connect(timeoutMs);
  }

  async #open(timeoutMs: number, identity: LeaderIdentity | undefined): Promise<void> {
    if (this.#connection !== undefined) this.#drop(this.#connection);
    const attributes = identity === undefined ? undefined : leaderAttributes(identity);
    const dialled = this.#login.connect(this.address, timeoutMs, attributes);
    const { session, serverVersion } = await this.#unlessGivenUp(dialled).catch((error: unknown) => {
      dialled.then(
        (late) => late.session.destroy(),
        () => undefined,
      );
      throw error;
    });
    try {
      await this.#unlessGivenUp(this.#prepare(session, identity, timeoutMs));
      if (this.#closed) throw new Error('the proxy is shutting down');
    } catch (error) {
      session.destroy();
      throw error;
    }
    this.#epoch = identity?.epoch;
    session.on('error', () => {
      if (this.#connection !== session) return;
      this.#connection = undefined;
      this.#left.add(session.threadId);
      this.#onClosed();
    });
    this.#connection = session;
    this.#flavour = failoverFlavourOf(serverVersion);
  }

  async #prepare(session: Connection, identity: LeaderIdentity | undefined, timeoutMs: number): Promise<void> {
    const left = new Set(this.#left);
    if (identity !== undefined) await endOlderSessions(session, identity, timeoutMs, 'ended');
    else if (this.#identity !== undefined && left.size > 0) await endLeftSessions(session, left, timeoutMs);
    for (const id of left) this.#left.delete(id);
    // Backslashes in our literals are to mean what we mean, whatever the server's own mode.
    await session.query({ sql: "SET SESSION sql_mode = ''", timeout: timeoutMs });
  }

  #drop(connection: Connection): void {
    connection.destroy();
    this.#left.add(connection.threadId);
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
