import { randomUUID } from 'node:crypto';
import { DEFAULTS } from '../src/defaults.js';
import { LoginRefused, RwsplitError } from '../src/errors.js';
import { DIALECT_FLAGS } from '../src/protocol/capabilities.js';
import type { CompressionAlgorithm } from '../src/protocol/compression/codec.js';
import type { HandshakeResponse } from '../src/protocol/packets/handshake-response.js';
import type { ServerDial } from '../src/runtime/dial-server.js';
import { NodesShared, unlessGivenUp } from '../src/runtime/node-shared.js';
import { ServerConnection } from '../src/runtime/server-connection.js';
import { ServerPool, type PoolSettings } from '../src/runtime/server-pool.js';
import type { ServerTls } from '../src/runtime/tls/server-tls.js';
import type { Health } from '../src/topology/health.js';
import type { NodeAddress, Snapshot } from '../src/topology/snapshot.js';
import type { PoolRow } from './admin/show-pools.js';
import { Accounts, type Account } from './accounts.js';
import { Gate } from './gate.js';
import { encodeAttributes, handedOn, type AttributeScope } from './server-attributes.js';
import { retriedWhileAway } from './retried-while-away.js';
import type { Users } from './users.js';

/** Access denied, with or without a password; an account that is locked, or was locked for failed logins. */
const WRONG_PASSWORD: ReadonlySet<number> = new Set([1045, 1698, 3118, 3955]);

/** How servers are talked to. */
export interface ServerSettings {
  readonly tls: ServerTls;
  /** The one that is liked best first; empty for none. */
  readonly compression: readonly CompressionAlgorithm[];
  readonly attributes: AttributeScope;
}

/**
 * The server connections that one kind of client shares: those of one user with one password that talk the same dialect of the
 * protocol, so that answers need no translation. One pool for each node.
 */
export class BackendGroup {
  /** What a fresh connection has, as far as it is known. */
  readonly baseline: ReadonlyMap<string, string>;
  readonly serverVersion: string;
  /** What tells its clients from the user's others. */
  readonly kind: string;
  readonly #pools = new Map<string, ServerPool>();
  readonly #dial: ServerDial;
  readonly #nodes: NodesShared;
  readonly #settings: PoolSettings;
  readonly #account: Account;

  constructor(
    account: Account,
    kind: string,
    first: ServerConnection,
    dial: ServerDial,
    nodes: NodesShared,
    settings: PoolSettings,
  ) {
    this.baseline = first.baseline;
    this.serverVersion = first.serverVersion;
    this.kind = kind;
    this.#account = account;
    this.#dial = dial;
    this.#nodes = nodes;
    this.#settings = settings;
    this.pool(first.node).donate(first);
  }

