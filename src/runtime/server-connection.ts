import { DEFAULTS } from '../defaults.js';
import { LoginRefused, RwsplitError } from '../errors.js';
import type { Flavour } from '../flavour/flavour.js';
import { flavourOf } from '../flavour/flavour-of.js';
import { Capability, hasCapability } from '../protocol/capabilities.js';
import { Command } from '../protocol/commands.js';
import { framePackets } from '../protocol/framing.js';
import { NO_ATTRIBUTES } from '../protocol/query-attributes.js';
import type { ResponseShape } from '../protocol/response-place.js';
import { ResponseWalker, type ResponseSink } from '../protocol/response-walker.js';
import { changeState, freshState, namesOf, type SessionState } from '../session/session-state.js';
import type { NodeAddress } from '../topology/snapshot.js';
import { logInToServer, type LoggedIn, type ServerDial } from './dial-server.js';
import { PreparedCache, type ServerStatement } from './prepared-cache.js';
import { SwallowedReply, type Swallowed } from './swallowed-reply.js';
import type { Wire, WireOwner } from './wire.js';

/** Who waits for a reply. */
export interface ReplyOwner extends ResponseSink {
  /** The response is complete; `connection.walker` tells how it ended. */
  replyEnded(connection: ServerConnection): void;
  /** The connection ended before the response did. */
  connectionLost(connection: ServerConnection, error: RwsplitError): void;
  /** The server wants the client's file. */
  fileWanted(connection: ServerConnection): void;
  /** The server takes bytes again. */
  drained(connection: ServerConnection): void;
}

/** Keeps a connection between statements that others may have when they wait for one. */
export interface Holder {
  /** @returns whether its connection comes back to the pool soon */
  giveUp(pool: ConnectionPool): boolean;
}

/** Where a connection comes from. */
export interface ConnectionPool {
  /** Somebody waits for a connection. */
  readonly awaited: boolean;
  hold(holder: Holder): void;
  unhold(holder: Holder): void;
  /** Gives back a connection on which nothing is left of its session but what its `state` says. */
  release(connection: ServerConnection): void;
  /** Gives back a connection that nobody may use again. */
  destroy(connection: ServerConnection): void;
}

interface ExpectedReply {
  readonly shape: ResponseShape;
  readonly sequenceId: number;
  readonly owner: ReplyOwner;
}

/** A login has one byte for the collation's id. */
const MAX_LOGIN_COLLATION = 255;

/** Does what a login with the collation does. */
function setCollation(id: number): string {
  return `SET character_set_client=${id},character_set_results=${id},collation_connection=${id}`;
}

/** utf8mb4_0900_ai_ci: what nearly all clients log in with is its character set's default. */
const UTF8MB4_DEFAULT = 255;

/**
 * A connection to a server, logged in as a client's user.
 *
 * Commands are written as they come and answered in order: each has its place in a queue of expected replies,
 * and each reply has an owner that forwards it or swallows it.
 */
export class ServerConnection implements WireOwner {
  readonly node: NodeAddress;
  readonly threadId: number;
  readonly serverVersion: string;
  readonly flavour: Flavour;
  readonly capabilities: number;
  readonly walker: ResponseWalker;
  readonly prepared = new PreparedCache(DEFAULTS.preparedPerConnection);
  /** What a fresh connection has of the variables that {@link Flavour.trackSession} asks for. */
  readonly baseline = new Map<string, string>();
  /** Where it goes back to. */
  pool: ConnectionPool | undefined;
  /** Its last session left an insert id there, for LAST_INSERT_ID(). */
  insertIdLeft = false;
  /** From then on it is not used again once it is free. */
  expiresAtMs = Infinity;
  /** Statements that are to interrupt what runs there, and are under way: until they are through it goes to no other session. */
  kills = 0;
  /** Something may be there that neither is known nor can be set back: it goes to no other session. */
  isTainted = false;
  /** What the session on the server has now. */
  state: SessionState = freshState('');
  /** Called once when the connection has ended. */
  onClosed: ((connection: ServerConnection) => void) | undefined;

