/** Builds a packet's payload. Grows as needed. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(sizeHintBytes = 128) {
    this.#bytes = Buffer.allocUnsafe(sizeHintBytes);
  }

  #reserve(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#length, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    return at;
  }

  int1(value: number): this {
    const at = this.#reserve(1);
    this.#bytes.writeUInt8(value & 0xff, at);
    return this;
  }

  int2(value: number): this {
    const at = this.#reserve(2);
    this.#bytes.writeUInt16LE(value & 0xffff, at);
    return this;
  }

  int3(value: number): this {
    const at = this.#reserve(3);
    this.#bytes.writeUIntLE(value & 0xffffff, at, 3);
    return this;
  }

  int4(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  lenencInt(value: bigint | number): this {
    const n = BigInt(value);
    if (n < 0xfbn) return this.int1(Number(n));
    if (n <= 0xffffn) return this.int1(0xfc).int2(Number(n));
    if (n <= 0xffffffn) return this.int1(0xfd).int3(Number(n));
    this.int1(0xfe);
    const at = this.#reserve(8);
    this.#bytes.writeBigUInt64LE(n, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  zeros(count: number): this {
    const at = this.#reserve(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  string(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  lenencBytes(value: Uint8Array): this {
    return this.lenencInt(value.length).bytes(value);
  }

  lenencString(value: string): this {
    return this.lenencBytes(Buffer.from(value, 'utf8'));
  }

  nulString(value: string): this {
    return this.string(value).int1(0);
  }

  /** @returns the payload without a header; shares memory with the writer, which is not used again */
  payload(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