  pool(node: NodeAddress): ServerPool {
    let pool = this.#pools.get(node.name);
    if (pool === undefined) {
      const budget = this.#account.budget(node, this.#settings.max);
      pool = new ServerPool(node, this.#dial, this.#nodes.of(node), budget, this.#settings);
      this.#pools.set(node.name, pool);
    }
    return pool;
  }

  /** A connection of its own, beside the pools, which may be full of what it is to interrupt. To be closed. */
  async openAside(node: NodeAddress): Promise<ServerConnection> {
    return ServerConnection.open(node, this.#dial, DEFAULTS.serverLoginTimeoutMs);
  }

  get status(): Omit<PoolRow, 'user' | 'kind'>[] {
    return [...this.#pools].map(([node, pool]) => ({ node, ...pool.status }));
  }

  /** @returns how many connections to the node are in use, or waited for */
  drain(node: string): number {
    const pool = this.#pools.get(node);
    if (pool === undefined) return 0;
    pool.reclaimOld();
    const { connections, idle, waiting } = pool.status;
    return connections - idle + waiting;
  }

  /** Sessions that can do without a connection that they keep to the node give it back. */
  reclaim(node: string): void {
    this.#pools.get(node)?.reclaimAll();
  }

  /** A client's session uses these connections, until {@link left}. */
  entered(): void {
    this.#account.entered();
  }

  left(): void {
    this.#account.left();
  }

  async end(): Promise<void> {
    await Promise.all([...this.#pools.values()].map(async (pool) => pool.end()));
  }
}

/** All server connections of the proxy, and the accounts with which they are made. */
export class Backends {
  readonly accounts: Accounts;
  readonly #nodes: NodesShared;
  readonly #snapshot: () => Snapshot;
  readonly #pools: PoolSettings;
  readonly #servers: ServerSettings;
  readonly #ownAttributes: Readonly<Record<string, string>>;
  /** Logins that are checked with a server at once: a flood of them must not take all that the servers have. */
  readonly #checks = new Gate(DEFAULTS.loginChecks);

  /** @param onFailed a connection to a node could not be made */
  constructor(
    snapshot: () => Snapshot,
    onFailed: (node: string, why: string) => void,
    pools: PoolSettings,
    servers: ServerSettings,
    users: Users,
    version: string,
  ) {
    this.#snapshot = snapshot;
    this.#nodes = new NodesShared(onFailed);
    this.#pools = pools;
    this.#servers = servers;
    this.accounts = new Accounts(users);
    this.#ownAttributes = {
      _client_name: 'rwsplit',
      program_name: 'rwsplit',
      rwsplit_version: version,
      rwsplit_instance: randomUUID(),
    };
  }

  /**
   * The connections for a client that has told or proved its password: checked by logging in to a server, unless that was done lately.
   * @param password undefined when the client proved that it knows the one we have
   * @param address of the client
   * @throws LoginRefused with the server's words; RwsplitError when no server can be asked
   */
  async logIn(response: HandshakeResponse, password: Buffer | undefined, address: string): Promise<BackendGroup> {
    const known = this.accounts.find(response.user);
    const secret = password ?? known?.password;
    if (secret === undefined) throw new RwsplitError('access-denied', 'the login took too long; log in again');
    const { tls, compression, attributes } = this.#servers;
    // Programs without end would be connections without end.
    const crowded = attributes === 'program' && (known?.groups.size ?? 0) >= DEFAULTS.groupsPerAccount;
    const clientAttributes = handedOn(response.attributes, crowded ? 'none' : attributes, address);
    const dial: ServerDial = {
      login: {
        user: response.user,
        password: secret,
        capabilities: response.capabilities,
        collation: response.collation,
        attributes: encodeAttributes(clientAttributes, this.#ownAttributes),
        tls: tls.mode,
        compression,
      },
      tls,
    };
    const key = groupKey(response, clientAttributes);
    if (known !== undefined && password === undefined) {
      if (!known.checkedLately) await known.checkOnce(async () => this.#recheck(known, dial));
      const ready = known.groups.get(key);
      if (ready !== undefined) return ready;
    }
    const connection = await this.#open(dial);
    const account = this.accounts.accepted(response.user, secret);
    const existing = account.groups.get(key);
    if (existing !== undefined) {
      connection.close();
      return existing;
    }
    const group = new BackendGroup(
      account,
      kindOf(response, clientAttributes),
      connection,
      dial,
      this.#nodes,
      this.#pools,
    );
    account.groups.set(key, group);
    return group;
  }

  /** All pools, for those who watch. */
  get pools(): PoolRow[] {
    return [...this.accounts.entries()].flatMap(([user, account]) =>
      [...account.groups.values()].flatMap((group) =>
        group.status.map((status) => ({ user, kind: group.kind, ...status })),
      ),
    );
  }

  /** A node gets nothing new. @returns how many connections there are busy, kept by a session, or waited for */
  drain(node: string): number {
    let inUse = 0;
    for (const [, account] of this.accounts.entries()) {
      for (const group of account.groups.values()) inUse += group.drain(node);
    }
    return inUse;
  }

  /** Sessions give back what they keep of a node's connections, as far as nothing is lost with it. */
  reclaim(node: string): void {
    for (const [, account] of this.accounts.entries()) {
      for (const group of account.groups.values()) group.reclaim(node);
    }
  }

  /** Ends all connections to a node at once. @param isGone it is of no use to tell it */
  drop(node: string, isGone: boolean): void {
    this.#nodes.drop(node, isGone);
  }

  /** The node does not answer: nobody is to wait for a connection to it. What runs there may still have its answer. */
  giveUpDials(node: string): void {
    this.#nodes.giveUpDials(node);
  }

  /** Ends all connections. */
  async end(): Promise<void> {
    await this.accounts.end();
  }

  /** @throws LoginRefused when the password is no longer the right one: then it is forgotten, too */
  async #recheck(account: Account, dial: ServerDial): Promise<void> {
    try {
      const connection = await this.#open(dial);
      connection.close();
      account.checkedAtMs = Date.now();
    } catch (error) {
      // A server that is full, say, has not said that the password is wrong.
      if (error instanceof LoginRefused && WRONG_PASSWORD.has(error.packet.errno)) this.accounts.refused(account);
      throw error;
    }
  }

  async #open(dial: ServerDial): Promise<ServerConnection> {
    return this.#checks.pass(async () => retriedWhileAway(async () => this.#openAnywhere(dial)));
  }

  /** The primary is asked first: it knows of a changed password before any replica does. */
  async #openAnywhere(dial: ServerDial): Promise<ServerConnection> {
    const { primary, nodes, problem } = this.#snapshot();
    // A late replica knows who may log in as well as any.
    const others = nodes.filter((it) => it !== primary && it.role === 'replica' && ASKED.has(it.health));
    let unreachable: unknown;
    for (const node of primary === undefined ? others : [primary, ...others]) {
      try {
        const opening = ServerConnection.open(node.address, dial, DEFAULTS.serverLoginTimeoutMs);
        return await unlessGivenUp(this.#nodes.of(node.address), opening);
      } catch (error) {
        if (error instanceof LoginRefused) throw error;
        unreachable ??= error;
      }
    }
    if (unreachable instanceof Error) throw unreachable;
    throw new RwsplitError('no-primary', problem ?? 'no server can be reached to check the login');
  }
}

const ASKED: ReadonlySet<Health> = new Set(['up', 'lagging', 'suspect']);

/** For those who watch. */
function kindOf(
  { capabilities, collation, database }: HandshakeResponse,
  attributes: Readonly<Record<string, string>>,
): string {
  const flags = `flags 0x${((capabilities & DIALECT_FLAGS) >>> 0).toString(16)}`;
  const program = attributes['program_name'] ?? attributes['_client_name'];
  return [program, `collation ${collation}`, flags, database === '' ? 'no schema' : undefined]
    .filter((it) => it !== undefined)
    .join(', ');
}

/** Clients that agree on this share connections. A connection cannot give up its schema, so those without one keep apart. */
function groupKey(response: HandshakeResponse, attributes: Readonly<Record<string, string>>): string {
  const { capabilities, collation, database } = response;
  return JSON.stringify([(capabilities & DIALECT_FLAGS) >>> 0, collation, database === '', attributes]);
}
