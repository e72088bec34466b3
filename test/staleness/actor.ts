import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Consistency } from '../../src/session/consistency.js';
import { pick } from '../random.js';
import type { Moment, Token } from './history.js';
import { SCHEMA, type Run } from './run.js';

/** The transaction of a replica that is gone: clients begin it anew. */
const ER_LOCK_DEADLOCK = 1213;

/** A key that one actor writes, whatever session it has. */
export interface Key {
  readonly id: number;
  value: number;
}

/** A token of another session, on its way. */
interface Handed {
  readonly text: string;
  readonly token: Token;
}

/** A client that has one session after the other, writes its own keys, and reads all. */
export class Actor {
  readonly run: Run;
  readonly level: Consistency;
  readonly keys: readonly Key[];
  readonly readCommitted: boolean;
  /** What others have handed to it. */
  readonly inbox: Handed[] = [];
  session: number;
  #connection: Connection | undefined;
  /** What is happening, for reports. */
  step = '';

  constructor(run: Run, level: Consistency, keys: readonly Key[]) {
    this.run = run;
    this.level = level;
    this.keys = keys;
    this.readCommitted = run.random.below(2) === 0;
    this.session = run.nextSession();
  }

  get connection(): Connection {
    if (this.#connection === undefined) throw new Error('the actor has no session');
    return this.#connection;
  }

  get now(): Moment {
    return this.run.history.now;
  }

  /** One of its own. */
  get ownKey(): Key {
    return pick(this.run.random, this.keys);
  }

  async begin(): Promise<void> {
    this.#connection = await createConnection({ ...this.run.server, database: SCHEMA, multipleStatements: true });
    this.#connection.on('error', () => {});
    this.session = this.run.nextSession();
    await this.connection.query(`SET @rwsplit_consistency = '${this.level}'`);
    if (this.readCommitted) await this.connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  }

  async end(): Promise<void> {
    await this.#connection?.end().catch(() => this.#connection?.destroy());
    this.run.history.ended(this.session);
    this.#connection = undefined;
  }

  /** A value that nobody has written. */
  nextValue(key: Key): number {
    key.value++;
    return key.value;
  }

  /** Values of keys that are about to be committed by `commit`. */
  async commits(written: ReadonlyMap<number, number>, commit: () => Promise<unknown>): Promise<void> {
    const { history } = this.run;
    for (const [key, value] of written) history.sent(key, value);
    await commit();
    for (const [key, value] of written) history.acknowledged(this.session, key, value);
  }

  /** Reads keys. @param sql with the columns node, k and v */
  async reads(ask: () => Promise<RowDataPacket[]>, how: ReadOptions = {}): Promise<void> {
    const { since = this.now, level = this.level, pending } = how;
    const rows = await ask();
    for (const row of rows) {
      const [key, value, node] = [Number(row['k']), Number(row['v']), Number(row['node'])];
      const read = { session: this.session, level, key, value, since, pending: pending?.get(key) };
      this.run.read(read, node, this.step);
    }
  }

  async rows(sql: string): Promise<RowDataPacket[]> {
    const [rows] = await this.connection.query<RowDataPacket[]>(sql);
    return rows;
  }

  /** @returns whether the statements went through; false where a client has to expect that they do not */
  async attempt(statements: () => Promise<void>): Promise<boolean> {
    try {
      await statements();
      return true;
    } catch (error) {
      const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
      if (errno !== ER_LOCK_DEADLOCK) throw error;
      this.run.errors.set(errno, (this.run.errors.get(errno) ?? 0) + 1);
      return false;
    }
  }

  async takeTokens(): Promise<void> {
    for (const { text, token } of this.inbox.splice(0)) {
      await this.connection.query(`SET @rwsplit_token = '${text}'`);
      this.run.history.took(this.session, token);
    }
  }
}

export interface ReadOptions {
  readonly since?: Moment;
  readonly level?: Consistency;
  readonly pending?: ReadonlyMap<number, number>;
}
