/** Does the same again and again, one at a time, with a pause in between that can be cut short. */
export class Rounds {
  readonly #round: () => Promise<void>;
  readonly #pauseMs: () => number;
  #isDue = false;
  #stopped = false;
  #wake: () => void = () => {};
  #running: Promise<void> = Promise.resolve();

  /** @param round never rejects */
  constructor(round: () => Promise<void>, pauseMs: () => number) {
    this.#round = round;
    this.#pauseMs = pauseMs;
  }

  /** Resolves after the first round. */
  async start(): Promise<void> {
    const first = this.#round();
    // Who stops it meanwhile waits for this round, too.
    this.#running = first.then(() => this.#run());
    await first;
  }

  /** The next round begins at once, or when the one that is under way has ended. */
  hurry(): void {
    this.#isDue = true;
    this.#wake();
  }

  /** Resolves when the last round has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      if (!this.#isDue && !this.#stopped) await this.#pause();
      if (this.#stopped) return;
      this.#isDue = false;
      await this.#round();
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#pauseMs());
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
