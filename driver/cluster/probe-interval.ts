import { DEFAULTS } from '../../src/defaults.js';

/** So much of a pause is left to chance: processes that were started together do not stay together. */
const SPREAD = 0.1;

/** How long to wait between two looks at a server. An application has many processes, and each of them looks: none more often than it has use for. */
export class ProbeInterval {
  /** Something was asked of the pool. */
  isUsed = true;
  readonly #intervalMs: number;
  #idleSinceMs: number | undefined;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  next(hasPrimary: boolean, nowMs = performance.now(), chance = Math.random()): number {
    const { driverUrgentIntervalMs, driverIdleAfterMs, driverIdleFactor } = DEFAULTS;
    if (this.isUsed) this.#idleSinceMs = undefined;
    else this.#idleSinceMs ??= nowMs;
    this.isUsed = false;
    const isIdle = this.#idleSinceMs !== undefined && nowMs - this.#idleSinceMs >= driverIdleAfterMs;
    const calmMs = isIdle ? this.#intervalMs * driverIdleFactor : this.#intervalMs;
    const baseMs = hasPrimary || isIdle ? calmMs : Math.min(calmMs, driverUrgentIntervalMs);
    return baseMs * (1 - SPREAD + chance * 2 * SPREAD);
  }
}
