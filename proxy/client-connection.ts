import type { Socket } from 'node:net';
import type { KnownRoutines } from '../src/classify/known-routines.js';
import type { StatementCache } from '../src/classify/statement-cache.js';
import { DEFAULTS } from '../src/defaults.js';
import { errPacketOf, RwsplitError } from '../src/errors.js';
import { framePackets, MessageSplitter, type Message } from '../src/protocol/framing.js';
import { encodeErr, type ErrPacket } from '../src/protocol/packets/err.js';
import type { HandshakeResponse } from '../src/protocol/packets/handshake-response.js';
import { encodeOk } from '../src/protocol/packets/ok.js';
import { ServerStatus } from '../src/protocol/server-status.js';
import type { Rules } from '../src/routing/rules.js';
import type { Log } from '../src/runtime/log.js';
import { Wire, type WireOwner } from '../src/runtime/wire.js';
import type { Consistency } from '../src/session/consistency.js';
import { Freshness } from '../src/session/freshness.js';
import { Session } from '../src/session/session.js';
import type { Admin } from './admin/admin.js';
import type { BinlogFrom } from './binlog-source.js';
import type { BackendGroup, Backends } from './backends.js';
import { ClientEntrance, type Entered, type EntranceHost, type EntranceSettings } from './client-entrance.js';
import { Commands, type CommandClient } from './commands.js';
import type { Killable } from './kill.js';
import type { Admission } from './listen/limits.js';
import { readProxyHeader } from './listen/proxy-header.js';
import type { Cluster } from './run/runner-context.js';
import type { RunnerStatus } from './run/runner-status.js';
import { SessionRunner } from './session-runner.js';

/** What all clients of a proxy share. */
export interface ProxyContext {
  readonly cluster: Cluster;
  readonly backends: Backends;
  readonly entrance: EntranceSettings;
  readonly statements: StatementCache;
  readonly routines: KnownRoutines;
  /** How fresh reads are, where the user has no level of their own. */
  readonly consistency: Consistency;
  readonly binlogFrom: ReadonlyMap<string, BinlogFrom>;
  readonly admin: Admin;
  readonly rules: Rules;
  readonly intake: Intake;
  readonly times: ClientTimes;
  readonly log: Log;
  /** What a client runs is killed on the server when the client disappears. */
  readonly killsAbandoned: boolean;
  /** The client that was told this id. */
  readonly clientOf: (id: number) => ClientConnection | undefined;
}

/** How much clients may send. */
export interface Intake {
  /** The longest message, headers included. */
  readonly maxMessageBytes: number;
  /** What is held of messages under way, of all clients. */
  bufferedBytes: number;
}

export interface ClientTimes {
  readonly loginTimeoutMs: number;
  /** Undefined where the server's wait_timeout counts. */
  readonly idleTimeoutMs: number | undefined;
  /** A clock that is cheap to read: as of the last look at idle clients. */
  nowMs: number;
}

/** What a client is, and does. */
export interface ClientStatus {
  readonly id: number;
  readonly user: string;
  readonly address: string;
  readonly transport: string;
  readonly phase: string;
  readonly phaseSinceMs: number;
  readonly session: Session;
  readonly runner: RunnerStatus;
}

/** Where a client's connection comes from. */
export interface ClientSource {
  readonly socket: Socket;
  /** '' of a Unix socket. */
  readonly address: string;
  /** It does not leave the machine: as good as TLS. */
  readonly isLocal: boolean;
  /** A PROXY header may come first. */
  readonly mayBeProxied: boolean;
  readonly admission: Admission;
  /** Called once when the connection is gone. */
  readonly onEnded: (client: ClientConnection) => void;
}

/**
 * What the client may do now:
 *
 * ```
 *            ┌──► securing (TLS)       ┌───────── COM_CHANGE_USER ─────────┐
 *  proxied ──► login ──► checking ──► idle ◄──► running ◄──► file, stream  │
 *              ▲  └───────────┴────────┼───────────┴───────────┴───────────┼──► closed
 *              └───────────────────────┴───────────────────────────────────┘
 * ```
 */
type Phase = 'proxied' | 'login' | 'securing' | 'checking' | 'idle' | 'running' | 'file' | 'stream' | 'closed';

/** Where the next message may be taken. */
const TAKES_MESSAGES: ReadonlySet<Phase> = new Set(['idle', 'login', 'file', 'stream']);

