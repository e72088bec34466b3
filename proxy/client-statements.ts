import { randomUUID } from 'node:crypto';
import type { KnownStatement } from '../src/classify/known-statement.js';
import type { Session } from '../src/session/session.js';
import { statementKey, type ClientStatement } from './client-statement.js';

/** The statements that a client has prepared, by the ids that it was told. */
export class ClientStatements {
  readonly #session: Session;
  /** Tells this client's statements from all others'. */
  readonly #owner = randomUUID();
  readonly #byId = new Map<number, ClientStatement>();
  /** Statements whose connection has long data or an open cursor for them: until then the session keeps it. */
  readonly #longData = new Set<number>();
  readonly #cursors = new Set<number>();
  #lastId = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** @param sql is kept */
  add(sql: Buffer, { classification, digest, ofConnection }: KnownStatement): ClientStatement {
    this.#lastId = (this.#lastId + 1) >>> 0;
    const { state } = this.#session;
    const key = statementKey(state, sql);
    const statement: ClientStatement = {
      id: this.#lastId,
      sql,
      classification,
      digest,
      kills: ofConnection?.kind === 'kill' ? ofConnection : undefined,
      state,
      key,
      serverKey: key,
      ownKey: `${this.#owner}/${this.#lastId}`,
      bound: false,
      params: 0,
      types: undefined,
    };
    this.#byId.set(statement.id, statement);
    return statement;
  }

  get(id: number): ClientStatement | undefined {
    return this.#byId.get(id);
  }

  delete(statement: ClientStatement): void {
    this.#byId.delete(statement.id);
    this.settled(statement);
  }

  longDataSent(statement: ClientStatement): void {
    statement.bound = true;
    this.#longData.add(statement.id);
    this.#session.pins.add('long-data');
  }

  cursorOpened(statement: ClientStatement): void {
    statement.bound = true;
    this.#cursors.add(statement.id);
    this.#session.pins.add('cursor');
  }

  /** It is bound to its connection by a cursor, and by nothing else. */
  hasOnlyCursor({ id }: ClientStatement): boolean {
    return this.#cursors.has(id) && !this.#longData.has(id);
  }

  /** The statement ran without a cursor, or was reset or closed: nothing of it is left on a connection. */
  settled(statement: ClientStatement): void {
    const { id } = statement;
    statement.bound = false;
    if (this.#longData.delete(id) && this.#longData.size === 0) this.#session.pins.delete('long-data');
    if (this.#cursors.delete(id) && this.#cursors.size === 0) this.#session.pins.delete('cursor');
  }

  clear(): void {
    this.#byId.clear();
    this.#longData.clear();
    this.#cursors.clear();
  }
}
