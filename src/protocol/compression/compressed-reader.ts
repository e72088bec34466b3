import { packetLength } from '../framing.js';
import { MalformedPacket } from '../malformed-packet.js';
import type { Codec } from './codec.js';

/** The length of what follows, a sequence id of its own, and the length of that before it was compressed; 0 if it was not. */
export const COMPRESSED_HEADER_BYTES = 7;

/**
 * Unpacks the compressed packets of a peer, wherever their bytes are cut. What is in them is the stream that
 * would have come without compression, cut at any place: packets begin and end anywhere in it.
 * Source: MySQL's protocol documentation, "Compressed Packet".
 */
export class CompressedReader {
  readonly #codec: Codec;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #needBytes = COMPRESSED_HEADER_BYTES;
  /** Of the compressed packet unpacked last. */
  sequenceId = 0;
  malformed: MalformedPacket | undefined;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** @param chunk is kept */
  push(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
  }

  /** @returns what the next whole packet holds, or undefined when more bytes are needed or {@link malformed} is set */
  next(): Buffer | undefined {
    if (this.malformed !== undefined || this.#pendingBytes < this.#needBytes) return undefined;
    const bytes = this.#pending.length === 1 ? this.#pending[0] : Buffer.concat(this.#pending, this.#pendingBytes);
    if (bytes === undefined) return undefined;
    this.#pending = [bytes];
    const length = packetLength(bytes, 0);
    const end = COMPRESSED_HEADER_BYTES + length;
    if (bytes.length < end) {
      this.#needBytes = end;
      return undefined;
    }
    this.#needBytes = COMPRESSED_HEADER_BYTES;
    this.sequenceId = bytes[3] ?? 0;
    const unpackedBytes = packetLength(bytes, 4);
    this.#pending = end === bytes.length ? [] : [bytes.subarray(end)];
    this.#pendingBytes -= end;
    const body = bytes.subarray(COMPRESSED_HEADER_BYTES, end);
    return unpackedBytes === 0 ? body : this.#unpack(body, unpackedBytes);
  }

  #unpack(body: Buffer, unpackedBytes: number): Buffer | undefined {
    try {
      const unpacked = this.#codec.decompress(body, unpackedBytes);
      if (unpacked.length === unpackedBytes) return unpacked;
    } catch {
      // Said below, whatever the library's words for it are.
    }
    this.malformed = new MalformedPacket('compressed packet');
    return undefined;
  }
}
