import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CompressedReader } from '../../../src/protocol/compression/compressed-reader.js';
import { CompressedWriter } from '../../../src/protocol/compression/compressed-writer.js';
import { codecOf, COMPRESSION_ALGORITHMS } from '../../../src/runtime/compression.js';

/** What a reader makes of bytes that come cut at some places. */
function unpack(bytes: Buffer, cuts: readonly number[], algorithm: 'zlib' | 'zstd'): { bytes: Buffer; ids: number[] } {
  const reader = new CompressedReader(codecOf(algorithm));
  const parts: Buffer[] = [];
  const ids: number[] = [];
  let from = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    reader.push(Buffer.from(bytes.subarray(from, Math.max(from, cut))));
    from = Math.max(from, cut);
    for (let part = reader.next(); part !== undefined; part = reader.next()) {
      parts.push(part);
      ids.push(reader.sequenceId);
    }
  }
  if (reader.malformed !== undefined) throw new Error(`no ${reader.malformed.expected}`);
  return { bytes: Buffer.concat(parts), ids };
}

/** All that a writer hands on for some writes. */
async function pack(writes: readonly Buffer[], algorithm: 'zlib' | 'zstd'): Promise<Buffer> {
  const packets: Buffer[] = [];
  return new Promise((resolve) => {
    const writer: CompressedWriter = new CompressedWriter(
      codecOf(algorithm),
      (packet) => {
        packets.push(packet);
        return true;
      },
      () => resolve(Buffer.concat(packets)),
    );
    for (const bytes of writes) writer.write(bytes);
    if (writer.waitingBytes === 0) resolve(Buffer.concat(packets));
  });
}

describe.each(COMPRESSION_ALGORITHMS)('a stream compressed with %s', (algorithm) => {
  test('is the same stream again, wherever it was written and cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(new Uint8Array(300_000).fill(7))), {
          maxLength: 6,
        }),
        fc.array(fc.nat(3_000), { maxLength: 5 }),
        async (writes, cuts) => {
          const packed = await pack(
            writes.map((it) => Buffer.from(it)),
            algorithm,
          );
          expect(unpack(packed, cuts, algorithm).bytes.equals(Buffer.concat(writes))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('keeps its order and numbers where a part of it is compressed off the event loop', async () => {
    const writes = [Buffer.from('before'), Buffer.alloc(1_000_000, 'x'), Buffer.from('after')];
    const { bytes, ids } = unpack(await pack(writes, algorithm), [], algorithm);
    expect(bytes.equals(Buffer.concat(writes))).toBe(true);
    expect(ids).toEqual(ids.map((_id, index) => index));
  });

  test('that is garbage, or longer than it says, is malformed', () => {
    const good = codecOf(algorithm).compress(Buffer.alloc(1_000, 'x'));
    const head = (length: number, unpacked: number): Buffer => {
      const bytes = Buffer.alloc(7);
      bytes.writeUIntLE(length, 0, 3);
      bytes.writeUIntLE(unpacked, 4, 3);
      return bytes;
    };
    for (const bytes of [
      Buffer.concat([head(100, 1_000), Buffer.alloc(100, 0xa5)]),
      Buffer.concat([head(good.length, 999), good]),
      Buffer.concat([head(good.length, 1_001), good]),
    ]) {
      expect(() => unpack(bytes, [], algorithm)).toThrow(/no compressed packet/);
    }
    expect(unpack(Buffer.concat([head(good.length, 1_000), good]), [], algorithm).bytes).toHaveLength(1_000);
  });
});

test('short writes, and what compression would make longer, go as they are', async () => {
  const short = await pack([Buffer.from('SELECT 1')], 'zlib');
  expect(short).toEqual(Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0]), Buffer.from('SELECT 1')]));
  const random = Buffer.from(Array.from({ length: 60 }, (_, i) => (i * 151) & 0xff));
  expect((await pack([random], 'zlib')).subarray(7)).toEqual(random);
});

test("a command's packets are numbered from where they are told to begin", async () => {
  const packets: Buffer[] = [];
  const writer = new CompressedWriter(
    codecOf('zlib'),
    (packet) => packets.push(packet) > 0,
    () => {},
  );
  writer.write(Buffer.from('a'));
  writer.begin(5);
  writer.write(Buffer.from('b'));
  writer.write(Buffer.from('c'));
  writer.begin(0);
  writer.write(Buffer.from('d'));
  expect(packets.map((packet) => packet[3])).toEqual([0, 5, 6, 0]);
});
