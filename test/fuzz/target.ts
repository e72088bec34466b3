import type { Random } from '../random.js';

/** Something that takes bytes from a peer. */
export interface FuzzTarget {
  /** Valid bytes, from which the mutator makes others. */
  readonly samples: readonly Buffer[];
  /**
   * Lets it read the bytes, and looks whether what it should hold holds. It may throw: that is a failure too.
   * @param random decides all that is not in the bytes: where chunks are cut, which capabilities are agreed on
   * @returns what is wrong
   */
  readonly run: (bytes: Buffer, random: Random) => string | undefined;
}

/** Cuts bytes into chunks, often into tiny ones. Each is a copy: a reader may write over what it is given. */
export function chunksOf(bytes: Buffer, random: Random): Buffer[] {
  const longest = [1, 2, 5, 40, bytes.length + 1][random.below(5)] ?? 1;
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(longest);
    chunks.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  return chunks;
}

/** What a decoder's result is, to compare it. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, it: unknown) => (typeof it === 'bigint' ? `${it}n` : it)) ?? 'undefined';
}

/** A decoder of a whole payload: all that it has to hold is that it ends, without throwing, in a value of its own. */
export function decoder(samples: readonly Buffer[], decode: (bytes: Buffer, random: Random) => unknown): FuzzTarget {
  return {
    samples,
    run(bytes, random) {
      const before = Buffer.from(bytes);
      decode(bytes, random);
      return before.equals(bytes) ? undefined : 'it wrote over what it read';
    },
  };
}
