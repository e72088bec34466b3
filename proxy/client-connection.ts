import type { Socket } from 'node:net';
import type { KnownFunctions } from '../src/classify/statement-scan.js';
import type { StatementCache } from '../src/classify/statement-cache.js';
import { DEFAULTS } from '../src/defaults.js';
import { errPacketOf, LoginRefused, RwsplitError } from '../src/errors.js';
import { CACHING_SHA2 } from '../src/protocol/auth/caching-sha2.js';
import { OFFERED_TO_CLIENTS } from '../src/protocol/capabilities.js';
import { framePackets, MessageSplitter, payloadOf, type Message } from '../src/protocol/framing.js';
import { encodeErr, type ErrPacket } from '../src/protocol/packets/err.js';
import { encodeHandshakeV10 } from '../src/protocol/packets/handshake-v10.js';
import type { HandshakeResponse } from '../src/protocol/packets/handshake-response.js';
import { encodeOk } from '../src/protocol/packets/ok.js';
import { ServerStatus } from '../src/protocol/server-status.js';
import type { Rules } from '../src/routing/rules.js';
import type { Log } from '../src/runtime/log.js';
import { Session } from '../src/session/session.js';
import type { Admin } from './admin/admin.js';
import type { BinlogFrom } from './binlog-source.js';
import type { BackendGroup, Backends } from './backends.js';
import { ClientLogin, type RsaKey } from './client-login.js';
import { Commands, type CommandClient } from './commands.js';
import type { Killable } from './kill.js';
import { SessionRunner, type Cluster } from './session-runner.js';

/** What all clients of a proxy share. */
export interface ProxyContext {
  readonly cluster: Cluster;
  readonly backends: Backends;
  readonly statements: StatementCache;
  readonly functions: KnownFunctions;
  readonly binlogFrom: ReadonlyMap<string, BinlogFrom>;
  readonly admin: Admin;
  readonly rules: Rules;
  readonly rsaKey: RsaKey;
  readonly log: Log;
  /** The client that was told this id. */
  readonly clientOf: (id: number) => ClientConnection | undefined;
}

/**
 * What the client may do now:
 *
 * ```
 *  login ──► checking ──► idle ◄──► running ◄──► file, stream
 *    └───────────┴──────────┴──────────┴──────────┴────► closed
 * ```
 */
type Phase = 'login' | 'checking' | 'idle' | 'running' | 'file' | 'stream' | 'closed';

/** Where the next message may be taken. */
const TAKES_MESSAGES: ReadonlySet<Phase> = new Set(['idle', 'login', 'file', 'stream']);

/** A client's connection: takes its commands one by one, and hands their answers back. */
export class ClientConnection implements CommandClient {
  readonly id: number;
  readonly #socket: Socket;
  readonly #context: ProxyContext;
  readonly #splitter = new MessageSplitter(DEFAULTS.maxMessageBytes);
  readonly #login: ClientLogin;
  readonly #loginTimer: NodeJS.Timeout;
  #phase: Phase = 'login';
  #response: HandshakeResponse | undefined;
  #runner: SessionRunner | undefined;
  #commands: Commands | undefined;
  #pumping = false;
  #readingPaused = false;

