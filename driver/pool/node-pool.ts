import { tracingChannel } from 'node:diagnostics_channel';
import {
  core,
  type ConnectionCallback,
  type CoreConnection,
  type CorePool,
  type PoolSettings,
  type QueryError,
} from '../mysql2/internals.js';
import type { Comforts } from '../options.js';

/** On which mysql2 tells who listens that a connection is asked for. */
const ASKED_FOR = tracingChannel('mysql2:pool:connect');

function listOf(queue: CorePool['_allConnections']): CoreConnection[] {
  return Array.from({ length: queue.length }, (_, at) => queue.get(at)).filter((it) => it !== undefined);
}

/** A mysql2 pool of one server, with the comforts that mysql2 lacks. Without any it does nothing of its own. */
export class NodePool extends core.Pool {
  readonly #comforts: Comforts;
  readonly #isPlain: boolean;
  readonly #lent = new Map<CoreConnection, () => void>();
  /** Whose login is over. */
  readonly #made = new WeakSet<CoreConnection>();
  /** When each was handed out first: it had just been made. */
  readonly #madeAtMs = new WeakMap<CoreConnection, number>();

  constructor(settings: PoolSettings, comforts: Comforts) {
    super({ config: settings });
    this.#comforts = comforts;
    this.on('connection', (connection: CoreConnection) => this.#made.add(connection));
    this.#isPlain = Object.values(comforts).every((value) => value === undefined);
  }

  /** How many there are, are free, and are waited for. */
  get load(): { connections: number; free: number; waiting: number } {
    return {
      connections: this._allConnections.length,
      free: this._freeConnections.length,
      waiting: this._connectionQueue.length,
    };
  }

  connections(): CoreConnection[] {
    return listOf(this._allConnections);
  }

  isFree(connection: CoreConnection): boolean {
    return listOf(this._freeConnections).includes(connection);
  }

  /** Nobody waits any more for what the server does not answer, or only for a connection. */
  giveUp(error: () => QueryError, onlyWaiting: boolean): void {
    for (;;) {
      const waiting = this._connectionQueue.shift();
      if (waiting === undefined) break;
      process.nextTick(() => waiting(error()));
    }
    for (const connection of this.connections()) {
      if (!onlyWaiting || !this.#made.has(connection)) connection.stream.destroy(error());
    }
  }

  /** The connection is kept for what may be asked of it next; whoever needs one has it. @param giveUp it is to be released */
  lend(connection: CoreConnection, giveUp: () => void): void {
    this.#lent.set(connection, giveUp);
  }

  /** The connection is needed itself. */
  reclaim(connection: CoreConnection): void {
    this.#lent.delete(connection);
  }

  /**
   * A connection that is free, if the pool does nothing of its own with it: mysql2 hands it out by a callback, one tick later, which costs each
   * statement something.
   */
  takeFree(): CoreConnection | undefined {
    if (!this.#isPlain || this._closed || ASKED_FOR.hasSubscribers) return undefined;
    const connection = this._freeConnections.pop();
    if (connection === undefined) return undefined;
    connection._released = false;
    this.emit('acquire', connection);
    return connection;
  }

  override getConnection(callback: ConnectionCallback): void {
    if (this.#lent.size > 0 && this._freeConnections.length === 0) this.#makeRoom();
    if (this.#isPlain) super.getConnection(callback);
    else this.#acquire(this.#withTimeout(callback));
  }

  #makeRoom(): void {
    const { connectionLimit } = this.config;
    if (connectionLimit === 0 || this._allConnections.length < connectionLimit) return;
    for (const [connection, giveUp] of this.#lent) {
      this.#lent.delete(connection);
      giveUp();
      return;
    }
  }

  /** Until there is one that is young and answers. */
  #acquire(callback: ConnectionCallback): void {
    super.getConnection((error, connection) => {
      if (connection === undefined || error !== null) {
        callback(error);
        return;
      }
      const { maxLifetime = Infinity, validateAfterIdle = Infinity } = this.#comforts;
      const nowMs = Date.now();
      const madeAtMs = this.#madeAtMs.get(connection);
      if (madeAtMs === undefined) {
        this.#madeAtMs.set(connection, nowMs);
        callback(null, connection);
      } else if (nowMs - madeAtMs > maxLifetime) {
        connection.destroy();
        this.#acquire(callback);
      } else if (nowMs - connection.lastActiveTime > validateAfterIdle) {
        this.#validate(connection, callback);
      } else callback(null, connection);
    });
  }

  #validate(connection: CoreConnection, callback: ConnectionCallback): void {
    connection.ping((error) => {
      if (error === null || error === undefined) {
        callback(null, connection);
        return;
      }
      connection.destroy();
      this.#acquire(callback);
    });
  }

  /** One that comes too late goes back. */
  #withTimeout(callback: ConnectionCallback): ConnectionCallback {
    const { acquireTimeout } = this.#comforts;
    if (acquireTimeout === undefined) return callback;
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      const error = new Error(`No connection became available in ${acquireTimeout} ms.`);
      callback(Object.assign(error, { code: 'POOL_ACQUIRE_TIMEOUT' }));
    }, acquireTimeout);
    return (error, connection) => {
      if (isOver) {
        connection?.release();
        return;
      }
      clearTimeout(timer);
      callback(error, connection);
    };
  }
}
