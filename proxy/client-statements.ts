import type { Session } from '../src/session/session.js';
import type { ClientStatement } from './client-statement.js';

/** The statements that a client has prepared, by the ids that it was told. */
export class ClientStatements {
  readonly #session: Session;
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

  nextId(): number {
    this.#lastId = (this.#lastId + 1) >>> 0;
    return this.#lastId;
  }

  add(statement: ClientStatement): void {
    this.#byId.set(statement.id, statement);
  }

  get(id: number): ClientStatement | undefined {
    return this.#byId.get(id);
  }

  delete(id: number): void {
    this.#byId.delete(id);
    this.settled(id);
  }

  hasLongData(id: number): boolean {
    return this.#longData.has(id);
  }

  /** Whether a connection has something of this statement that another has not. */
  isBound(id: number): boolean {
    return this.#longData.has(id) || this.#cursors.has(id);
  }

  longDataSent(id: number): void {
    this.#longData.add(id);
    this.#session.pins.add('long-data');
  }

  cursorOpened(id: number): void {
    this.#cursors.add(id);
    this.#session.pins.add('cursor');
  }

  /** The statement ran without a cursor, or was reset or closed: nothing of it is left on a connection. */
  settled(id: number): void {
    if (this.#longData.delete(id) && this.#longData.size === 0) this.#session.pins.delete('long-data');
    if (this.#cursors.delete(id) && this.#cursors.size === 0) this.#session.pins.delete('cursor');
  }

  clear(): void {
    this.#byId.clear();
    this.#longData.clear();
    this.#cursors.clear();
  }
}
