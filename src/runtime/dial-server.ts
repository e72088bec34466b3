import { connect, type Socket } from 'node:net';
import { DEFAULTS } from '../defaults.js';
import { RwsplitError } from '../errors.js';
import { ServerLogin, type LoginStep, type ServerLoginOptions } from '../protocol/auth/server-login.js';
import { framePackets, MessageSplitter, payloadOf } from '../protocol/framing.js';
import type { HandshakeV10 } from '../protocol/packets/handshake-v10.js';
import type { NodeAddress } from '../topology/snapshot.js';
import { codecOf } from './compression.js';
import type { ServerTls } from './tls/server-tls.js';
import { Wire, type WireOwner } from './wire.js';

/** How a server is reached and logged in to. */
export interface ServerDial {
  readonly login: ServerLoginOptions;
  readonly tls: ServerTls;
}

/** What a connection that has logged in is made of. */
export interface LoggedIn {
  readonly wire: Wire;
  /** The bytes received last are still needed: they must not be read over. */
  readonly keepBuffer: () => void;
  readonly greeting: HandshakeV10;
  /** What both sides agreed on. */
  readonly capabilities: number;
}

/** A server's messages before the login is through are short. */
const MAX_LOGIN_MESSAGE_BYTES = 1 << 20;

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

/**
 * Connects to a server and logs in.
 * @param build makes what owns the connection from then on
 * @throws LoginRefused with the server's own error; RwsplitError when the server cannot be reached
 */
export async function logInToServer<T extends WireOwner>(
  node: NodeAddress,
  dial: ServerDial,
  timeoutMs: number,
  build: (loggedIn: LoggedIn) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    new Dialling(node, dial, build, resolve, reject).giveUpAfter(timeoutMs);
  });
}

/** A connection on its way to being logged in. Once it is, it hands all on to its owner. */
class Dialling<T extends WireOwner> implements WireOwner {
  readonly #node: NodeAddress;
  readonly #tls: ServerTls;
  readonly #login: ServerLogin;
  readonly #build: (loggedIn: LoggedIn) => T;
  readonly #resolve: (owner: T) => void;
  readonly #reject: (error: Error) => void;
  readonly #splitter = new MessageSplitter(MAX_LOGIN_MESSAGE_BYTES);
  readonly #reading: ReadBuffer | undefined;
  readonly #wire: Wire;
  #timer: NodeJS.Timeout | undefined;
  #owner: T | undefined;
  /** An answer is being computed. */
  #busy = false;
  #failed = false;

  constructor(
    node: NodeAddress,
    { login, tls }: ServerDial,
    build: (loggedIn: LoggedIn) => T,
    resolve: (owner: T) => void,
    reject: (error: Error) => void,
  ) {
    this.#node = node;
    this.#tls = tls;
    this.#login = new ServerLogin(login);
    this.#build = build;
    this.#resolve = resolve;
    this.#reject = reject;
    // Reading to the same memory spares an allocation for each read. TLS and compression have buffers of their own.
    this.#reading = login.tls === 'off' && login.compression.length === 0 ? new ReadBuffer() : undefined;
    this.#wire = new Wire(this.#connect(this.#reading), this, this.#reading !== undefined);
  }

  giveUpAfter(timeoutMs: number): void {
    this.#timer = setTimeout(() => this.#unreachable(`no answer in ${timeoutMs} ms`), timeoutMs);
  }

  #connect(reading: ReadBuffer | undefined): Socket {
    const { host, port } = this.#node;
    const options = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };
    const socket = connect(
      reading === undefined
        ? options
        : {
            ...options,
            onread: {
              buffer: () => reading.next(),
              callback: (bytes) => {
                this.received(reading.last, bytes);
                return true;
              },
            },
          },
    );
    socket.on('end', () => socket.destroy());
    return socket;
  }

  // ── WireOwner ───────────────────────────────────────────────────────────────────────────────────────────────────────

  received(chunk: Buffer, end: number): void {
    if (this.#owner !== undefined) {
      this.#owner.received(chunk, end);
      return;
    }
    this.#splitter.push(Buffer.from(chunk.subarray(0, end)));
    try {
      this.#pump();
    } catch (error) {
      this.#unreachable(`its login failed: ${String(error)}`);
    }
  }

  drained(): void {
    this.#owner?.drained();
  }

  failed(error: Error): void {
    if (this.#owner !== undefined) this.#owner.failed(error);
    else this.#unreachable(error.message, error);
  }

  ended(): void {
    if (this.#owner !== undefined) this.#owner.ended();
    else this.#unreachable('it closed the connection during the login');
  }

  // ── login ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #pump(): void {
    while (!this.#failed && !this.#busy && this.#owner === undefined) {
      const message = this.#splitter.next();
      if (message === undefined) break;
      this.#act(this.#login.step(payloadOf(message)), message.nextSequenceId);
    }
    if (this.#splitter.error !== undefined) this.#unreachable('what listens there does not speak the MySQL protocol');
  }

  #act(step: LoginStep, sequenceId: number): void {
    switch (step.kind) {
      case 'send':
        this.#wire.write(framePackets(step.payload, sequenceId));
        return;
      case 'wait':
        return;
      case 'later':
        this.#busy = true;
        step.payload.then(
          (payload) => {
            this.#busy = false;
            if (this.#failed) return;
            this.#wire.write(framePackets(payload, sequenceId));
            this.#pump();
          },
          (error: unknown) => this.#unreachable(`its login failed: ${String(error)}`),
        );
        return;
      case 'start-tls':
        this.#wire.write(framePackets(step.payload, sequenceId));
        this.#wire.secure(
          (socket, done) => this.#tls.handshake(socket, this.#node, done),
          () => this.#act(this.#login.secured(), (sequenceId + 1) & 0xff),
        );
        return;
      case 'failed':
        this.#fail(step.error);
        return;
      case 'logged-in':
        this.#loggedIn(step);
    }
  }

  #loggedIn({ greeting, capabilities, compression }: Extract<LoginStep, { kind: 'logged-in' }>): void {
    clearTimeout(this.#timer);
    if (compression !== undefined) this.#wire.compress(codecOf(compression));
    const keepBuffer = (): void => this.#reading?.give();
    this.#owner = this.#build({ wire: this.#wire, keepBuffer, greeting, capabilities });
    this.#resolve(this.#owner);
  }

  #unreachable(why: string, cause?: Error): void {
    const { name, host, port } = this.#node;
    this.#fail(new RwsplitError('server-unreachable', `cannot reach ${name} (${host}:${port}): ${why}`, { cause }));
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    clearTimeout(this.#timer);
    this.#wire.destroy();
    this.#reject(error);
  }
}
