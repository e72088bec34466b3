import { framePackets, HEADER_BYTES } from './framing.js';

/** Takes the bytes of a response; `chunk` is only valid during the call. */
export interface ByteSink {
  /** The next bytes of the response, as the client is to get them. */
  forward(chunk: Buffer, start: number, end: number): void;
}

/**
 * Forwards what comes before a packet, and what stands in its place. Nearly always that is shorter and ends the chunk:
 * then it is written over the packet, and all goes in one piece.
 * @returns up to where `chunk` has been dealt with
 */
export function replacePacket(
  chunk: Buffer,
  forwarded: number,
  at: number,
  next: number,
  replacement: Buffer,
  sink: ByteSink,
): number {
  const payload = at + HEADER_BYTES;
  if (replacement.length === 0) {
    if (at > forwarded) sink.forward(chunk, forwarded, at);
    return next;
  }
  if (payload + replacement.length <= next) {
    chunk.writeUIntLE(replacement.length, at, 3);
    chunk.set(replacement, payload);
    sink.forward(chunk, forwarded, payload + replacement.length);
    return next;
  }
  if (at > forwarded) sink.forward(chunk, forwarded, at);
  const framed = framePackets(replacement, chunk[at + 3] ?? 0);
  sink.forward(framed, 0, framed.length);
  return next;
}