  readonly #wire: Wire;
  readonly #expected: ExpectedReply[] = [];
  #closed: RwsplitError | undefined;
  #pausedForFile = false;
  #fileBegan = false;
  readonly #keepBuffer: () => void;
  #corked = false;

  private constructor(node: NodeAddress, { wire, keepBuffer, greeting, capabilities }: LoggedIn) {
    this.#wire = wire;
    this.#keepBuffer = keepBuffer;
    this.node = node;
    this.threadId = greeting.connectionId;
    this.serverVersion = greeting.serverVersion;
    this.flavour = flavourOf(greeting.serverVersion);
    this.capabilities = capabilities;
    this.walker = new ResponseWalker(capabilities, wire.isCompressed);
  }

  /**
   * Connects and logs in.
   * @throws LoginRefused with the server's own error; RwsplitError when the server cannot be reached
   */
  static async open(node: NodeAddress, dial: ServerDial, timeoutMs: number): Promise<ServerConnection> {
    const connection = await logInToServer(node, dial, timeoutMs, (loggedIn) => new ServerConnection(node, loggedIn));
    const { collation } = dial.login;
    if (collation > MAX_LOGIN_COLLATION) await connection.#orClose(connection.query(setCollation(collation)));
    const { changes } = await connection.#orClose(connection.query(connection.flavour.trackSession));
    for (const change of changes) {
      if (change.kind !== 'system-variable' || change.name.startsWith('session_track_')) continue;
      connection.baseline.set(change.name, change.value);
    }
    // Setting the character set of results to what it is labels them with its default collation, no more with that of the login.
    const names = namesOf((name) => connection.baseline.get(name));
    if (names !== undefined && collation !== UTF8MB4_DEFAULT) await connection.query(`SET ${names}`);
    return connection;
  }

  /** @throws LoginRefused when the server refuses what each connection begins with: then it is closed */
  async #orClose(asked: Promise<Swallowed>): Promise<Swallowed> {
    const swallowed = await asked;
    if (swallowed.error === undefined) return swallowed;
    this.close();
    throw new LoginRefused(swallowed.error);
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Nothing is expected from the server. */
  get idle(): boolean {
    return this.#expected.length === 0;
  }

  /** Bytes written but not yet taken by the kernel. */
  get writableBytes(): number {
    return this.#wire.pendingBytes;
  }

  /**
   * Sends a command whose reply goes to `owner`.
   * @param framed with headers
   * @param sequenceId of the reply's first packet
   * @returns false when the server is slow to take it: wait for `owner.drained`
   */
  send(framed: Buffer, shape: ResponseShape, sequenceId: number, owner: ReplyOwner): boolean {
    this.#expected.push({ shape, sequenceId, owner });
    if (this.#expected.length === 1) this.walker.begin(shape, sequenceId);
    this.#wire.beginCommand();
    return this.#wire.write(framed);
  }

  /** Sends a command that has no reply: COM_STMT_CLOSE, long data. */
  sendSilently(framed: Buffer): boolean {
    this.#wire.beginCommand();
    return this.#wire.write(framed);
  }

  /** Sends a part of the client's file. */
  sendFile(framed: Buffer): boolean {
    if (!this.#fileBegan) this.#wire.beginAnswer(false);
    this.#fileBegan = true;
    return this.#wire.write(framed);
  }

  /** Writes of one turn leave as one. */
  cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#wire.cork();
  }

  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#wire.uncork();
  }

  /** What was forwarded last is still to be written: it must not be read over. */
  keepBuffer(): void {
    this.#keepBuffer();
  }

  /** The client's file has been sent to its end. @param sequenceId that the server's answer begins with */
  fileSent(sequenceId: number): void {
    this.#pausedForFile = false;
    this.#fileBegan = false;
    this.walker.fileSent(sequenceId);
  }

  /** Sends a statement of ours and swallows its reply. */
  async query(sql: string): Promise<Swallowed> {
    return new Promise((resolve, reject) => {
      this.send(this.frameQuery(sql), 'result', 1, new SwallowedReply(resolve, reject));
    });
  }

