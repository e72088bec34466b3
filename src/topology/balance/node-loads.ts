import type { Loads } from './policy.js';

/** A new latency counts for so much of the average. */
const NEW_PART = 0.1;
/** The same of how many ran when it began, which changes with every statement. */
const NEW_PART_OUTSTANDING = 0.02;
/** A node that nothing runs on any more is tried again, whatever it was like: its average halves in so long. */
const HALVES_IN_MS = 5_000;

interface Load {
  outstanding: number;
  usuallyOutstanding: number;
  latencyMs: number;
  endedAtMs: number;
}

/** Counts what runs on each node, and how long it takes, by a clock that only goes forward. */
export class NodeLoads implements Loads {
  readonly #byNode = new Map<string, Load>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @returns when it began, for {@link ended} */
  began(node: string): number {
    const load = this.#of(node);
    load.usuallyOutstanding += (load.outstanding - load.usuallyOutstanding) * NEW_PART_OUTSTANDING;
    load.outstanding++;
    return this.#nowMs();
  }

  ended(node: string, beganAtMs: number): void {
    const load = this.#of(node);
    const nowMs = this.#nowMs();
    const tookMs = nowMs - beganAtMs;
    load.outstanding--;
    load.latencyMs = load.latencyMs === 0 ? tookMs : load.latencyMs + (tookMs - load.latencyMs) * NEW_PART;
    load.endedAtMs = nowMs;
  }

  outstanding(node: string): number {
    return this.#byNode.get(node)?.outstanding ?? 0;
  }

  latencyMs(node: string): number {
    const load = this.#byNode.get(node);
    if (load === undefined) return 0;
    return load.latencyMs * 2 ** -((this.#nowMs() - load.endedAtMs) / HALVES_IN_MS);
  }

  usuallyOutstanding(node: string): number {
    return this.#byNode.get(node)?.usuallyOutstanding ?? 0;
  }

  #of(node: string): Load {
    let load = this.#byNode.get(node);
    if (load === undefined) {
      load = { outstanding: 0, usuallyOutstanding: 0, latencyMs: 0, endedAtMs: this.#nowMs() };
      this.#byNode.set(node, load);
    }
    return load;
  }
}
