import { createPool, type Pool } from 'generic-pool';
import { DEFAULTS } from '../defaults.js';
import { LoginRefused, RwsplitError } from '../errors.js';
import type { SessionState } from '../session/session-state.js';
import type { NodeAddress } from '../topology/snapshot.js';
import type { BudgetUser, ConnectionBudget } from './connection-budget.js';
import type { ServerDial } from './dial-server.js';
import { unlessGivenUp, type NodeShared } from './node-shared.js';
import { ServerConnection, type ConnectionPool, type Holder } from './server-connection.js';

/**
 * Stands in the pool for a connection that could not be made. generic-pool asks a factory that rejects again at once and
 * without end, and leaves those who wait waiting; so the factory always gives something, and each taker learns its own failure.
 */
class FailedConnection {
  readonly error: Error;
  readonly atMs: number;

  constructor(error: Error) {
    this.error = error;
    this.atMs = Date.now();
  }
}

const SETTLE_MS = 1_000;
/** So many of the connections that lie ready are looked at for one that fits. */
const MAX_LOOKED_AT = 16;

/** What generic-pool says of a connection that it has given up meanwhile: nobody has to act on it, and it must not end the process. */
function ignoreRefusal(done: PromiseLike<void>): void {
  done.then(undefined, () => undefined);
}

export interface PoolSettings {
  /** Kept even when they are idle. */
  readonly min: number;
  /** For each user and node, in all pools. */
  readonly max: number;
  readonly queueMax: number;
  readonly acquireTimeoutMs: number;
  readonly idleMs: number;
  /** A connection is closed after so long, give or take a tenth, so that they are not all replaced at once. */
  readonly maxLifetimeMs: number;
}

/** What a pool is doing. */
export interface PoolStatus {
  readonly connections: number;
  readonly idle: number;
  /** Clients that wait for a connection. */
  readonly waiting: number;
  /** Connections of the user on the node, in all pools, and how many there may be. */
  readonly open: number;
  readonly max: number;
}

/** The connections to one node for one user and one way of talking. */
export class ServerPool implements ConnectionPool, BudgetUser {
  readonly #pool: Pool<ServerConnection | FailedConnection>;
  readonly #node: NodeAddress;
  readonly #dial: ServerDial;
  readonly #shared: NodeShared;
  readonly #budget: ConnectionBudget;
  readonly #settings: PoolSettings;
  readonly #donated: ServerConnection[] = [];
  /** Given back a moment ago, the last one on top. For generic-pool they are still lent: it is asked only where this is empty. */
  readonly #ready: ServerConnection[] = [];
  /** The fewest that lay ready since the last {@link #settle}: so many were not needed. */
  #leastReady = 0;
  #settleTimer: NodeJS.Timeout | undefined;
  /** A clock that is cheap to read: as of the last {@link #settle}. */
  #nowMs = Date.now();
  /** Since when each has held its connection; the one that has the longest comes first. */
  readonly #holders = new Map<Holder, number>();
  /** Whoever one is made for may have got another one meanwhile. */
  #creating = 0;
  #ended = false;

