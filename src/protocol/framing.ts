/** A packet is a 3-byte length, a sequence id and so many bytes; a payload of this length goes on in a further packet. */
export const MAX_PACKET_PAYLOAD_BYTES = 0xffffff;
export const HEADER_BYTES = 4;

/**
 * Frames a payload as one or more packets.
 * @param payload any length
 * @param sequenceId of the first packet
 */
export function framePackets(payload: Uint8Array, sequenceId: number): Buffer {
  const extra = Math.floor(payload.length / MAX_PACKET_PAYLOAD_BYTES);
  const framed = Buffer.allocUnsafe(payload.length + HEADER_BYTES * (extra + 1));
  let from = 0;
  let to = 0;
  for (let i = 0; i <= extra; i++) {
    const length = Math.min(MAX_PACKET_PAYLOAD_BYTES, payload.length - from);
    framed.writeUIntLE(length, to, 3);
    framed[to + 3] = (sequenceId + i) & 0xff;
    framed.set(payload.subarray(from, from + length), to + HEADER_BYTES);
    from += length;
    to += HEADER_BYTES + length;
  }
  return framed;
}

/** One whole message from a peer. */
export interface Message {
  /** As it came, headers included: can be forwarded as it is. */
  readonly raw: Buffer;
  /** Has the payload from {@link start} to its end: `raw` itself where the message came in one packet. */
  readonly body: Buffer;
  readonly start: number;
  /** Of the message's first packet. */
  readonly sequenceId: number;
  /** That the answer's first packet has to have. */
  readonly nextSequenceId: number;
}

/** @returns a command of one byte and a body, as if a client had sent it */
export function messageOf(command: number, body: Uint8Array): Message {
  const payload = Buffer.concat([Buffer.of(command), body]);
  const raw = framePackets(payload, 0);
  const nextSequenceId = (1 + Math.floor(payload.length / MAX_PACKET_PAYLOAD_BYTES)) & 0xff;
  if (nextSequenceId === 1) return { raw, body: raw, start: HEADER_BYTES, sequenceId: 0, nextSequenceId };
  return { raw, body: payload, start: 0, sequenceId: 0, nextSequenceId };
}

export type FramingError = { readonly kind: 'sequence' } | { readonly kind: 'too-large' };

/**
 * Cuts a byte stream into messages, wherever its chunks are cut.
 *
 * ```
 *  chunk ──► push() ──► next() ──► Message   a message inside one chunk is not copied
 *                          └────► undefined  more bytes are needed
 * ```
 */
export class MessageSplitter {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes that the message under way needs at least before it is worth looking again. */
  #needBytes = HEADER_BYTES;
  #maxBytes: number;
  #renumbers = false;
  #sequenceId = 0;
  error: FramingError | undefined;

  /** @param maxBytes the longest message taken, headers included */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** More may be taken of a peer that has shown who it is. */
  set maxBytes(bytes: number) {
    this.#maxBytes = bytes;
  }

  /** What comes from now on was compressed: there, clients number the packets inside as they like. They get the numbers that they should have. */
  ignoreSequence(): void {
    this.#renumbers = true;
  }

  /** The next message begins with this number, where the peer's own are ignored. */
  expectSequence(sequenceId: number): void {
    this.#sequenceId = sequenceId;
  }

  /** Takes back all that was pushed and not yet given. */
  takeRest(): Buffer {
    const rest = Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#needBytes = HEADER_BYTES;
    return rest;
  }

  get bufferedBytes(): number {
    return this.#pendingBytes;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
  }

  /** @returns the next whole message, or undefined when more bytes are needed or {@link error} is set */
  next(): Message | undefined {
    if (this.error !== undefined || this.#pendingBytes < this.#needBytes) return undefined;
    const bytes = this.#pending.length === 1 ? this.#pending[0] : Buffer.concat(this.#pending, this.#pendingBytes);
    if (bytes === undefined) return undefined;
    this.#pending = [bytes];

    const sequenceId = this.#renumbers ? this.#sequenceId : (bytes[3] ?? 0);
    let end = 0;
    let packets = 0;
    for (;;) {
      if (bytes.length < end + HEADER_BYTES) return this.#need(end + HEADER_BYTES);
      const length = packetLength(bytes, end);
      const expected = (sequenceId + packets) & 0xff;
      if (this.#renumbers) bytes[end + 3] = expected;
      else if (bytes[end + 3] !== expected) return this.#fail({ kind: 'sequence' });
      end += HEADER_BYTES + length;
      if (end > this.#maxBytes) return this.#fail({ kind: 'too-large' });
      if (bytes.length < end) return this.#need(end);
      packets++;
      if (length < MAX_PACKET_PAYLOAD_BYTES) break;
    }
    const raw = end === bytes.length ? bytes : bytes.subarray(0, end);
    this.#pending = end === bytes.length ? [] : [bytes.subarray(end)];
    this.#pendingBytes -= end;
    this.#needBytes = HEADER_BYTES;
    const nextSequenceId = (sequenceId + packets) & 0xff;
    this.#sequenceId = nextSequenceId;
    if (packets === 1) return { raw, body: raw, start: HEADER_BYTES, sequenceId, nextSequenceId };
    return { raw, body: joinPayload(raw, packets), start: 0, sequenceId, nextSequenceId };
  }

  #need(bytes: number): undefined {
    this.#needBytes = bytes;
    return undefined;
  }

  #fail(error: FramingError): undefined {
    this.error = error;
    return undefined;
  }
}

/** The length that a packet's header gives. Written out: `readUIntLE` costs several times as much. */
export function packetLength(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
}

/** @returns the payload alone */
export function payloadOf(message: Message): Buffer {
  return message.body.subarray(message.start);
}

function joinPayload(raw: Buffer, packets: number): Buffer {
  const payload = Buffer.allocUnsafe(raw.length - packets * HEADER_BYTES);
  let from = 0;
  let to = 0;
  for (let i = 0; i < packets; i++) {
    const length = packetLength(raw, from);
    raw.copy(payload, to, from + HEADER_BYTES, from + HEADER_BYTES + length);
    from += HEADER_BYTES + length;
    to += length;
  }
  return payload;
}
