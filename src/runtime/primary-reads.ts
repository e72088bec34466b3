import type { Snapshot } from '../topology/snapshot.js';

interface Waiting {
  readonly go: () => void;
  readonly timer: NodeJS.Timeout | undefined;
}

export interface PrimaryReadsSettings {
  /** How many may run at once, as somebody has set it. */
  readonly max: number | undefined;
  /** How many else, where the primary is not the only node: one that was never meant to have replicas answers all reads, as without rwsplit. */
  readonly maxBesideOthers: number;
  /** How many may wait. */
  readonly queueMax: number;
  /** How long one may wait, in ms; undefined for as long as it takes. */
  readonly timeoutMs: number | undefined;
  readonly snapshot: () => Pick<Snapshot, 'nodes'>;
}

/** How many of the reads that no replica can take the primary answers at once: the others wait, so that writes find room. */
export class PrimaryReads {
  readonly #settings: PrimaryReadsSettings;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(settings: PrimaryReadsSettings) {
    this.#settings = settings;
  }

  /** A read wants to go to the primary. @returns whether there is room for it now; then {@link free} has to follow */
  takeNow(): boolean {
    if (this.#running >= this.#max) return false;
    this.#running++;
    return true;
  }

  /**
   * The same, for a read that can wait.
   * @param go when it may; at once where there is room
   * @param fail told why it may not
   */
  take(go: () => void, fail: (why: string) => void): void {
    if (this.takeNow()) {
      go();
      return;
    }
    const { queueMax, timeoutMs } = this.#settings;
    const max = this.#max;
    const refuse = (why: string): void => {
      fail(`no replica can take this read, and the primary has as many such reads as it may (${max}); ${why}`);
    };
    if (this.#waiting.length >= queueMax) {
      refuse(`${queueMax} more wait`);
      return;
    }
    const giveUp = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      refuse(`there was no room for ${timeoutMs} ms`);
    };
    const waiting = { go, timer: timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs) };
    this.#waiting.push(waiting);
  }

  free(): void {
    // More may run than now may begin: there was no bound when they did.
    const next = this.#running > this.#max ? undefined : this.#waiting.shift();
    if (next === undefined) {
      this.#running--;
      return;
    }
    clearTimeout(next.timer);
    next.go();
  }

  get #max(): number {
    const { max, maxBesideOthers, snapshot } = this.#settings;
    return max ?? (snapshot().nodes.length > 1 ? maxBesideOthers : Infinity);
  }
}
