/**
 * Reads the protocol's integers and strings from a payload.
 *
 * It never throws on short input: a read past the end gives 0 or an empty buffer and sets {@link failed},
 * which the decoder looks at once, at its end.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  position: number;
  failed = false;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.position;
  }

  #take(count: number): number {
    const at = this.position;
    if (count < 0 || at + count > this.#end) {
      this.failed = true;
      this.position = this.#end;
      return -1;
    }
    this.position = at + count;
    return at;
  }

  int1(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#bytes.readUInt8(at);
  }

  int2(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#bytes.readUInt16LE(at);
  }

  int3(): number {
    const at = this.#take(3);
    return at < 0 ? 0 : this.#bytes.readUIntLE(at, 3);
  }

  int4(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#bytes.readUInt32LE(at);
  }

  int8(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#bytes.readBigUInt64LE(at);
  }

  /** A length-encoded integer. 0xFB (NULL) and 0xFF (ERR) are no integers and count as a failure. */
  lenencInt(): bigint {
    const first = this.int1();
    switch (first) {
      case 0xfc:
        return BigInt(this.int2());
      case 0xfd:
        return BigInt(this.int3());
      case 0xfe:
        return this.int8();
      case 0xfb:
      case 0xff:
        this.failed = true;
        return 0n;
      default:
        return BigInt(first);
    }
  }

  bytes(count: number): Buffer {
    const at = this.#take(count);
    return at < 0 ? Buffer.alloc(0) : this.#bytes.subarray(at, at + count);
  }

  lenencBytes(): Buffer {
    const length = this.lenencInt();
    return this.bytes(length > BigInt(this.remaining) ? -1 : Number(length));
  }

  /** A string that ends at a NUL; without one, a failure. */
  nulBytes(): Buffer {
    const nul = this.#bytes.indexOf(0, this.position);
    if (nul < 0 || nul >= this.#end) return this.bytes(-1);
    const value = this.bytes(nul - this.position);
    this.position += 1;
    return value;
  }

  rest(): Buffer {
    return this.bytes(this.remaining);
  }
}