  /**
   * @param shared by all pools of the node
   * @param budget shared by all pools of the node and user
   */
  constructor(
    node: NodeAddress,
    dial: ServerDial,
    shared: NodeShared,
    budget: ConnectionBudget,
    settings: PoolSettings,
  ) {
    this.#node = node;
    this.#dial = dial;
    this.#shared = shared;
    this.#budget = budget;
    this.#settings = settings;
    budget.join(this);
    this.#pool = createPool<ServerConnection | FailedConnection>(
      {
        create: async () => this.#create(),
        destroy: async (made) => this.#close(made),
        validate: async (made) => made instanceof FailedConnection || this.#isGood(made),
      },
      {
        min: settings.min,
        max: settings.max,
        maxWaitingClients: settings.queueMax,
        acquireTimeoutMillis: settings.acquireTimeoutMs,
        softIdleTimeoutMillis: settings.idleMs,
        evictionRunIntervalMillis: DEFAULTS.poolEvictionIntervalMs,
        testOnBorrow: true,
        // The one used last is the likeliest to fit, and the others get idle.
        fifo: false,
      },
    );
  }

  get status(): PoolStatus {
    const { size, available, pending } = this.#pool;
    const { open, max } = this.#budget;
    return { connections: size, idle: available + this.#ready.length, waiting: pending, open, max };
  }

  /**
   * A connection that was in use a moment ago, without a promise's detour: what nearly every statement gets.
   * @param wanted what the session is in: a connection that is in it already needs nothing set
   * @returns undefined when there is none: then {@link acquire}
   */
  acquireReady(wanted: SessionState): ServerConnection | undefined {
    const ready = this.#ready;
    for (let found = ready.length - 1; found >= 0; found = ready.length - 1) {
      const last = Math.max(0, ready.length - MAX_LOOKED_AT);
      for (let i = found; i >= last; i--) {
        if (ready[i]?.state !== wanted) continue;
        found = i;
        break;
      }
      const connection = found === ready.length - 1 ? ready.pop() : ready.splice(found, 1)[0];
      if (ready.length < this.#leastReady) this.#leastReady = ready.length;
      if (connection === undefined) return undefined;
      if (!connection.closed) return connection;
      this.destroy(connection);
    }
    return undefined;
  }

  /** @throws RwsplitError, LoginRefused */
  async acquire(wanted: SessionState): Promise<ServerConnection> {
    const ready = this.acquireReady(wanted);
    if (ready !== undefined) return ready;
    const sinceMs = Date.now();
    for (;;) {
      const made = await this.#take(wanted);
      if (made instanceof ServerConnection) {
        made.pool = this;
        if (!made.closed) return made;
        this.destroy(made);
      } else {
        ignoreRefusal(this.#pool.destroy(made));
        // One that was made for nobody in particular says nothing of now.
        if (made.atMs >= sinceMs) throw made.error;
      }
    }
  }

  /** Somebody waits for a connection. */
  get awaited(): boolean {
    return this.#pool.pending > 0;
  }

  hold(holder: Holder): void {
    this.#holders.set(holder, Date.now());
  }

  unhold(holder: Holder): void {
    this.#holders.delete(holder);
  }

  async #take(wanted: SessionState): Promise<ServerConnection | FailedConnection> {
    const isFull = this.#pool.available === 0 && this.#budget.open >= this.#settings.max;
    // Where a connection lies idle in another pool, or will here in a moment, no session has to give up its own.
    if (isFull && this.#creating <= this.#pool.pending && !this.#budget.hasIdleBeside(this)) {
      this.reclaim();
      const givenUp = this.acquireReady(wanted);
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
    const wanted = this.#pool.pending > 0;
    if (!this.#isGood(connection) || this.#budget.makesRoom(wanted)) this.destroy(connection);
    else if (wanted || this.#ended) this.#giveBack(connection);
    else {
      this.#ready.push(connection);
      this.#settleTimer ??= setTimeout(() => this.#settle(), SETTLE_MS).unref();
    }
  }

  #isGood(connection: ServerConnection): boolean {
    return !connection.closed && connection.expiresAtMs > this.#nowMs;
  }

  /** Gives the connections that were not needed lately to generic-pool, which ends those that stay idle. */
  #settle(): void {
    this.#settleTimer = undefined;
    this.#nowMs = Date.now();
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

  get hasIdle(): boolean {
    return this.#ready.length > 0 || this.#pool.available > this.#pool.pending;
  }

  spare(): boolean {
    const ready = this.#ready.shift();
    if (ready !== undefined) {
      this.#leastReady = Math.min(this.#leastReady, this.#ready.length);
      this.destroy(ready);
      return true;
    }
    if (this.#pool.available > this.#pool.pending) {
      void this.#pool.acquire().then(
        (idle) => ignoreRefusal(this.#pool.destroy(idle)),
        () => undefined,
      );
      return true;
    }
    return false;
  }

  /** Ends all connections, those in use when they come back. */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#settleTimer);
    for (const connection of this.#donated.splice(0)) connection.close();
    for (const connection of this.#ready.splice(0)) this.#giveBack(connection);
    await this.#pool.drain();
    await this.#pool.clear();
    this.#budget.leave(this);
  }

  /** Takes back what nobody but a question about an earlier statement needs, where that has not come for a while. */
  reclaimOld(): void {
    const untilMs = Date.now() - DEFAULTS.drainHeldMs;
    for (const [holder, sinceMs] of this.#holders) {
      if (sinceMs > untilMs) return;
      this.#holders.delete(holder);
      holder.giveUp(this);
    }
  }

  /** Sessions that can do without the connection that they keep give it back. */
  reclaimAll(): void {
    for (const holder of this.#holders.keys()) {
      this.#holders.delete(holder);
      holder.giveUp(this);
    }
  }

  reclaim(): boolean {
    for (const holder of this.#holders.keys()) {
      this.#holders.delete(holder);
      if (holder.giveUp(this)) return true;
    }
    return false;
  }

  async #create(): Promise<ServerConnection | FailedConnection> {
    await this.#budget.take(this);
    this.#creating++;
    const made = this.#ended ? this.#tooLate() : await this.#open();
    this.#creating--;
    if (made instanceof FailedConnection) {
      this.#budget.free();
      return made;
    }
    if (this.#ended) {
      this.#close(made);
      return this.#tooLate();
    }
    const { maxLifetimeMs } = this.#settings;
    this.#shared.connections.add(made);
    made.prepared.share(this.#shared.prepared);
    made.expiresAtMs = Date.now() + maxLifetimeMs * (0.9 + 0.2 * Math.random());
    return made;
  }

  /** Nobody would close a connection that is made now. */
  #tooLate(): FailedConnection {
    return new FailedConnection(new RwsplitError('shutting-down', 'the pool has been closed; connect again'));
  }

  async #open(): Promise<ServerConnection | FailedConnection> {
    for (let given = this.#donated.pop(); given !== undefined; given = this.#donated.pop()) {
      if (!given.closed) return given;
    }
    const refusal = this.#shared.breaker.refusal(Date.now());
    if (refusal !== undefined) return new FailedConnection(refusal);
    try {
      const connection = await unlessGivenUp(
        this.#shared,
        ServerConnection.open(this.#node, this.#dial, DEFAULTS.serverLoginTimeoutMs),
      );
      this.#shared.breaker.succeeded();
      return connection;
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      // A refused login says nothing about the node but that it is there.
      if (failure instanceof LoginRefused) this.#shared.breaker.succeeded();
      else {
        this.#shared.breaker.failed(Date.now(), failure);
        this.#shared.failed(failure.message);
      }
      return new FailedConnection(failure);
    }
  }

  #close(made: ServerConnection | FailedConnection): void {
    if (!(made instanceof ServerConnection)) return;
    this.#shared.connections.delete(made);
    made.close();
    this.#budget.free();
  }
}
