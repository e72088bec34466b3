type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly failure: Error; readonly failures: number; readonly untilMs: number }
  | { readonly kind: 'trial'; readonly failure: Error; readonly failures: number };

/**
 * Keeps a node that cannot be reached from being stormed: while it is down, one attempt at a time is made, after pauses that grow.
 *
 * ```
 *            an attempt failed                 the pause is over
 *  closed ────────────────────────► open ────────────────────────► trial
 *    ▲     all attempts pass         ▲ all are refused              │  one attempt, the others are refused
 *    │                               └────────── it failed ─────────┤
 *    └──────────────────────────────────────── it succeeded ────────┘
 * ```
 */
export class CircuitBreaker {
  readonly #minMs: number;
  readonly #maxMs: number;
  #state: State = { kind: 'closed' };

  /** @param minMs the first pause; it doubles with each failure, up to `maxMs` */
  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
  }

  /**
   * An attempt is about to be made. If it may, {@link succeeded} or {@link failed} has to follow.
   * @returns the failure that stands for it; undefined when it may be made
   */
  refusal(nowMs: number): Error | undefined {
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        return undefined;
      case 'trial':
        return state.failure;
      case 'open':
        if (nowMs < state.untilMs) return state.failure;
        this.#state = { kind: 'trial', failure: state.failure, failures: state.failures };
        return undefined;
    }
  }

  succeeded(): void {
    this.#state = { kind: 'closed' };
  }

  failed(nowMs: number, failure: Error): void {
    // Those that were under way when the first one failed say nothing new.
    if (this.#state.kind === 'open') return;
    const failures = this.#state.kind === 'trial' ? this.#state.failures + 1 : 1;
    const pauseMs = Math.min(this.#maxMs, this.#minMs * 2 ** (failures - 1));
    this.#state = { kind: 'open', failure, failures, untilMs: nowMs + pauseMs };
  }
}
