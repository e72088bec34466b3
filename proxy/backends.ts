import { randomUUID } from 'node:crypto';
import { DEFAULTS } from '../src/defaults.js';
import { LoginRefused, RwsplitError } from '../src/errors.js';
import { scrambleMatches, verifierOf } from '../src/protocol/auth/caching-sha2.js';
import type { ServerLoginOptions } from '../src/protocol/auth/server-login.js';
import { DIALECT_FLAGS } from '../src/protocol/capabilities.js';
import { encodeConnectionAttributes, type HandshakeResponse } from '../src/protocol/packets/handshake-response.js';
import { BackOff } from '../src/runtime/back-off.js';
import { ServerConnection } from '../src/runtime/server-connection.js';
import { ServerPool, type PoolSettings } from '../src/runtime/server-pool.js';
import type { NodeAddress, Snapshot } from '../src/topology/snapshot.js';

/**
 * The server connections that one kind of client shares: those of one user with one password that talk the same dialect of the
 * protocol, so that answers need no translation. One pool for each node.
 */
export class BackendGroup {
  /** What a fresh connection has, as far as it is known. */
  readonly baseline: ReadonlyMap<string, string>;
  readonly serverVersion: string;
  readonly #pools = new Map<string, ServerPool>();
  readonly #login: ServerLoginOptions;
  readonly #backOffs: BackOffs;
  readonly #settings: PoolSettings;
  #sessions = 0;
  #retired = false;

  constructor(first: ServerConnection, login: ServerLoginOptions, backOffs: BackOffs, settings: PoolSettings) {
    this.baseline = first.baseline;
    this.serverVersion = first.serverVersion;
    this.#login = login;
    this.#backOffs = backOffs;
    this.#settings = settings;
    this.pool(first.node).donate(first);
  }

  pool(node: NodeAddress): ServerPool {
    let pool = this.#pools.get(node.name);
    if (pool === undefined) {
      pool = new ServerPool(node, this.#login, this.#backOffs.of(node), this.#settings);
      this.#pools.set(node.name, pool);
    }
    return pool;
  }

  /** A connection of its own, beside the pools, which may be full of what it is to interrupt. To be closed. */
  async openAside(node: NodeAddress): Promise<ServerConnection> {
    return ServerConnection.open(node, this.#login, DEFAULTS.serverLoginTimeoutMs);
  }

  /** A client's session uses these connections, until {@link left}. */
  entered(): void {
    this.#sessions++;
  }

  left(): void {
    this.#sessions--;
    if (this.#retired && this.#sessions === 0) void this.end();
  }

  /** No further session comes; those that are there go on to their ends. */
  retire(): void {
    this.#retired = true;
    if (this.#sessions === 0) void this.end();
  }

  async end(): Promise<void> {
    await Promise.all([...this.#pools.values()].map(async (pool) => pool.end()));
  }
}

/** A user who has logged in, with the password that a server accepted. It is held in memory only. */
interface Account {
  readonly password: string;
  readonly verifier: Buffer;
  checkedAtMs: number;
  readonly groups: Map<string, BackendGroup>;
}

/** One back-off for each node: a dead node is dead for all users. */
class BackOffs {
  readonly #byNode = new Map<string, BackOff>();

  of(node: NodeAddress): BackOff {
    let backOff = this.#byNode.get(node.name);
    if (backOff === undefined) {
      backOff = new BackOff(DEFAULTS.backOffMinMs, DEFAULTS.backOffMaxMs);
      this.#byNode.set(node.name, backOff);
    }
    return backOff;
  }
}

/** All server connections of the proxy, and the passwords with which they are made. */
export class Backends {
  readonly #accounts = new Map<string, Account>();
  readonly #backOffs = new BackOffs();
  readonly #snapshot: () => Snapshot;
  readonly #settings: PoolSettings;
  readonly #attributes: Buffer;

  constructor(snapshot: () => Snapshot, settings: PoolSettings) {
    this.#snapshot = snapshot;
    this.#settings = settings;
    this.#attributes = encodeConnectionAttributes({
      _client_name: 'rwsplit',
      program_name: 'rwsplit',
      rwsplit_instance: randomUUID(),
    });
  }

  /** Whether a client's answer to the nonce fits the user's password, where a server accepted that lately. */
  fastCheck(user: string, answer: Buffer, nonce: Buffer): boolean {
    const account = this.#accounts.get(user);
    if (account === undefined || Date.now() - account.checkedAtMs > DEFAULTS.verifierLifetimeMs) return false;
    return scrambleMatches(answer, nonce, account.verifier);
  }

  /**
   * The connections for a client that has told its password: checked by logging in to a server.
   * @param password undefined when the client proved by {@link fastCheck} that it knows the one we have
   * @throws LoginRefused with the server's words; RwsplitError when no server can be asked
   */
  async logIn(response: HandshakeResponse, password: string | undefined): Promise<BackendGroup> {
    const known = this.#accounts.get(response.user);
    const secret = password ?? known?.password;
    if (secret === undefined) throw new RwsplitError('access-denied', 'the login took too long; log in again');
    const login: ServerLoginOptions = {
      user: response.user,
      password: secret,
      capabilities: response.capabilities,
      collation: response.collation,
      attributes: this.#attributes,
    };
    const key = groupKey(response);
    const ready = password === undefined ? known?.groups.get(key) : undefined;
    if (ready !== undefined) return ready;

    const connection = await this.#openAnywhere(login);
    const account = this.#accepted(response.user, secret);
    const existing = account.groups.get(key);
    if (existing !== undefined) {
      connection.close();
      return existing;
    }
    const group = new BackendGroup(connection, login, this.#backOffs, this.#settings);
    account.groups.set(key, group);
    return group;
  }

  /** Ends all connections. */
  async end(): Promise<void> {
    const groups = [...this.#accounts.values()].flatMap((account) => [...account.groups.values()]);
    this.#accounts.clear();
    await Promise.all(groups.map(async (group) => group.end()));
  }

  #accepted(user: string, password: string): Account {
    const known = this.#accounts.get(user);
    if (known?.password === password) {
      known.checkedAtMs = Date.now();
      return known;
    }
    // The password was changed. As on a server, whoever is logged in stays.
    if (known !== undefined) for (const group of known.groups.values()) group.retire();
    const account: Account = {
      password,
      verifier: verifierOf(password),
      checkedAtMs: Date.now(),
      groups: new Map(),
    };
    this.#accounts.set(user, account);
    return account;
  }

  /** The primary is asked first: it knows of a changed password before any replica does. */
  async #openAnywhere(login: ServerLoginOptions): Promise<ServerConnection> {
    const { primary, replicas, problem } = this.#snapshot();
    let unreachable: unknown;
    for (const node of primary === undefined ? replicas : [primary, ...replicas]) {
      try {
        return await ServerConnection.open(node.address, login, DEFAULTS.serverLoginTimeoutMs);
      } catch (error) {
        if (error instanceof LoginRefused) throw error;
        unreachable ??= error;
      }
    }
    if (unreachable instanceof Error) throw unreachable;
    throw new RwsplitError('no-primary', problem ?? 'no server can be reached to check the login');
  }
}

/** Clients that agree on this share connections. A connection cannot give up its schema, so those without one keep apart. */
function groupKey(response: HandshakeResponse): string {
  return `${(response.capabilities & DIALECT_FLAGS) >>> 0}/${response.collation}/${response.database === '' ? 0 : 1}`;
}
