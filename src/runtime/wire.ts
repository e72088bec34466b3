import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Codec } from '../protocol/compression/codec.js';
import { CompressedReader } from '../protocol/compression/compressed-reader.js';
import { CompressedWriter } from '../protocol/compression/compressed-writer.js';
import { endSocket } from './end-socket.js';

/** Who is at this end of a wire. */
export interface WireOwner {
  /** Bytes came: the first `end` of `chunk`. Where the socket reads to a buffer of its own, they are only valid during the call. */
  received(chunk: Buffer, end: number): void;
  /** What was written has been taken, after a write that did not flow. */
  drained(): void;
  failed(error: Error): void;
  ended(): void;
}

/** @param done is told the socket with TLS on it, or why there is none */
export type Handshake = (socket: Socket, done: (outcome: TLSSocket | Error) => void) => void;

/**
 * A connection to a peer as a stream of bytes, under which TLS and compression are put where the two agree on them:
 *
 * ```
 *  packets ◄──► [compression] ◄──► [TLS] ◄──► socket
 * ```
 */
export class Wire {
  readonly #owner: WireOwner;
  #socket: Socket;
  #reader: CompressedReader | undefined;
  #writer: CompressedWriter | undefined;
  #unpacking = false;
  #paused = false;
  #endsWhenDrained = false;
  #hasEnded = false;

  /** @param readsItself the socket hands its bytes to {@link WireOwner.received} itself: neither TLS nor compression can come */
  constructor(socket: Socket, owner: WireOwner, readsItself = false) {
    this.#owner = owner;
    this.#socket = socket;
    this.#listen(socket, readsItself);
  }

  /** Written but not yet taken by the kernel. */
  get pendingBytes(): number {
    return this.#socket.writableLength + (this.#writer?.waitingBytes ?? 0);
  }

  get isCompressed(): boolean {
    return this.#writer !== undefined;
  }

  /** @returns false when the peer is slow to take it: {@link WireOwner.drained} follows */
  write(bytes: Buffer): boolean {
    return this.#writer === undefined ? this.#socket.write(bytes) : this.#writer.write(bytes);
  }

  /** Writes of one turn leave as one. */
  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#unpack();
    if (!this.#paused) this.#socket.resume();
  }

  /** Ends the connection when all that was written has been sent. */
  end(): void {
    this.#endsWhenDrained = true;
    if ((this.#writer?.waitingBytes ?? 0) === 0) endSocket(this.#socket);
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Puts TLS under the stream. Until the handshake is through, nothing may be written.
   * @param handshake begins it on the socket, and says how it went
   * @param whenSecure not called when it failed: then the owner learns that
   * @param rest bytes that were read already, and are TLS's
   */
  secure(handshake: Handshake, whenSecure: (secured: TLSSocket) => void, rest?: Buffer): void {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    plain.removeAllListeners('drain');
    plain.pause();
    if (rest !== undefined && rest.length > 0) plain.unshift(rest);
    handshake(plain, (outcome) => {
      if (outcome instanceof Error) {
        this.#owner.failed(outcome);
        plain.destroy();
        return;
      }
      this.#socket = outcome;
      this.#listen(outcome, false);
      whenSecure(outcome);
    });
  }

  /** From the next byte on, both ways. */
  compress(codec: Codec): void {
    this.#reader = new CompressedReader(codec);
    this.#writer = new CompressedWriter(
      codec,
      (packet) => this.#socket.write(packet),
      () => {
        if (this.#endsWhenDrained) endSocket(this.#socket);
        // Otherwise the socket's own sign follows. Some bytes on their way are none: TLS takes each a little later.
        else if (!this.#socket.writableNeedDrain) this.#owner.drained();
      },
    );
  }

  /** A command begins with the next write: its compressed packets are numbered from 0. */
  beginCommand(): void {
    this.#writer?.begin(0);
  }

  /** The next write answers what has come. @param aheadCame more than that has come: what is answered was one packet, as commands are */
  beginAnswer(aheadCame: boolean): void {
    if (this.#reader !== undefined) this.#writer?.begin(aheadCame ? 1 : (this.#reader.sequenceId + 1) & 0xff);
  }

  #listen(socket: Socket, readsItself: boolean): void {
    const owner = this.#owner;
    if (!readsItself) socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('drain', () => {
      if ((this.#writer?.waitingBytes ?? 0) === 0) owner.drained();
    });
    socket.on('error', (error) => owner.failed(error));
    socket.on('close', () => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      owner.ended();
    });
  }

  #received(chunk: Buffer): void {
    if (this.#reader === undefined) {
      this.#owner.received(chunk, chunk.length);
      return;
    }
    this.#reader.push(chunk);
    this.#unpack();
  }

  #unpack(): void {
    const reader = this.#reader;
    // The owner may pause and resume within its call.
    if (reader === undefined || this.#unpacking) return;
    this.#unpacking = true;
    while (!this.#paused) {
      const bytes = reader.next();
      if (bytes === undefined) break;
      this.#owner.received(bytes, bytes.length);
    }
    this.#unpacking = false;
    if (reader.malformed !== undefined) this.#socket.destroy(new Error(`what came is no ${reader.malformed.expected}`));
  }
}
