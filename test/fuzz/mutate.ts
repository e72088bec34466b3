import { pick, type Random } from '../random.js';

/** What lengths and counts are cut off at, and what numbers begin with that say how long they are. */
const EXTREMES: readonly (readonly number[])[] = [
  [0],
  [1],
  [0xfa],
  [0xfb],
  [0xfc, 0, 0],
  [0xfc, 0xff, 0xff],
  [0xfd, 0xff, 0xff, 0xff],
  [0xfe],
  [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xfe, 0, 0, 0, 0, 0, 0, 0, 0x80],
  [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0],
  [0xff],
  [0xff, 0xff, 0xff],
  [0, 0, 0],
  [0x7f, 0xff, 0xff, 0xff],
];

type Mutation = (bytes: Buffer, random: Random, samples: readonly Buffer[]) => Buffer;

function splice(bytes: Buffer, at: number, removed: number, inserted: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

function part(bytes: Buffer, random: Random): Buffer {
  const from = random.below(bytes.length + 1);
  return bytes.subarray(from, from + random.below(40));
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const flipped = Buffer.from(bytes);
    const at = random.below(bytes.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
    return flipped;
  },
  function setByte(bytes, random) {
    return splice(bytes, random.below(bytes.length), 1, random.bytes(1));
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function cutOut(bytes, random) {
    return splice(bytes, random.below(bytes.length + 1), random.below(12), Buffer.alloc(0));
  },
  function duplicate(bytes, random) {
    return splice(bytes, random.below(bytes.length + 1), 0, part(bytes, random));
  },
  function insert(bytes, random) {
    return splice(bytes, random.below(bytes.length + 1), 0, random.bytes(random.below(10)));
  },
  function spliceOther(bytes, random, samples) {
    return splice(bytes, random.below(bytes.length + 1), random.below(40), part(pick(random, samples), random));
  },
  function join(bytes, random, samples) {
    return Buffer.concat([bytes, pick(random, samples)]);
  },
  function overwriteWithExtreme(bytes, random) {
    const extreme = Buffer.from(pick(random, EXTREMES));
    return splice(bytes, random.below(bytes.length + 1), extreme.length, extreme);
  },
  function insertExtreme(bytes, random) {
    return splice(bytes, random.below(bytes.length + 1), random.below(2), Buffer.from(pick(random, EXTREMES)));
  },
  /** A packet's length, one off or far off, so that what follows is read from the wrong place. */
  function changeLength(bytes, random) {
    const changed = Buffer.from(bytes);
    if (bytes.length < 4) return changed;
    const at = random.below(3) === 0 ? random.below(bytes.length - 3) : 0;
    const length = [changed.readUIntLE(at, 3) + 1, changed.readUIntLE(at, 3) - 1, 0, 0xffffff, random.below(300)];
    changed.writeUIntLE(pick(random, length) & 0xffffff, at, 3);
    return changed;
  },
];

/** More than any sample has: what grows without end makes a run slow and finds nothing. */
const MAX_BYTES = 4096;

/** Another form of one of the samples; now and then just random bytes. */
export function mutate(samples: readonly Buffer[], random: Random): Buffer {
  if (random.below(20) === 0) return random.bytes(random.below(100));
  let bytes: Buffer = Buffer.from(pick(random, samples));
  for (let rounds = random.below(5); rounds > 0; rounds--) bytes = pick(random, MUTATIONS)(bytes, random, samples);
  return Buffer.from(bytes.subarray(0, MAX_BYTES));
}
