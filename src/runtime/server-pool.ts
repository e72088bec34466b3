import { createPool, type Pool } from 'generic-pool';
import { DEFAULTS } from '../defaults.js';
import { LoginRefused, RwsplitError } from '../errors.js';
import type { ServerLoginOptions } from '../protocol/auth/server-login.js';
import type { NodeAddress } from '../topology/snapshot.js';
import type { BackOff } from './back-off.js';
import { ServerConnection } from './server-connection.js';

/**
 * Stands in the pool for a connection that could not be made. generic-pool asks a factory that rejects again at once and
 * without end, and leaves those who wait waiting; so the factory always gives something, and each taker learns its own failure.
 */
class FailedConnection {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

export interface PoolSettings {
  readonly max: number;
  readonly queueMax: number;
  readonly acquireTimeoutMs: number;
  readonly idleMs: number;
}

/** The connections to one node for one user and one way of talking. */
export class ServerPool {
  readonly #pool: Pool<ServerConnection | FailedConnection>;
  readonly #node: NodeAddress;
  readonly #login: ServerLoginOptions;
  readonly #backOff: BackOff;
  readonly #settings: PoolSettings;
  readonly #donated: ServerConnection[] = [];

  /** @param backOff shared by all pools of the node: a dead node is tried by one of them at a time */
  constructor(node: NodeAddress, login: ServerLoginOptions, backOff: BackOff, settings: PoolSettings) {
    this.#node = node;
    this.#login = login;
    this.#backOff = backOff;
    this.#settings = settings;
    this.#pool = createPool<ServerConnection | FailedConnection>(
      { create: async () => this.#create(), destroy: async (made) => this.#destroy(made) },
      {
        min: 0,
        max: settings.max,
        maxWaitingClients: settings.queueMax,
        acquireTimeoutMillis: settings.acquireTimeoutMs,
        idleTimeoutMillis: settings.idleMs,
        evictionRunIntervalMillis: DEFAULTS.poolEvictionIntervalMs,
        // The one used last is the likeliest to fit, and the others get idle.
        fifo: false,
      },
    );
  }

  /** Connections made, idle ones included. */
  get size(): number {
    return this.#pool.size;
  }

  /** @throws RwsplitError, LoginRefused */
  async acquire(): Promise<ServerConnection> {
    for (;;) {
      const made = await this.#take();
      if (made instanceof ServerConnection) {
        if (!made.closed) return made;
        this.destroy(made);
      } else {
        void this.#pool.destroy(made);
        throw made.error;
      }
    }
  }

  async #take(): Promise<ServerConnection | FailedConnection> {
    try {
      return await this.#pool.acquire();
    } catch (cause) {
      const { name, host, port } = this.#node;
      throw new RwsplitError(
        'pool-exhausted',
        `all ${this.#settings.max} connections of '${this.#login.user}' to ${name} (${host}:${port}) were in use ` +
          `for ${this.#settings.acquireTimeoutMs} ms; end idle transactions, or raise the pool's maximum`,
        { cause },
      );
    }
  }

  /** Gives back a connection on which nothing is left of its session but what its `state` says. */
  release(connection: ServerConnection): void {
    if (connection.closed) this.destroy(connection);
    else void this.#pool.release(connection);
  }

  /** Gives back a connection that nobody may use again. */
  destroy(connection: ServerConnection): void {
    void this.#pool.destroy(connection);
  }

  /** Takes a connection that was opened elsewhere with this pool's login: the next one needed is that one. */
  donate(connection: ServerConnection): void {
    this.#donated.push(connection);
  }

  /** Ends all connections, those in use when they come back. */
  async end(): Promise<void> {
    for (const connection of this.#donated.splice(0)) connection.close();
    await this.#pool.drain();
    await this.#pool.clear();
  }

  async #create(): Promise<ServerConnection | FailedConnection> {
    for (let given = this.#donated.pop(); given !== undefined; given = this.#donated.pop()) {
      if (!given.closed) return given;
    }
    const refusal = this.#backOff.refusal(Date.now());
    if (refusal !== undefined) return new FailedConnection(refusal);
    try {
      const connection = await ServerConnection.open(this.#node, this.#login, DEFAULTS.serverLoginTimeoutMs);
      this.#backOff.succeeded();
      return connection;
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      // A refused login says nothing about the node.
      if (!(failure instanceof LoginRefused)) this.#backOff.failed(Date.now(), failure);
      return new FailedConnection(failure);
    }
  }

  #destroy(made: ServerConnection | FailedConnection): void {
    if (made instanceof ServerConnection) made.close();
  }
}
