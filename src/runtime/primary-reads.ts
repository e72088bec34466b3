interface Waiting {
  readonly go: () => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/** How many of the reads that no replica can take the primary answers at once: the others wait, so that writes find room. */
export class PrimaryReads {
  readonly #max: number;
  readonly #queueMax: number;
  readonly #timeoutMs: number | undefined;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  /** @param timeoutMs undefined where a read may wait as long as it takes */
  constructor(max: number, queueMax: number, timeoutMs: number | undefined) {
    this.#max = max;
    this.#queueMax = queueMax;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * A read wants to go to the primary.
   * @param go when it may; at once where there is room. {@link free} has to follow
   * @param fail told why it may not
   */
  take(go: () => void, fail: (why: string) => void): void {
    if (this.#running < this.#max) {
      this.#running++;
      go();
      return;
    }
    const refuse = (why: string): void => {
      fail(`no replica can take this read, and the primary has as many such reads as it may (${this.#max}); ${why}`);
    };
    if (this.#waiting.length >= this.#queueMax) {
      refuse(`${this.#queueMax} more wait`);
      return;
    }
    const timeoutMs = this.#timeoutMs;
    const giveUp = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      refuse(`there was no room for ${timeoutMs} ms`);
    };
    const waiting = { go, timer: timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs) };
    this.#waiting.push(waiting);
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