/** A client's connection: takes its commands one by one, and hands their answers back. */
export class ClientConnection implements CommandClient, WireOwner, EntranceHost {
  readonly id: number;
  readonly #wire: Wire;
  readonly #context: ProxyContext;
  readonly #admission: Admission;
  readonly #onEnded: (client: ClientConnection) => void;
  readonly #splitter = new MessageSplitter(DEFAULTS.maxLoginBytes);
  readonly #entrance: ClientEntrance;
  #loginTimer: NodeJS.Timeout | undefined;
  #phase: Phase;
  /** What came before it is known whether it is a PROXY header. */
  #head: Buffer = Buffer.alloc(0);
  #response: HandshakeResponse | undefined;
  #group: BackendGroup | undefined;
  #runner: SessionRunner | undefined;
  #commands: Commands | undefined;
  #pumping = false;
  #readingPaused = false;
  /** Bytes of this client in the intake's sum. */
  #countedBytes = 0;
  /** Of idle and running; coarse. */
  #phaseSinceMs = 0;

  constructor(id: number, source: ClientSource, context: ProxyContext) {
    this.id = id;
    this.#context = context;
    this.#admission = source.admission;
    this.#onEnded = source.onEnded;
    this.#phase = source.mayBeProxied ? 'proxied' : 'login';
    this.#wire = new Wire(source.socket, this);
    const { entrance, backends, cluster } = context;
    const origin = { address: source.address, secure: source.isLocal };
    this.#entrance = new ClientEntrance(this, entrance, backends, () => cluster.snapshot(), origin);
    this.#waitForLogin();
    this.#entrance.greet(id);
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

  /** For those who watch; undefined before the client's login. */
  get status(): ClientStatus | undefined {
    const runner = this.#runner;
    if (runner === undefined) return undefined;
    const { address, secure } = this.#entrance.origin;
    return {
      id: this.id,
      user: this.user,
      address,
      transport: [secure ? 'secure' : '', this.#wire.isCompressed ? 'compressed' : ''].filter((it) => it !== '').join(),
      phase: this.#phase,
      phaseSinceMs: this.#phaseSinceMs,
      session: runner.session,
      runner: runner.status,
    };
  }

  /** Nothing of the client's is under way. */
  get idle(): boolean {
    return this.#phase === 'idle' && this.#runner?.session.inTransaction !== true;
  }

  /** Whether something is under way on the primary that cannot move to another one. */
  get isAtWork(): boolean {
    return this.#runner?.isAtWork === true;
  }

  get pendingBytes(): number {
    return this.#wire.pendingBytes;
  }

  // ── RunnerClient ────────────────────────────────────────────────────────────────────────────────────────────────────

  write(bytes: Buffer): boolean {
    return this.#wire.write(bytes);
  }

  writeError(error: ErrPacket, sequenceId: number): void {
    this.send(encodeErr(error), sequenceId);
  }

  commandEnded(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'idle';
    this.#phaseSinceMs = this.#context.times.nowMs;
    this.#pump();
  }

  wantFile(sequenceId: number): void {
    this.#phase = 'file';
    this.#splitter.expectSequence(sequenceId);
    this.#takeAll();
  }

  wantStream(): void {
    this.#phase = 'stream';
    this.#takeAll();
  }

  /** It was refused, and what is still asked is ours: what the client sends from now on is its next command. */
  streamEnded(): void {
    if (this.#phase === 'stream') this.#phase = 'running';
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
    this.#wire.end();
    this.#leaveSession();
  }

  setReading(reading: boolean): void {
    if (reading === !this.#readingPaused) return;
    this.#readingPaused = !reading;
    if (reading) {
      this.#wire.resume();
      this.#pump();
    } else this.#wire.pause();
  }

  /** Tells the client that the proxy stops. Only while it is {@link idle}. */
  shutDown(): void {
    this.#sayGoodbye(new RwsplitError('shutting-down', 'the proxy is shutting down; connect again'));
  }

  /** Disconnects a client that has said nothing for as long as the session's wait_timeout, the proxy's limit or the server's wait_timeout. */
  endIfIdle(nowMs: number): void {
    if (this.#phase !== 'idle') return;
    const ofSession = this.#runner?.session.state.variables.get('wait_timeout');
    const { idleTimeoutMs } = this.#context.times;
    const seconds = ofSession ?? (idleTimeoutMs === undefined ? this.#group?.baseline.get('wait_timeout') : undefined);
    const limitMs = seconds === undefined ? (idleTimeoutMs ?? Infinity) : Number(seconds) * 1000;
    if (nowMs - this.#phaseSinceMs <= limitMs) return;
    const what = `disconnected after ${Math.round(limitMs / 1000)} s without a command; connect again, or raise wait_timeout`;
    this.#sayGoodbye(new RwsplitError('idle-timeout', what));
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#wire.destroy();
  }

  // ── WireOwner ───────────────────────────────────────────────────────────────────────────────────────────────────────

  received(chunk: Buffer): void {
    try {
      this.#receive(chunk);
    } catch (error) {
      // One session fails, not the process.
      this.#context.log.error({ client: this.id, err: error }, 'internal error: the client is disconnected');
      this.#wire.destroy();
    }
  }

  drained(): void {
    this.#runner?.clientDrained();
  }

  failed(error: Error): void {
    this.#context.log.debug({ client: this.id, error: error.message }, 'client connection failed');
  }

  ended(): void {
    clearTimeout(this.#loginTimer);
    const wasRunning = this.#phase === 'running';
    this.#phase = 'closed';
    this.#context.intake.bufferedBytes -= this.#countedBytes;
    this.#countedBytes = 0;
    this.#admission.leave();
    this.#onEnded(this);
    const runner = this.#runner;
    if (runner === undefined || !wasRunning || !this.#context.killsAbandoned) {
      this.#leaveSession();
      return;
    }
    // What it waited for is of no use to anybody. As long as it runs, the session has to know where.
    const leave = (): void => this.#leaveSession();
    runner.kill().then(leave, leave);
  }

  // ── bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #receive(chunk: Buffer): void {
    if (this.#phase === 'closed') return;
    if (this.#phase === 'proxied') {
      this.#takeProxyHeader(chunk);
      return;
    }
    this.#splitter.push(chunk);
    this.#pump();
    this.#countBuffered();
    // What is sent ahead waits in the kernel, not with us; a message under way has to be taken in whole.
    const ahead = this.#phase === 'running' || this.#phase === 'checking';
    if (ahead && this.#splitter.bufferedBytes > DEFAULTS.maxPipelinedBytes) this.setReading(false);
  }

  #takeProxyHeader(chunk: Buffer): void {
    const bytes = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    const header = readProxyHeader(bytes);
    switch (header.kind) {
      case 'more':
        this.#head = bytes;
        return;
      case 'malformed':
        this.refused(new RwsplitError('malformed-packet', 'the PROXY protocol header cannot be read'), 1);
        return;
      case 'header':
      case 'none':
    }
    const source = header.kind === 'header' ? header.source : undefined;
    if (!this.#comesFrom(source?.address ?? this.#entrance.origin.address)) return;
    this.#head = Buffer.alloc(0);
    this.#phase = 'login';
    this.#receive(header.kind === 'header' ? bytes.subarray(header.bytes) : bytes);
  }

  /** @returns whether the client may stay */
  #comesFrom(address: string): boolean {
    try {
      this.#admission.comesFrom(address);
    } catch (error) {
      this.refused(error, 1);
      return false;
    }
    this.#entrance.comesFrom(address);
    return true;
  }

  #countBuffered(): void {
    const { bufferedBytes } = this.#splitter;
    if (bufferedBytes === this.#countedBytes) return;
    const { intake } = this.#context;
    intake.bufferedBytes += bufferedBytes - this.#countedBytes;
    this.#countedBytes = bufferedBytes;
    if (intake.bufferedBytes <= DEFAULTS.maxBufferedBytes || bufferedBytes <= DEFAULTS.maxPipelinedBytes) return;
    const what = 'clients have sent more than rwsplit can hold; send less at a time';
    this.refused(new RwsplitError('out-of-memory', what), 1);
  }

  /** Deals with messages until one has to be waited for. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (TAKES_MESSAGES.has(this.#phase)) {
      if (this.#readingPaused && this.#phase !== 'file' && this.#phase !== 'stream') this.setReading(true);
      if (this.#phase === 'idle') this.#splitter.expectSequence(0);
      const message = this.#splitter.next();
      if (message === undefined) break;
      this.#take(message);
    }
    this.#pumping = false;
    const { error } = this.#splitter;
    if (error === undefined || this.#phase === 'closed') return;
    this.refused(
      error.kind === 'sequence'
        ? new RwsplitError('packets-out-of-order', 'the client sent packets out of order')
        : new RwsplitError('packet-too-large', `a message may have ${this.#splitter.maxBytes} bytes`),
      1,
    );
  }

  #take(message: Message): void {
    switch (this.#phase) {
      case 'login':
        this.#wire.beginAnswer(false);
        this.#entrance.step(message);
        return;
      case 'file':
        this.#sendFile(message);
        return;
      case 'stream':
        this.#runner?.sendUp(message.raw);
        return;
      case 'idle':
        if (message.sequenceId !== 0) {
          this.refused(
            new RwsplitError('packets-out-of-order', 'a command began with a packet that is not the first'),
            1,
          );
          return;
        }
        this.#phase = 'running';
        this.#phaseSinceMs = this.#context.times.nowMs;
        if (this.#runner !== undefined) this.#runner.session.nowMs = this.#phaseSinceMs;
        this.#wire.beginAnswer(this.#splitter.bufferedBytes > 0);
        this.#commands?.take(message);
        return;
      case 'proxied':
      case 'securing':
      case 'checking':
      case 'running':
      case 'closed':
    }
  }

  #sendFile(message: Message): void {
    const ends = message.body.length === message.start;
    if (ends) {
      this.#phase = 'running';
      this.#wire.beginAnswer(false);
    }
    this.#runner?.sendFile(message.raw, ends, message.nextSequenceId);
  }

  /** What the server says where no command asked. */
  #sayGoodbye(error: RwsplitError): void {
    this.#wire.beginCommand();
    this.refused(error, 0);
  }

  // ── login: EntranceHost ─────────────────────────────────────────────────────────────────────────────────────────────

  send(payload: Buffer, sequenceId: number): void {
    this.#wire.write(framePackets(payload, sequenceId));
  }

  startTls(): void {
    const { tls } = this.#context.entrance;
    if (tls === undefined) return;
    this.#phase = 'securing';
    this.#wire.secure(
      (socket, done) => tls.accept(socket, done),
      (secured) => {
        if (this.#phase !== 'securing') return;
        this.#entrance.secured(secured);
        this.#phase = 'login';
        this.#pump();
      },
      this.#splitter.takeRest(),
    );
  }

  checking(): void {
    this.#phase = 'checking';
  }

  admitted({ response, group, sequenceId, codec }: Entered): void {
    if (this.#phase !== 'checking') return;
    const { entrance, cluster, intake } = this.#context;
    try {
      this.#admission.enter(response.user, entrance.users.find(response.user)?.connections);
    } catch (error) {
      this.refused(error, sequenceId);
      return;
    }
    clearTimeout(this.#loginTimer);
    this.#response = response;
    this.#group = group;
    group.entered();
    const { consistency = this.#context.consistency, maxLagMs } = entrance.users.find(response.user) ?? {};
    const freshness = new Freshness(consistency, cluster.committed, maxLagMs);
    const session = new Session(response.database, group.baseline, group.serverVersion, freshness);
    this.#runner = new SessionRunner(session, group, cluster, this);
    this.#commands = new Commands(this.#runner, this, {
      ...this.#context,
      id: this.id,
      user: this.user,
      killableOf: (id) => this.#context.clientOf(id)?.killable,
    });
    this.#splitter.maxBytes = intake.maxMessageBytes;
    this.writeOk(sequenceId);
    if (codec !== undefined) {
      this.#wire.compress(codec);
      this.#splitter.ignoreSequence();
    }
    this.commandEnded();
  }

  refused(error: unknown, sequenceId: number): void {
    if (this.#phase === 'closed') return;
    if (error instanceof RwsplitError) this.#context.log[error.logLevel]({ client: this.id }, error.message);
    this.writeError(errPacketOf(error), sequenceId);
    this.end();
  }

  /** The session ends; another one may follow on the same connection. */
  changeUser(message: Message): void {
    const current = this.#response;
    if (current === undefined) return;
    this.#leaveSession();
    this.#phase = 'login';
    this.#splitter.maxBytes = DEFAULTS.maxLoginBytes;
    this.#waitForLogin();
    this.#entrance.changeUser(message, current);
    this.#pump();
  }

  #waitForLogin(): void {
    const { loginTimeoutMs } = this.#context.times;
    this.#loginTimer = setTimeout(() => {
      this.refused(new RwsplitError('login-timeout', `no login in ${loginTimeoutMs} ms`), 1);
    }, loginTimeoutMs);
  }

  #leaveSession(): void {
    this.#runner?.end();
    this.#runner = undefined;
    this.#commands = undefined;
    this.#group?.left();
    this.#group = undefined;
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
    this.send(ok, sequenceId);
  }
}
