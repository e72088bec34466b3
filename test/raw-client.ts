import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { encryptPassword, scramble } from '../src/protocol/auth/caching-sha2.js';
import { encodeClearPassword } from '../src/protocol/auth/clear-password.js';
import { NATIVE_PASSWORD, nativeScramble } from '../src/protocol/auth/native-password.js';
import { Capability, COMPRESSION_FLAGS, hasCapability, SERVER_CONNECTION_FLAGS } from '../src/protocol/capabilities.js';
import type { Codec, CompressionAlgorithm } from '../src/protocol/compression/codec.js';
import { framePackets } from '../src/protocol/framing.js';
import { decodeAuthSwitchRequest } from '../src/protocol/packets/auth-switch-request.js';
import { decodeHandshakeV10 } from '../src/protocol/packets/handshake-v10.js';
import { encodeHandshakeResponse } from '../src/protocol/packets/handshake-response.js';
import { encodeSslRequest } from '../src/protocol/packets/ssl-request.js';
import { MalformedPacket } from '../src/protocol/malformed-packet.js';
import { codecOf } from '../src/runtime/compression.js';

/** One packet as a client sees it. */
export interface RawPacket {
  readonly sequenceId: number;
  readonly payload: Buffer;
}

export interface RawLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database?: string;
  /** On top of what every client needs. */
  readonly capabilities?: number;
  readonly collation?: number;
  /** Begins TLS before it logs in. */
  readonly tls?: ConnectionOptions;
  readonly compression?: CompressionAlgorithm;
  readonly attributes?: Buffer;
  /** Goes before everything else: a PROXY protocol header. */
  readonly preamble?: Buffer;
}

/** Which packets a command's answer has: told apart by this client's own reading of the protocol. */
export type AnswerShape = 'result' | 'ok' | 'prepare' | 'fields' | 'rows' | 'one' | 'none';

const MORE_RESULTS = 0x0008;
const CURSOR_EXISTS = 0x0040;
const PS_OUT_PARAMS = 0x1000;
/** A server that is silent for so long will say nothing more. */
const SILENCE_MS = 20_000;
const EMPTY = Buffer.alloc(0);

const open = new Set<RawClient>();

/** Ends those that are still there. */
export function endRawClients(): void {
  for (const client of open) client.destroy();
}

/** A client of the protocol's bare packets, with nothing of the proxy's own reading of answers in it. */
export class RawClient {
  socket: Socket;
  capabilities = 0;
  /** Of the greeting. */
  nonce: Buffer = EMPTY;
  connectionId = 0;
  /** With which the next TLS handshake can be a short one. */
  tlsSession: Buffer | undefined;
  /** The login was by the password itself, not by a proof that it is known. */
  toldPassword = false;
  readonly #packets: RawPacket[] = [];
  #chunks: Buffer[] = [];
  #received = 0;
  /** Before so many bytes are there, there is no whole packet. */
  #needed = 4;
  #wake: (() => void) | undefined;
  #ended = false;
  #codec: Codec | undefined;
  #compressed = EMPTY;
  /** Of the next compressed packet. */
  #compressedId = 0;