  /** Makes `schema` the default one. */
  async useSchema(schema: string): Promise<Swallowed> {
    const swallowed = await new Promise<Swallowed>((resolve, reject) => {
      const framed = frameCommand(Command.INIT_DB, Buffer.from(schema, 'utf8'));
      this.send(framed, 'ok', 1, new SwallowedReply(resolve, reject));
    });
    if (swallowed.error === undefined) {
      this.state = changeState(this.state, [{ kind: 'schema', name: schema }], this.baseline);
    }
    return swallowed;
  }

  /** A COM_QUERY of ours, as this connection's capabilities want it. */
  frameQuery(sql: string): Buffer {
    const text = Buffer.from(sql, 'utf8');
    const attributes = hasCapability(this.capabilities, Capability.QUERY_ATTRIBUTES);
    return frameCommand(Command.QUERY, attributes ? Buffer.concat([NO_ATTRIBUTES, text]) : text);
  }

  /** A statement has been prepared here. Those that it displaces are closed. */
  addPrepared(key: string, id: number, owner?: ServerStatement['owner']): void {
    for (const displaced of this.prepared.add(key, { id, boundTypes: undefined, owner })) {
      const close = Buffer.alloc(5, Command.STMT_CLOSE);
      close.writeUInt32LE(displaced.id, 1);
      this.sendSilently(framePackets(close, 0));
    }
  }

  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }

  /** Says good-bye and ends. */
  close(): void {
    if (this.#closed !== undefined) return;
    this.#wire.beginCommand();
    this.#wire.write(framePackets(Buffer.from([Command.QUIT]), 0));
    this.#wire.end();
    this.lose('the connection was closed by rwsplit');
  }

  /** Ends at once, without a good-bye: what runs there is unknown. */
  destroy(): void {
    this.lose('the connection was closed by rwsplit');
    this.#wire.destroy();
  }

  // ── WireOwner ───────────────────────────────────────────────────────────────────────────────────────────────────────

  received(chunk: Buffer, end: number): void {
    try {
      this.#receive(chunk, end);
    } catch (error) {
      // One session fails, not the process.
      this.lose(`internal error: ${String(error)}`);
      this.#wire.destroy();
    }
  }

  drained(): void {
    this.#expected[0]?.owner.drained(this);
  }

  failed(error: Error): void {
    this.lose(error.message);
  }

  ended(): void {
    this.lose('the server closed it');
  }

  #receive(chunk: Buffer, end: number): void {
    let at = 0;
    while (at < end) {
      const reply = this.#expected[0];
      if (reply === undefined || this.#pausedForFile) {
        // A server says so when it ends an idle connection; anything else is no protocol any more. Both end it.
        this.lose('the server ended the connection');
        this.#wire.destroy();
        return;
      }
      at += this.walker.walk(chunk, at, end, reply.owner);
      if (this.walker.malformed !== undefined) {
        this.lose(`the server sent what is no ${this.walker.malformed.expected}`);
        this.#wire.destroy();
        return;
      }
      if (this.walker.awaitsFile) {
        this.#pausedForFile = true;
        reply.owner.fileWanted(this);
        continue;
      }
      if (!this.walker.done) continue;
      this.#expected.shift();
      reply.owner.replyEnded(this);
      if (this.#closed !== undefined) return;
      // A command that the owner has just sent has begun its walk already.
      const next = this.#expected[0];
      if (next !== undefined && this.walker.done) this.walker.begin(next.shape, next.sequenceId);
    }
  }

  /** The connection has ended. Everyone who waits for a reply learns it. */
  lose(what: string): void {
    if (this.#closed !== undefined) return;
    const { name, host, port } = this.node;
    this.#closed = new RwsplitError('server-lost', `lost the connection to ${name} (${host}:${port}): ${what}`);
    this.prepared.clear();
    for (const reply of this.#expected.splice(0)) reply.owner.connectionLost(this, this.#closed);
    this.onClosed?.(this);
  }
}

/** @returns a command of one byte and a body, framed as a client's command */
export function frameCommand(command: number, body: Uint8Array): Buffer {
  const payload = Buffer.allocUnsafe(1 + body.length);
  payload[0] = command;
  payload.set(body, 1);
  return framePackets(payload, 0);
}
