import type { Leadership } from './coordinator.js';

/**
 * A leadership that lasts for some time after each proof of it.
 *
 * ```
 *   asked        answered            over, by this clock      over, at etcd or the servers
 *     ├─────────────┼──────────────────────────┤◄── margin ──►┤
 *     └─ the proof may be as old as the question ─┘
 * ```
 */
export class Term implements Leadership {
  readonly epoch: number;
  readonly #validMs: number;
  readonly #nowMs: () => number;
  #untilMs: number;

  /**
   * @param validMs how long a proof is good for, margin taken off
   * @param askedAtMs when the proof was asked for
   */
  constructor(epoch: number, validMs: number, askedAtMs: number, nowMs: () => number) {
    this.epoch = epoch;
    this.#validMs = validMs;
    this.#nowMs = nowMs;
    this.#untilMs = askedAtMs + validMs;
  }

  remainingMs(): number {
    const remainingMs = this.#untilMs - this.#nowMs();
    if (remainingMs > 0) return remainingMs;
    // Nobody may see it come back.
    this.end();
    return 0;
  }

  /** Another proof has come. It changes nothing where the one before had run out. */
  prolong(askedAtMs: number): void {
    if (this.remainingMs() > 0) this.#untilMs = Math.max(this.#untilMs, askedAtMs + this.#validMs);
  }

  end(): void {
    this.#untilMs = -Infinity;
  }
}