  constructor(host: string, port: number) {
    this.socket = connect({ host, port, noDelay: true });
    this.#listen(this.socket);
    open.add(this);
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#unpack(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
      if (socket === this.socket) open.delete(this);
    });
  }

  /** @returns the socket with TLS on it; rejects when the handshake fails */
  async startTls(options: ConnectionOptions): Promise<TLSSocket> {
    const plain = this.socket;
    plain.removeAllListeners('data');
    const secured = connectTls({ socket: plain, ...options });
    secured.on('session', (session: Buffer) => {
      this.tlsSession = session;
    });
    await new Promise((resolve, reject) => {
      secured.once('error', reject);
      secured.once('secureConnect', resolve);
    });
    this.socket = secured;
    this.#listen(secured);
    return secured;
  }

  /** Connects and logs in. @throws Error with the server's words */
  static async logIn(login: RawLogin): Promise<RawClient> {
    const client = new RawClient(login.host, login.port);
    if (login.preamble !== undefined) client.socket.write(login.preamble);
    const greeting = decodeHandshakeV10((await client.read()).payload);
    if (greeting instanceof MalformedPacket) throw new Error('the greeting cannot be read');
    const database = login.database ?? '';
    const wanted =
      (SERVER_CONNECTION_FLAGS & ~Capability.SESSION_TRACK) |
      Capability.MULTI_RESULTS |
      Capability.PS_MULTI_RESULTS |
      (login.capabilities ?? 0) |
      (login.tls === undefined ? 0 : Capability.SSL) |
      (login.compression === undefined ? 0 : COMPRESSION_FLAGS[login.compression]) |
      (database === '' ? 0 : Capability.CONNECT_WITH_DB);
    client.capabilities = (wanted & greeting.capabilities) >>> 0;
    client.connectionId = greeting.connectionId;
    client.nonce = greeting.nonce;
    const response = encodeHandshakeResponse({
      capabilities: client.capabilities,
      maxPacketBytes: 0x40000000,
      collation: login.collation ?? 255,
      user: login.user,
      authResponse: scramble(login.password, greeting.nonce),
      database,
      authPlugin: 'caching_sha2_password',
      attributes: login.attributes ?? EMPTY,
    });
    if (login.tls !== undefined) {
      client.send(encodeSslRequest(client.capabilities, 0x40000000, 255), 1);
      await client.startTls(login.tls);
    }
    client.send(response, login.tls === undefined ? 1 : 2);
    for (;;) {
      const { payload, sequenceId } = await client.read();
      const [first, second] = payload;
      if (first === 0x00) {
        if (login.compression !== undefined) client.#codec = codecOf(login.compression);
        return client;
      }
      if (first === 0xff) throw new Error(payload.subarray(9).toString());
      const asksAnother = first === 0xfe ? decodeAuthSwitchRequest(payload) : undefined;
      if (asksAnother !== undefined && !(asksAnother instanceof MalformedPacket)) {
        if (asksAnother.plugin !== NATIVE_PASSWORD) throw new Error(`no login with ${asksAnother.plugin}`);
        client.send(nativeScramble(login.password, asksAnother.nonce), sequenceId + 1);
      } else if (first === 0x01 && second === 4) {
        client.toldPassword = true;
        client.send(login.tls === undefined ? Buffer.from([2]) : encodeClearPassword(login.password), sequenceId + 1);
      } else if (first === 0x01 && second !== 3) {
        client.send(encryptPassword(login.password, greeting.nonce, payload.subarray(1)), sequenceId + 1);
      }
    }
  }

  send(payload: Uint8Array, sequenceId = 0): void {
    const framed = framePackets(payload, sequenceId);
    if (this.#codec === undefined) {
      this.socket.write(framed);
      return;
    }
    if (sequenceId === 0) this.#compressedId = 0;
    for (let at = 0; at < framed.length; at += 0xffffff) this.#pack(framed.subarray(at, at + 0xffffff), this.#codec);
  }

  #pack(bytes: Buffer, codec: Codec): void {
    const worth = bytes.length >= 50;
    const body = worth ? codec.compress(bytes) : bytes;
    const head = Buffer.alloc(7);
    head.writeUIntLE(body.length, 0, 3);
    head[3] = this.#compressedId;
    this.#compressedId = (this.#compressedId + 1) & 0xff;
    head.writeUIntLE(worth ? bytes.length : 0, 4, 3);
    this.socket.write(Buffer.concat([head, body]));
  }

  #unpack(chunk: Buffer): void {
    if (this.#codec === undefined) {
      this.#receive(chunk);
      return;
    }
    this.#compressed = Buffer.concat([this.#compressed, chunk]);
    for (;;) {
      const bytes = this.#compressed;
      const end = bytes.length < 7 ? Infinity : 7 + bytes.readUIntLE(0, 3);
      if (bytes.length < end) return;
      // A server that says good-bye by itself begins anew.
      if (bytes[3] !== this.#compressedId && bytes[3] !== 0) {
        throw new Error(`a compressed packet ${bytes[3]}, not ${this.#compressedId}`);
      }
      this.#compressedId = ((bytes[3] ?? 0) + 1) & 0xff;
      const size = bytes.readUIntLE(4, 3);
      const body = bytes.subarray(7, end);
      this.#compressed = bytes.subarray(end);
      this.#receive(size === 0 ? body : this.#codec.decompress(body, size));
    }
  }

  /** @throws Error when the connection ends before a packet came */
  async read(): Promise<RawPacket> {
    for (;;) {
      const packet = this.#packets.shift();
      if (packet !== undefined) return packet;
      if (this.#ended) throw new Error('the connection ended');
      await this.#woken();
    }
  }

  /** Resolves when the other side has closed. */
  async ended(): Promise<void> {
    while (!this.#ended) await this.#woken();
  }

  /** Something came, or the connection ended. @throws Error when neither happens */
  async #woken(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        timer = setTimeout(() => reject(new Error(`nothing came in ${SILENCE_MS} ms`)), SILENCE_MS);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a command and reads its whole answer. */
  async command(payload: Uint8Array | readonly number[], shape: AnswerShape): Promise<RawPacket[]> {
    this.send(Uint8Array.from(payload));
    return this.answer(shape);
  }

  async query(sql: string | Uint8Array): Promise<RawPacket[]> {
    return this.command(this.queryPayload(sql), 'result');
  }

  queryPayload(sql: string | Uint8Array): Buffer {
    const text = typeof sql === 'string' ? Buffer.from(sql) : sql;
    const head = hasCapability(this.capabilities, Capability.QUERY_ATTRIBUTES) ? [3, 0, 1] : [3];
    return Buffer.concat([Buffer.from(head), text]);
  }

  async answer(shape: AnswerShape): Promise<RawPacket[]> {
    const packets: RawPacket[] = [];
    const next = async (): Promise<Buffer> => {
      const first = await this.read();
      packets.push(first);
      // A full packet is continued by the next one, whose bytes mean nothing by themselves.
      for (let last = first; last.payload.length === 0xffffff; packets.push(last)) last = await this.read();
      return first.payload;
    };
    switch (shape) {
      case 'none':
        break;
      case 'ok':
      case 'one':
        await next();
        break;
      case 'prepare':
        await this.#readPrepared(next);
        break;
      case 'fields':
      case 'rows':
        await this.#readRows(next);
        break;
      case 'result':
        while (await this.#readResult(next));
    }
    return packets;
  }

  destroy(): void {
    this.socket.destroy();
  }

  get #optionalMetadata(): boolean {
    return hasCapability(this.capabilities, Capability.OPTIONAL_RESULTSET_METADATA);
  }

  get #deprecatesEof(): boolean {
    return hasCapability(this.capabilities, Capability.DEPRECATE_EOF);
  }

  /** @returns whether another result follows */
  async #readResult(next: () => Promise<Buffer>): Promise<boolean> {
    const head = await next();
    if (head[0] === 0xff) return false;
    if (head[0] === 0x00) return (statusOfOk(head) & MORE_RESULTS) !== 0;
    const wide = head[0] === 0xfc;
    const columns = wide ? head.readUInt16LE(1) : (head[0] ?? 0);
    const follow = !this.#optionalMetadata || head[wide ? 3 : 1] === 1;
    const definitions = follow ? columns : 0;
    for (let i = 0; i < definitions; i++) await next();
    const before = this.#deprecatesEof ? 0 : statusOfEof(await next());
    if ((before & CURSOR_EXISTS) !== 0) return false;
    const after = await this.#readRows(next);
    // Only the first of the two EOF packets around a procedure's OUT parameters tells that something follows them.
    return ((before & PS_OUT_PARAMS) | (after & MORE_RESULTS)) !== 0;
  }

  /** @returns the status flags at the end of the rows */
  async #readRows(next: () => Promise<Buffer>): Promise<number> {
    for (;;) {
      const payload = await next();
      if (payload[0] === 0xff) return 0;
      if (payload[0] !== 0xfe) continue;
      if (this.#deprecatesEof && payload.length < 0xffffff) return statusOfOk(payload);
      if (!this.#deprecatesEof && payload.length < 9) return statusOfEof(payload);
    }
  }

  async #readPrepared(next: () => Promise<Buffer>): Promise<void> {
    const head = await next();
    if (head[0] === 0xff) return;
    const eof = this.#deprecatesEof ? 0 : 1;
    const follow = !this.#optionalMetadata || head[12] === 1;
    for (const count of [head.readUInt16LE(7), head.readUInt16LE(5)]) {
      if (count === 0) continue;
      for (let i = 0; i < (follow ? count : 0) + eof; i++) await next();
    }
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    if (this.#received < this.#needed) return;
    const bytes = Buffer.concat(this.#chunks);
    let at = 0;
    for (;;) {
      this.#needed = 4;
      if (bytes.length - at < 4) break;
      const length = bytes.readUIntLE(at, 3);
      this.#needed = 4 + length;
      if (bytes.length - at < 4 + length) break;
      const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length));
      this.#packets.push({ sequenceId: bytes[at + 3] ?? 0, payload });
      at += 4 + length;
    }
    // A copy, so that a large message is not kept for the few bytes after it.
    this.#chunks = [Buffer.from(bytes.subarray(at))];
    this.#received = bytes.length - at;
    this.#wake?.();
  }
}

function statusOfEof(payload: Buffer): number {
  return payload.readUInt16LE(3);
}

function statusOfOk(payload: Buffer): number {
  let at = 1;
  for (let i = 0; i < 2; i++) at += lenencLength(payload[at] ?? 0);
  return payload.readUInt16LE(at);
}

function lenencLength(first: number): number {
  return first === 0xfc ? 3 : first === 0xfd ? 4 : first === 0xfe ? 9 : 1;
}
