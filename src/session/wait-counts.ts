/** Upper bounds of the buckets in ms; what took longer is in the last one. */
const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const;

/** How long reads have waited for a replica to have what they had to see. */
export class WaitCounts {
  none = 0;
  timedOut = 0;
  readonly #buckets: number[] = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0);

  waited(ms: number): void {
    const found = BOUNDS_MS.findIndex((bound) => ms <= bound);
    const at = found < 0 ? BOUNDS_MS.length : found;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
  }

  /** By the wait, in words. */
  get rows(): readonly (readonly [wait: string, reads: number])[] {
    return [
      ['none', this.none],
      ...BOUNDS_MS.map((bound, at) => [`<= ${bound} ms`, this.#buckets[at] ?? 0] as const),
      [`> ${BOUNDS_MS.at(-1)} ms`, this.#buckets[BOUNDS_MS.length] ?? 0],
      ['timed out', this.timedOut],
    ];
  }
}
