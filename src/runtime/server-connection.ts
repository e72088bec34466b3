import { connect, type Socket } from 'node:net';
import { DEFAULTS } from '../defaults.js';
import { LoginRefused, RwsplitError } from '../errors.js';
import { ServerLogin, type ServerLoginOptions } from '../protocol/auth/server-login.js';
import { Capability, hasCapability } from '../protocol/capabilities.js';
import { Command } from '../protocol/commands.js';
import { framePackets, MessageSplitter, payloadOf } from '../protocol/framing.js';
import type { HandshakeV10 } from '../protocol/packets/handshake-v10.js';
import { NO_ATTRIBUTES } from '../protocol/query-attributes.js';
import { ResponseWalker, type ResponseShape, type ResponseSink } from '../protocol/response-walker.js';
import { freshState, type SessionState } from '../session/session-state.js';
import type { NodeAddress } from '../topology/snapshot.js';
import { PreparedCache } from './prepared-cache.js';
import { SwallowedReply, type Swallowed } from './swallowed-reply.js';

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

/**
 * Asks the server to tell every change of the session, and makes it tell what a fresh connection has
 * of the variables that clients set most, so that setting them back is recognised.
 */
export const TRACK_SESSION =
  "SET session_track_system_variables='*',session_track_schema=ON,session_track_state_change=ON,session_track_gtids=OWN_GTID," +
  // Setting these two to DEFAULT turns them off, whatever their default is: their value has to be known.
  'foreign_key_checks=@@foreign_key_checks,unique_checks=@@unique_checks,' +
  'autocommit=@@autocommit,sql_mode=@@sql_mode,time_zone=@@time_zone,' +
  '@@session.transaction_isolation=@@session.transaction_isolation,' +
  'character_set_client=@@character_set_client,character_set_results=@@character_set_results,' +
  'character_set_connection=@@character_set_connection,collation_connection=@@collation_connection';

/**
 * A connection to a MySQL server, logged in as a client's user.
 *
 * Commands are written as they come and answered in order: each has its place in a queue of expected replies,
 * and each reply has an owner that forwards it or swallows it.
 */
export class ServerConnection {
  readonly node: NodeAddress;
  readonly threadId: number;
  readonly serverVersion: string;
  readonly capabilities: number;
  readonly walker: ResponseWalker;
  readonly prepared = new PreparedCache(DEFAULTS.preparedPerConnection);
  /** What a fresh connection has of the variables that {@link TRACK_SESSION} asks for. */
  readonly baseline = new Map<string, string>();
  /** Where it goes back to. */
  pool: ConnectionPool | undefined;
  /** Its last session left an insert id there, for LAST_INSERT_ID(). */
  insertIdLeft = false;
  /** Statements that are to interrupt what runs there, and are under way: until they are through it goes to no other session. */
  kills = 0;
  /** What the session on the server has now. */
  state: SessionState = freshState('');
  /** Called once when the connection has ended. */
  onClosed: ((connection: ServerConnection) => void) | undefined;

  readonly #socket: Socket;
  readonly #expected: ExpectedReply[] = [];
  #closed: RwsplitError | undefined;
  #pausedForFile = false;
  readonly #reading: ReadBuffer;
  #corked = false;

  private constructor(socket: Socket, reading: ReadBuffer, node: NodeAddress, greeting: HandshakeV10, flags: number) {
    this.#socket = socket;
    this.#reading = reading;
    this.node = node;
    this.threadId = greeting.connectionId;
    this.serverVersion = greeting.serverVersion;
    this.capabilities = flags;
    this.walker = new ResponseWalker(flags);
  }

  /**
   * Connects and logs in.
   * @throws LoginRefused with the server's own error; RwsplitError when the server cannot be reached
   */
  static async open(node: NodeAddress, login: ServerLoginOptions, timeoutMs: number): Promise<ServerConnection> {
    const connection = await logIn(node, login, timeoutMs, (socket, reading, greeting, flags) => {
      return new ServerConnection(socket, reading, node, greeting, flags);
    });
    const { error, changes } = await connection.query(TRACK_SESSION);
    if (error !== undefined) {
      connection.close();
      throw new LoginRefused(error);
    }
    for (const change of changes) {
      if (change.kind !== 'system-variable' || change.name.startsWith('session_track_')) continue;
      connection.baseline.set(change.name, change.value);
    }
    return connection;
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
    return this.#socket.writableLength;
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
    return this.#socket.write(framed);
  }

  /** Sends what has no reply: COM_STMT_CLOSE, long data, a file's contents. */
  sendSilently(framed: Buffer): boolean {
    return this.#socket.write(framed);
  }

