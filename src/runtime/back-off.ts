/**
 * Keeps a node that cannot be reached from being tried without pause: after a failure, attempts are refused with that failure
 * until a growing time has passed.
 */
export class BackOff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #failures = 0;
  #retryAtMs = 0;
  #last: Error | undefined;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
  }

  /** @returns the failure that stands for an attempt now, or undefined when one may be made */
  refusal(nowMs: number): Error | undefined {
    if (this.#last === undefined || nowMs >= this.#retryAtMs) return undefined;
    return this.#last;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#last = undefined;
  }

  failed(nowMs: number, error: Error): void {
    this.#last = error;
    this.#retryAtMs = nowMs + Math.min(this.#maxMs, this.#minMs * 2 ** this.#failures);
    this.#failures++;
  }
}
