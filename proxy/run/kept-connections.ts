import type { ServerConnection } from '../../src/runtime/server-connection.js';
import type { Session } from '../../src/session/session.js';

/**
 * The server connections that stay with a session between its statements:
 *
 * - **primary**: a transaction is open there, or a pin or hold needs it;
 * - **previous**: a replica's, when the previous statement left warnings or an error there;
 * - **transaction**: a replica's, with an open read-only transaction.
 */
export class KeptConnections {
  #primary: ServerConnection | undefined;
  #previous: ServerConnection | undefined;
  #transaction: ServerConnection | undefined;
  /** Which of them ran the previous statement. */
  #last: ServerConnection | undefined;
  /** On which of them FOUND_ROWS() is the session's: it gave the session's last rows, or was told of them. */
  #rowsFrom: ServerConnection | undefined;
  readonly #onClosed: (connection: ServerConnection) => void;

  /** @param onPrimaryClosed the server ended the kept connection to the primary while nothing ran there */
  constructor(onPrimaryClosed: (connection: ServerConnection) => void) {
    this.#onClosed = (connection) => {
      const wasPrimary = connection === this.#primary;
      this.discard(connection);
      if (wasPrimary) onPrimaryClosed(connection);
    };
  }

  get primary(): ServerConnection | undefined {
    return this.#primary;
  }

  get previous(): ServerConnection | undefined {
    return this.#previous;
  }

  get transaction(): ServerConnection | undefined {
    return this.#transaction;
  }

  /** All of them, by what they are kept as. */
  get list(): readonly (readonly ['primary' | 'previous' | 'transaction', ServerConnection])[] {
    const places = [
      ['primary', this.#primary],
      ['previous', this.#previous],
      ['transaction', this.#transaction],
    ] as const;
    return places.flatMap(([as, connection]) => (connection === undefined ? [] : [[as, connection] as const]));
  }

  ranPrevious(connection: ServerConnection): boolean {
    return connection === this.#last;
  }

  /** FOUND_ROWS() is the session's on a connection, kept or not yet; or on none. */
  noteRows(connection: ServerConnection | undefined): void {
    this.#rowsFrom = connection;
  }

  hasRows(connection: ServerConnection): boolean {
    return connection === this.#rowsFrom;
  }

  has(connection: ServerConnection): boolean {
    return connection === this.#primary || connection === this.#previous || connection === this.#transaction;
  }

  /** A statement has ended: its connection stays, or goes back. */
  settle(connection: ServerConnection, as: 'primary' | 'previous' | 'transaction', keeps: boolean): void {
    const rowsFrom = this.#rowsFrom;
    this.#forget(connection);
    if (keeps) this.#rowsFrom = rowsFrom;
    this.#last = keeps ? connection : undefined;
    switch (as) {
      case 'primary':
        this.#primary = this.#last;
        break;
      case 'previous':
        this.#previous = this.#last;
        break;
      case 'transaction':
        this.#transaction = this.#last;
    }
    if (keeps) connection.onClosed = this.#onClosed;
    else this.#giveBack(connection);
  }

  releasePrimary(): void {
    const connection = this.#primary;
    if (connection === undefined) return;
    this.#forget(connection);
    this.#giveBack(connection);
  }

  releasePrevious(): void {
    const connection = this.#previous;
    if (connection === undefined) return;
    this.#forget(connection);
    this.#giveBack(connection);
  }

  /** Gives a connection back that is not, or no longer, the session's. */
  release(connection: ServerConnection): void {
    this.#forget(connection);
    this.#giveBack(connection);
  }

  /** Ends a connection that nobody may use again. */
  discard(connection: ServerConnection): void {
    this.#forget(connection);
    connection.onClosed = undefined;
    connection.destroy();
    connection.pool?.destroy(connection);
  }

  /** A connection is no longer the session's, whatever becomes of it. */
  forget(connection: ServerConnection): void {
    this.#forget(connection);
    connection.onClosed = undefined;
  }

  /** The session is over: what it left on connections must reach nobody else. @param running where its statement still runs */
  end(session: Session, running: ServerConnection | undefined): void {
    const primary = this.#primary;
    if (running !== undefined) this.discard(running);
    this.releasePrevious();
    if (this.#transaction !== undefined) this.discard(this.#transaction);
    if (primary === undefined || primary === running) return;
    if (session.inTransaction || session.pins.size > 0 || session.leavesMore) {
      this.discard(primary);
      return;
    }
    primary.insertIdLeft = session.holds.has('last-insert-id');
    this.release(primary);
  }

  #forget(connection: ServerConnection): void {
    if (connection === this.#primary) this.#primary = undefined;
    if (connection === this.#previous) this.#previous = undefined;
    if (connection === this.#transaction) this.#transaction = undefined;
    if (connection === this.#last) this.#last = undefined;
    if (connection === this.#rowsFrom) this.#rowsFrom = undefined;
  }

  #giveBack(connection: ServerConnection): void {
    connection.onClosed = undefined;
    // What is to interrupt one session's statement might hit the next one's.
    if (connection.kills > 0 || connection.isTainted) this.discard(connection);
    else connection.pool?.release(connection);
  }
}