  constructor(id: number, socket: Socket, context: ProxyContext) {
    this.id = id;
    this.#socket = socket;
    this.#context = context;
    this.#login = new ClientLogin(context.rsaKey, (user, answer, nonce) =>
      context.backends.fastCheck(user, answer, nonce),
    );
    this.#loginTimer = setTimeout(() => {
      this.#refuse(new RwsplitError('login-timeout', `no login in ${DEFAULTS.clientLoginTimeoutMs} ms`), 0);
    }, DEFAULTS.clientLoginTimeoutMs);
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#receive(chunk);
      } catch (error) {
        // One session fails, not the process.
        context.log.error({ client: id, err: error }, 'internal error: the client is disconnected');
        socket.destroy();
      }
    });
    socket.on('drain', () => this.#runner?.clientDrained());
    socket.on('error', (error) => {
      context.log.debug({ client: id, error: error.message }, 'client connection failed');
    });
    socket.on('close', () => this.#closed());
    this.#greet();
  }

  get capabilities(): number {
    return this.#response?.capabilities ?? 0;
  }

  get user(): string {
    return this.#response?.user ?? '';
  }

  /** As what a KILL of its id finds the client; undefined before its login, and after its end. */
  get killable(): Killable | undefined {
    const runner = this.#runner;
    if (runner === undefined || this.#phase === 'closed') return undefined;
    return { id: this.id, user: this.user, runner, destroy: () => this.destroy() };
  }

  /** Nothing of the client's is under way. */
  get idle(): boolean {
    return this.#phase === 'idle' && this.#runner?.session.inTransaction !== true;
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  // ── RunnerClient ────────────────────────────────────────────────────────────────────────────────────────────────────

  write(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  writeError(error: ErrPacket, sequenceId: number): void {
    this.#socket.write(framePackets(encodeErr(error), sequenceId));
  }

  commandEnded(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'idle';
    this.#pump();
  }

  wantFile(): void {
    this.#phase = 'file';
    this.#takeAll();
  }

  wantStream(): void {
    this.#phase = 'stream';
    this.#takeAll();
  }

  /** What was sent too far ahead was left unread: from now on the server says how fast it is to come. */
  #takeAll(): void {
    if (this.#readingPaused) this.setReading(true);
    else this.#pump();
  }

  /** Ends the connection once what was written has been sent. */
  end(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#socket.end();
    // A client that does not close its side is not waited for.
    this.#socket.setTimeout(1000, () => this.#socket.destroy());
    this.#runner?.end();
  }

  setReading(reading: boolean): void {
    if (reading === !this.#readingPaused) return;
    this.#readingPaused = !reading;
    if (reading) {
      this.#socket.resume();
      this.#pump();
    } else this.#socket.pause();
  }

  /** Tells the client that the proxy stops. Only while it is {@link idle}. */
  shutDown(): void {
    this.#refuse(new RwsplitError('shutting-down', 'the proxy is shutting down; connect again'), 0);
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  // ── bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #receive(chunk: Buffer): void {
    if (this.#phase === 'closed') return;
    this.#splitter.push(chunk);
    this.#pump();
    // What is sent ahead waits in the kernel, not with us; a message under way has to be taken in whole.
    const ahead = this.#phase === 'running' || this.#phase === 'checking';
    if (ahead && this.#splitter.bufferedBytes > DEFAULTS.maxPipelinedBytes) this.setReading(false);
  }

  /** Deals with messages until one has to be waited for. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (TAKES_MESSAGES.has(this.#phase)) {
      if (this.#readingPaused && this.#phase !== 'file' && this.#phase !== 'stream') this.setReading(true);
      const message = this.#splitter.next();
      if (message === undefined) break;
      this.#take(message);
    }
    this.#pumping = false;
    const { error } = this.#splitter;
    if (error === undefined || this.#phase === 'closed') return;
    this.#refuse(
      error.kind === 'sequence'
        ? new RwsplitError('packets-out-of-order', 'the client sent packets out of order')
        : new RwsplitError('packet-too-large', 'the client sent a message of more than 1 GiB'),
      0,
    );
  }

  #take(message: Message): void {
    switch (this.#phase) {
      case 'login':
        this.#stepLogin(message);
        return;
      case 'file':
        this.#sendFile(message);
        return;
      case 'stream':
        this.#runner?.sendUp(message.raw);
        return;
      case 'idle':
        if (message.sequenceId !== 0) {
          this.#refuse(
            new RwsplitError('packets-out-of-order', 'a command began with a packet that is not the first'),
            1,
          );
          return;
        }
        this.#phase = 'running';
        this.#commands?.take(message);
        return;
      case 'checking':
      case 'running':
      case 'closed':
    }
  }

  #sendFile(message: Message): void {
    const ends = message.body.length === message.start;
    if (ends) this.#phase = 'running';
    this.#runner?.sendFile(message.raw, ends, message.nextSequenceId);
  }

  #refuse(error: unknown, sequenceId: number): void {
    if (this.#phase === 'closed') return;
    if (error instanceof RwsplitError) this.#context.log[error.logLevel]({ client: this.id }, error.message);
    this.writeError(errPacketOf(error), sequenceId);
    this.end();
  }

  #closed(): void {
    clearTimeout(this.#loginTimer);
    this.#phase = 'closed';
    this.#runner?.end();
  }

  // ── login ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #greet(): void {
    const snapshot = this.#context.cluster.snapshot();
    const known = snapshot.primary ?? snapshot.replicas[0];
    const greeting = encodeHandshakeV10({
      serverVersion: known?.serverVersion ?? '8.0.0-rwsplit',
      connectionId: this.id,
      nonce: this.#login.nonce,
      capabilities: OFFERED_TO_CLIENTS,
      collation: 255,
      status: ServerStatus.AUTOCOMMIT,
      authPlugin: CACHING_SHA2,
    });
    this.#socket.write(framePackets(greeting, 0));
  }

  #stepLogin(message: Message): void {
    const next = message.nextSequenceId;
    const step = this.#login.step(payloadOf(message));
    switch (step.kind) {
      case 'send':
        this.#socket.write(framePackets(step.payload, next));
        return;
      case 'malformed':
        this.#refuse(new RwsplitError('malformed-packet', 'the login is not what the MySQL protocol has'), next);
        return;
      case 'verified':
        this.#socket.write(framePackets(step.prelude, next));
        this.#check(step.response, undefined, (next + 1) & 0xff);
        return;
      case 'password':
        this.#check(step.response, step.password, next);
        return;
    }
  }

  #check(response: HandshakeResponse, password: string | undefined, sequenceId: number): void {
    this.#phase = 'checking';
    const capabilities = (response.capabilities & OFFERED_TO_CLIENTS) >>> 0;
    this.#response = { ...response, capabilities };
    this.#context.backends
      .logIn(this.#response, password)
      .then(async (group) => this.#enter(group, response.database, sequenceId))
      .catch((error: unknown) => this.#refuse(error, sequenceId));
  }

  async #enter(group: BackendGroup, database: string, sequenceId: number): Promise<void> {
    if (database !== '') await this.#enterSchema(group, database);
    if (this.#phase !== 'checking') return;
    clearTimeout(this.#loginTimer);
    const session = new Session(database, group.baseline, group.serverVersion);
    group.entered();
    this.#socket.once('close', () => group.left());
    this.#runner = new SessionRunner(session, group, this.#context.cluster, this);
    this.#commands = new Commands(this.#runner, this, {
      ...this.#context,
      id: this.id,
      user: this.user,
      killableOf: (id) => this.#context.clientOf(id)?.killable,
    });
    this.#phase = 'idle';
    this.writeOk(sequenceId);
    this.#pump();
  }

  /** Whether the user may use the schema only a server can say. */
  async #enterSchema(group: BackendGroup, database: string): Promise<void> {
    const { primary, replicas, problem } = this.#context.cluster.snapshot();
    const node = primary ?? replicas[0];
    if (node === undefined) throw new RwsplitError('no-primary', problem ?? 'no server can be reached');
    const pool = group.pool(node.address);
    const connection = await pool.acquire();
    if (connection.state.schema !== database) {
      const { error } = await connection.useSchema(database);
      if (error !== undefined) {
        pool.release(connection);
        throw new LoginRefused(error);
      }
    }
    pool.release(connection);
  }

  /** Answers with an OK of our own making. */
  writeOk(sequenceId: number): void {
    const ok = encodeOk(
      {
        header: 0x00,
        affectedRows: 0n,
        lastInsertId: 0n,
        status: this.#runner?.session.status ?? ServerStatus.AUTOCOMMIT,
        warnings: 0,
        info: Buffer.alloc(0),
        sessionChanges: Buffer.alloc(0),
      },
      this.capabilities,
    );
    this.#socket.write(framePackets(ok, sequenceId));
  }
}
