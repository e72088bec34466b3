import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { framePackets, MAX_PACKET_PAYLOAD_BYTES, MessageSplitter, payloadOf } from '../../../src/protocol/framing.js';

const LIMIT = 1 << 28;

/** Feeds bytes in chunks of the given lengths, the last one taking the rest. @returns the payloads that came out */
function split(bytes: Buffer, chunkLengths: readonly number[]): Buffer[] {
  const splitter = new MessageSplitter(LIMIT);
  const payloads: Buffer[] = [];
  let at = 0;
  for (const length of [...chunkLengths, bytes.length]) {
    splitter.push(bytes.subarray(at, Math.min(bytes.length, at + length)));
    at = Math.min(bytes.length, at + length);
    for (let message = splitter.next(); message !== undefined; message = splitter.next()) {
      payloads.push(Buffer.from(payloadOf(message)));
    }
  }
  return payloads;
}

describe('messages', () => {
  test('come out the same wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 0, max: 60 })),
        (payloads, cuts) => {
          const stream = Buffer.concat(payloads.map((payload) => framePackets(payload, 0)));
          expect(split(stream, cuts)).toEqual(payloads.map((payload) => Buffer.from(payload)));
        },
      ),
    );
  });

  test.each([
    MAX_PACKET_PAYLOAD_BYTES - 1,
    MAX_PACKET_PAYLOAD_BYTES,
    MAX_PACKET_PAYLOAD_BYTES + 1,
    2 * MAX_PACKET_PAYLOAD_BYTES,
  ])('of %i bytes are put together from their packets', (length) => {
    const payload = Buffer.alloc(length, 0xab);
    payload[length - 1] = 1;
    const [joined] = split(framePackets(payload, 0), [70_000, 5, 16_000_000]);
    expect(joined?.equals(payload)).toBe(true);
  });

  test('tell with which sequence id the answer begins', () => {
    const splitter = new MessageSplitter(LIMIT);
    splitter.push(framePackets(Buffer.alloc(MAX_PACKET_PAYLOAD_BYTES), 255));
    expect(splitter.next()).toMatchObject({ sequenceId: 255, nextSequenceId: 1 });
  });

  test('whose packets are out of order are an error', () => {
    const framed = framePackets(Buffer.alloc(MAX_PACKET_PAYLOAD_BYTES), 0);
    framed[MAX_PACKET_PAYLOAD_BYTES + 7] = 5;
    const splitter = new MessageSplitter(LIMIT);
    splitter.push(framed);
    expect(splitter.next()).toBeUndefined();
    expect(splitter.error).toEqual({ kind: 'sequence' });
  });

  test('longer than allowed are an error before they are taken in', () => {
    const splitter = new MessageSplitter(1_000);
    splitter.push(Buffer.from([0x00, 0x10, 0x00, 0x00]));
    expect(splitter.next()).toBeUndefined();
    expect(splitter.error).toEqual({ kind: 'too-large' });
  });
});
