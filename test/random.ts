/** Numbers that look random and are the same for the same seed. */
export interface Random {
  /** At least 0, less than `limit`; 0 for a limit of 0. */
  readonly below: (limit: number) => number;
  readonly bytes: (length: number) => Buffer;
}

/** mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed | 0;
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit);
  };
  return { below, bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))) };
}

export function pick<T>(random: Random, all: readonly T[]): T {
  const one = all[random.below(all.length)];
  if (one === undefined) throw new Error('there is nothing to pick from');
  return one;
}
