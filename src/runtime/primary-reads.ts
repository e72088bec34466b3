import { RwsplitError } from '../errors.js';

interface Waiting {
  readonly go: () => void;
  readonly timer: NodeJS.Timeout;
}

/** How many of the reads that no replica can take the primary answers at once: the others wait, so that writes find room. */
export class PrimaryReads {
  readonly #max: number;
  readonly #queueMax: number;
  readonly #timeoutMs: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(max: number, queueMax: number, timeoutMs: number) {
    this.#max = max;
    this.#queueMax = queueMax;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * A read wants to go to the primary.
   * @param go when it may; at once where there is room. {@link free} has to follow
   * @param fail when it may not
   */
  take(go: () => void, fail: (error: RwsplitError) => void): void {
    if (this.#running < this.#max) {
      this.#running++;
      go();
      return;
    }
    const refuse = (why: string): void => {
      const what = `no replica can take this read, and the primary has as many such reads as it may (${this.#max}); ${why}`;
      fail(new RwsplitError('primary-busy', `${what}; bring a replica back, or raise balance.primary_reads_max`));
    };
    if (this.#waiting.length >= this.#queueMax) {
      refuse(`${this.#queueMax} more wait`);
      return;
    }
    const timer = setTimeout(() => {
      this.#waiting.splice(
        this.#waiting.findIndex((it) => it.timer === timer),
        1,
      );
      refuse(`there was no room for ${this.#timeoutMs} ms`);
    }, this.#timeoutMs);
    this.#waiting.push({ go, timer });
  }

  free(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#running--;
      return;
    }
    clearTimeout(next.timer);
    next.go();
  }
}
