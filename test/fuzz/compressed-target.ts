import { CompressedReader } from '../../src/protocol/compression/compressed-reader.js';
import { codecOf } from '../../src/runtime/compression.js';
import { CLIENT_STREAMS, RESPONSES } from './samples.js';
import { chunksOf, textOf, type FuzzTarget } from './target.js';

const CODEC = codecOf('zlib');
/** A header of 7 bytes says at most so much of what follows it. */
const MAX_UNPACKED_BYTES = 0xffffff;

function packed(bytes: Buffer): Buffer {
  const compressed = CODEC.compress(bytes);
  const head = Buffer.alloc(7);
  head.writeUIntLE(compressed.length, 0, 3);
  head.writeUIntLE(bytes.length, 4, 3);
  const plain = Buffer.from([bytes.length & 0xff, bytes.length >> 8, 0, 1, 0, 0, 0]);
  return Buffer.concat([head, compressed, plain, bytes]);
}

function unpack(chunks: readonly Buffer[]): { text: string; problem: string | undefined } {
  const reader = new CompressedReader(CODEC);
  const parts: Buffer[] = [];
  let problem: string | undefined;
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let part = reader.next(); part !== undefined; part = reader.next()) {
      if (part.length > MAX_UNPACKED_BYTES) problem = 'more than a packet can hold';
      parts.push(part);
    }
  }
  return { text: textOf([Buffer.concat(parts).toString('hex'), reader.malformed]), problem };
}

/** A peer's compressed packets: what is in them does not depend on how they are cut, and is no longer than they say. */
export const COMPRESSED: FuzzTarget = {
  samples: [...CLIENT_STREAMS, ...RESPONSES].filter((bytes) => bytes.length < 0xffff).map(packed),
  run(bytes, random) {
    const whole = unpack([Buffer.from(bytes)]);
    const cut = unpack(chunksOf(bytes, random));
    const problem = whole.problem ?? cut.problem;
    if (problem !== undefined) return problem;
    return whole.text === cut.text ? undefined : `whole ${whole.text}, in chunks ${cut.text}`;
  },
};