  /** Writes of one turn leave as one. */
  cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
  }

  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  /** What was forwarded last is still to be written: it must not be read over. */
  keepBuffer(): void {
    this.#reading.give();
  }

  /** The client's file has been sent to its end. @param sequenceId that the server's answer begins with */
  fileSent(sequenceId: number): void {
    this.#pausedForFile = false;
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
    return new Promise((resolve, reject) => {
      const framed = frameCommand(Command.INIT_DB, Buffer.from(schema, 'utf8'));
      this.send(framed, 'ok', 1, new SwallowedReply(resolve, reject));
    });
  }

  /** A COM_QUERY of ours, as this connection's capabilities want it. */
  frameQuery(sql: string): Buffer {
    const text = Buffer.from(sql, 'utf8');
    const attributes = hasCapability(this.capabilities, Capability.QUERY_ATTRIBUTES);
    return frameCommand(Command.QUERY, attributes ? Buffer.concat([NO_ATTRIBUTES, text]) : text);
  }

  /** A statement has been prepared here. Those that it displaces are closed. */
  addPrepared(key: string, id: number): void {
    for (const displaced of this.prepared.add(key, { id, boundTypes: undefined })) {
      const close = Buffer.alloc(5, Command.STMT_CLOSE);
      close.writeUInt32LE(displaced.id, 1);
      this.sendSilently(framePackets(close, 0));
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Says good-bye and ends. */
  close(): void {
    if (this.#closed !== undefined) return;
    this.#socket.end(framePackets(Buffer.from([Command.QUIT]), 0));
    this.lose('the connection was closed by rwsplit');
    // The server closes its side at once; where it does not, nobody waits for it.
    this.#socket.setTimeout(1000, () => this.#socket.destroy());
  }

  /** Ends at once, without a good-bye: what runs there is unknown. */
  destroy(): void {
    this.lose('the connection was closed by rwsplit');
    this.#socket.destroy();
  }

  /** Bytes from the server: the first `end` of `chunk`, which is only valid during the call. */
  receive(chunk: Buffer, end: number): void {
    let at = 0;
    while (at < end) {
      const reply = this.#expected[0];
      if (reply === undefined || this.#pausedForFile) {
        // A server says so when it ends an idle connection; anything else is no protocol any more. Both end it.
        this.lose('the server ended the connection');
        this.#socket.destroy();
        return;
      }
      at += this.walker.walk(chunk, at, end, reply.owner);
      if (this.walker.malformed !== undefined) {
        this.lose(`the server sent what is no ${this.walker.malformed.expected}`);
        this.#socket.destroy();
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

  drained(): void {
    this.#expected[0]?.owner.drained(this);
  }

  /** The connection has ended. Everyone who waits for a reply learns it. */
  lose(what: string): void {
    if (this.#closed !== undefined) return;
    const { name, host, port } = this.node;
    this.#closed = new RwsplitError('server-lost', `lost the connection to ${name} (${host}:${port}): ${what}`);
    for (const reply of this.#expected.splice(0)) reply.owner.connectionLost(this, this.#closed);
    this.onClosed?.(this);
  }
}

/** Where the socket's bytes are read to: the same memory for each read, unless somebody still needs what is in it. */
class ReadBuffer {
  #buffer = Buffer.allocUnsafe(DEFAULTS.readBufferBytes);
  #given = false;

  get last(): Buffer {
    return this.#buffer;
  }

  /** Somebody goes on using the bytes read last. */
  give(): void {
    this.#given = true;
  }

  next(): Buffer {
    if (this.#given) {
      this.#buffer = Buffer.allocUnsafe(DEFAULTS.readBufferBytes);
      this.#given = false;
    }
    return this.#buffer;
  }
}

type Build = (socket: Socket, reading: ReadBuffer, greeting: HandshakeV10, flags: number) => ServerConnection;

async function logIn(
  node: NodeAddress,
  options: ServerLoginOptions,
  timeoutMs: number,
  build: Build,
): Promise<ServerConnection> {
  return new Promise((resolve, reject) => {
    const login = new ServerLogin(options);
    const splitter = new MessageSplitter(1 << 20);
    const reading = new ReadBuffer();
    let connection: ServerConnection | undefined;

    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const unreachable = (why: string, cause?: Error): RwsplitError =>
      new RwsplitError('server-unreachable', `cannot reach ${node.name} (${node.host}:${node.port}): ${why}`, {
        cause,
      });

    const step = (): void => {
      for (let message = splitter.next(); message !== undefined; message = splitter.next()) {
        const next = login.step(payloadOf(message));
        switch (next.kind) {
          case 'send':
            socket.write(framePackets(next.payload, message.nextSequenceId));
            break;
          case 'wait':
            break;
          case 'failed':
            fail(next.error);
            return;
          case 'logged-in':
            clearTimeout(timer);
            connection = build(socket, reading, next.greeting, next.capabilities);
            resolve(connection);
            return;
        }
      }
      if (splitter.error !== undefined) fail(unreachable('what listens there does not speak the MySQL protocol'));
    };

    const socket = connect({
      host: node.host,
      port: node.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      onread: {
        buffer: () => reading.next(),
        callback: (bytes) => {
          const chunk = reading.last;
          if (connection !== undefined) {
            try {
              connection.receive(chunk, bytes);
            } catch (error) {
              // One session fails, not the process.
              connection.lose(`internal error: ${String(error)}`);
              socket.destroy();
            }
          } else {
            splitter.push(Buffer.from(chunk.subarray(0, bytes)));
            try {
              step();
            } catch (error) {
              fail(unreachable(`its login failed: ${String(error)}`));
            }
          }
          return true;
        },
      },
    });
    const timer = setTimeout(() => fail(unreachable(`no answer in ${timeoutMs} ms`)), timeoutMs);
    socket.on('drain', () => connection?.drained());
    socket.on('error', (error) => {
      if (connection === undefined) fail(unreachable(error.message, error));
      else connection.lose(error.message);
    });
    socket.on('close', () => {
      if (connection === undefined) fail(unreachable('it closed the connection during the login'));
      else connection.lose('the server closed it');
    });
    socket.on('end', () => socket.destroy());
  });
}

/** @returns a command of one byte and a body, framed as a client's command */
export function frameCommand(command: number, body: Uint8Array): Buffer {
  const payload = Buffer.allocUnsafe(1 + body.length);
  payload[0] = command;
  payload.set(body, 1);
  return framePackets(payload, 0);
}
