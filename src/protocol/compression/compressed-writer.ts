import type { Codec } from './codec.js';
import { COMPRESSED_HEADER_BYTES } from './compressed-reader.js';

/** Shorter ones are not worth it, and go as they are. Source: `MIN_COMPRESS_LENGTH` of MySQL. */
const MIN_COMPRESSED_BYTES = 50;
/** What is longer goes in several packets. */
const MAX_PIECE_BYTES = 256 * 1024;
/** What is longer is compressed off the event loop. */
const MAX_AT_ONCE_BYTES = 64 * 1024;

interface Piece {
  readonly bytes: Buffer;
  /** The number that its packet has to have; without one, the next. */
  readonly begin: number | undefined;
}

/**
 * Packs a stream of bytes into compressed packets, in order, whether they are compressed at once or off the event loop.
 */
export class CompressedWriter {
  readonly #codec: Codec;
  readonly #send: (packet: Buffer) => boolean;
  readonly #onDrained: () => void;
  readonly #waiting: Piece[] = [];
  #waitingBytes = 0;
  #working = false;
  /** Of the next packet. */
  #sequenceId = 0;
  /** Of the packet that the next write begins with. */
  #begin: number | undefined;

  /**
   * @param send hands a packet on. @returns whether it flows
   * @param onDrained what was waiting has been handed on
   */
  constructor(codec: Codec, send: (packet: Buffer) => boolean, onDrained: () => void) {
    this.#codec = codec;
    this.#send = send;
    this.#onDrained = onDrained;
  }

  /** Taken, and not handed on yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The next write begins a command or an answer: its packets are numbered from here on. */
  begin(sequenceId: number): void {
    this.#begin = sequenceId;
  }

  /**
   * @param bytes read before this returns, unless they are more than 64 KiB or others wait: then they are copied
   * @returns whether they flow; if not, `onDrained` follows, or the receiver's own sign
   */
  write(bytes: Buffer): boolean {
    const begin = this.#begin;
    this.#begin = undefined;
    if (!this.#working && bytes.length <= MAX_AT_ONCE_BYTES) {
      const worth = bytes.length >= MIN_COMPRESSED_BYTES;
      return this.#send(this.#pack({ bytes, begin }, worth ? this.#codec.compress(bytes) : bytes));
    }
    const kept = Buffer.from(bytes);
    for (let at = 0; at < kept.length; at += MAX_PIECE_BYTES) {
      const bytesOfPiece = kept.subarray(at, at + MAX_PIECE_BYTES);
      this.#waiting.push({ bytes: bytesOfPiece, begin: at === 0 ? begin : undefined });
    }
    this.#waitingBytes += kept.length;
    this.#work();
    return false;
  }

  #work(): void {
    if (this.#working) return;
    const piece = this.#waiting.shift();
    if (piece === undefined) {
      this.#onDrained();
      return;
    }
    this.#working = true;
    this.#codec.compressLater(piece.bytes, (compressed) => {
      this.#working = false;
      this.#waitingBytes -= piece.bytes.length;
      this.#send(this.#pack(piece, compressed));
      this.#work();
    });
  }

  /** What compression did not make shorter goes as it is. */
  #pack({ bytes, begin }: Piece, compressed: Buffer): Buffer {
    if (begin !== undefined) this.#sequenceId = begin;
    const shorter = compressed.length < bytes.length;
    const body = shorter ? compressed : bytes;
    const packet = Buffer.allocUnsafe(COMPRESSED_HEADER_BYTES + body.length);
    packet.writeUIntLE(body.length, 0, 3);
    packet[3] = this.#sequenceId;
    packet.writeUIntLE(shorter ? bytes.length : 0, 4, 3);
    packet.set(body, COMPRESSED_HEADER_BYTES);
    this.#sequenceId = (this.#sequenceId + 1) & 0xff;
    return packet;
  }
}
