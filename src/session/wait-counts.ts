import type { Consistency } from './consistency.js';

/** Upper bounds of the buckets in ms; what took longer is in the last but one. */
const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const;
const WAITS = ['none', ...BOUNDS_MS.map((bound) => `<= ${bound} ms`), `> ${BOUNDS_MS.at(-1)} ms`, 'timed out'];
const TIMED_OUT = WAITS.length - 1;
/** Reads under `primary` wait for nobody. */
export const WAITING_LEVELS = ['eventual', 'session', 'monotonic', 'global'] as const;

/** How long reads have waited for a replica to have what they had to see, by their level. */
export class WaitCounts {
  readonly #counts: Readonly<Record<Consistency, number[]>> = {
    eventual: WAITS.map(() => 0),
    session: WAITS.map(() => 0),
    monotonic: WAITS.map(() => 0),
    global: WAITS.map(() => 0),
    primary: WAITS.map(() => 0),
  };

  didNotWait(level: Consistency): void {
    this.#count(level, 0);
  }

  waited(level: Consistency, ms: number): void {
    const found = BOUNDS_MS.findIndex((bound) => ms <= bound);
    this.#count(level, 1 + (found < 0 ? BOUNDS_MS.length : found));
  }

  timedOut(level: Consistency): void {
    this.#count(level, TIMED_OUT);
  }

  /** By the wait, in words: all reads, then those of each of {@link WAITING_LEVELS}. */
  get rows(): readonly (readonly [wait: string, ...reads: number[]])[] {
    return WAITS.map((wait, at) => {
      const reads = WAITING_LEVELS.map((level) => this.#counts[level][at] ?? 0);
      return [wait, reads.reduce((sum, it) => sum + it, 0), ...reads];
    });
  }

  #count(level: Consistency, at: number): void {
    const counts = this.#counts[level];
    counts[at] = (counts[at] ?? 0) + 1;
  }
}
