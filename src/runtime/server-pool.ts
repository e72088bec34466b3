import { createPool, type Pool } from 'generic-pool';
import { DEFAULTS } from '../defaults.js';
import { LoginRefused, RwsplitError } from '../errors.js';
import type { ServerDial } from './dial-server.js';
import type { NodeAddress } from '../topology/snapshot.js';
import type { BackOff } from './back-off.js';
import { ServerConnection, type ConnectionPool, type Holder } from './server-connection.js';

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

const SETTLE_MS = 1_000;

/** What generic-pool says of a connection that it has given up meanwhile: nobody has to act on it, and it must not end the process. */
function ignoreRefusal(done: PromiseLike<void>): void {
  done.then(undefined, () => undefined);
}

export interface PoolSettings {
  readonly max: number;
  readonly queueMax: number;
  readonly acquireTimeoutMs: number;
  readonly idleMs: number;
}

/** The connections to one node for one user and one way of talking. */
export class ServerPool implements ConnectionPool {
  readonly #pool: Pool<ServerConnection | FailedConnection>;
  readonly #node: NodeAddress;
  readonly #dial: ServerDial;
  readonly #backOff: BackOff;
  readonly #settings: PoolSettings;
  readonly #donated: ServerConnection[] = [];
  /** Given back a moment ago, the last one on top. For generic-pool they are still lent: it is asked only where this is empty. */
  readonly #ready: ServerConnection[] = [];
  /** The fewest that lay ready since the last {@link #settle}: so many were not needed. */
  #leastReady = 0;
  #settleTimer: NodeJS.Timeout | undefined;
  /** The one that has held its connection the longest comes first. */
  readonly #holders = new Set<Holder>();
  #ended = false;

  /** @param backOff shared by all pools of the node: a dead node is tried by one of them at a time */
  constructor(node: NodeAddress, dial: ServerDial, backOff: BackOff, settings: PoolSettings) {
    this.#node = node;
    this.#dial = dial;
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

  /**
   * A connection that was in use a moment ago, without a promise's detour: what nearly every statement gets.
   * @returns undefined when there is none: then {@link acquire}
   */
  acquireReady(): ServerConnection | undefined {
    for (let ready = this.#ready.pop(); ready !== undefined; ready = this.#ready.pop()) {
      if (this.#ready.length < this.#leastReady) this.#leastReady = this.#ready.length;
      if (!ready.closed) return ready;
      this.destroy(ready);
    }
    return undefined;
  }

  /** @throws RwsplitError, LoginRefused */
  async acquire(): Promise<ServerConnection> {
    const ready = this.acquireReady();
    if (ready !== undefined) return ready;
    for (;;) {
      const made = await this.#take();
      if (made instanceof ServerConnection) {
        made.pool = this;
        if (!made.closed) return made;
        this.destroy(made);
      } else {
        ignoreRefusal(this.#pool.destroy(made));
        throw made.error;
      }
    }
  }

  /** Somebody waits for a connection. */
  get awaited(): boolean {
    return this.#pool.pending > 0;
  }

  hold(holder: Holder): void {
    this.#holders.add(holder);
  }

  unhold(holder: Holder): void {
    this.#holders.delete(holder);
  }

  async #take(): Promise<ServerConnection | FailedConnection> {
    if (this.#pool.available === 0 && this.#pool.size >= this.#settings.max) {
      this.#reclaim();
      const givenUp = this.acquireReady();
      if (givenUp !== undefined) return givenUp;
    }
    try {
      return await this.#pool.acquire();
    } catch (cause) {
      const { name, host, port } = this.#node;
      throw new RwsplitError(
        'pool-exhausted',
        `all ${this.#settings.max} connections of '${this.#dial.login.user}' to ${name} (${host}:${port}) were in use ` +
          `for ${this.#settings.acquireTimeoutMs} ms; end idle transactions, or raise the pool's maximum`,
        { cause },
      );
    }
  }

  release(connection: ServerConnection): void {
    if (connection.closed) this.destroy(connection);
    else if (this.#pool.pending > 0 || this.#ended) this.#giveBack(connection);
    else {
      this.#ready.push(connection);
      this.#settleTimer ??= setTimeout(() => this.#settle(), SETTLE_MS).unref();
    }
  }

  /** Gives the connections that were not needed lately to generic-pool, which ends those that stay idle. */
  #settle(): void {
    this.#settleTimer = undefined;
    for (const connection of this.#ready.splice(0, this.#leastReady)) this.#giveBack(connection);
    this.#leastReady = this.#ready.length;
    if (this.#ready.length > 0) this.#settleTimer = setTimeout(() => this.#settle(), SETTLE_MS).unref();
  }

  #giveBack(connection: ServerConnection): void {
    ignoreRefusal(this.#pool.release(connection));
  }

  destroy(connection: ServerConnection): void {
    ignoreRefusal(this.#pool.destroy(connection));
  }

  /** Takes a connection that was opened elsewhere with this pool's login: the next one needed is that one. */
  donate(connection: ServerConnection): void {
    this.#donated.push(connection);
  }

  /** Ends all connections, those in use when they come back. */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#settleTimer);
    for (const connection of this.#donated.splice(0)) connection.close();
    for (const connection of this.#ready.splice(0)) this.#giveBack(connection);
    await this.#pool.drain();
    await this.#pool.clear();
  }

  #reclaim(): void {
    for (const holder of this.#holders) {
      this.#holders.delete(holder);
      if (holder.giveUp(this)) return;
    }
  }

  async #create(): Promise<ServerConnection | FailedConnection> {
    for (let given = this.#donated.pop(); given !== undefined; given = this.#donated.pop()) {
      if (!given.closed) return given;
    }
    const refusal = this.#backOff.refusal(Date.now());
    if (refusal !== undefined) return new FailedConnection(refusal);
    try {
      const connection = await ServerConnection.open(this.#node, this.#dial, DEFAULTS.serverLoginTimeoutMs);
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
