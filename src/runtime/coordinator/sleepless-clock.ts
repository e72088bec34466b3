import { performance } from 'node:perf_hooks';

/** Both monotonic. */
export interface Clocks {
  /** For what ends: never late, whatever the machine does. */
  readonly endingMs: () => number;
  /** For what has to be waited for: never early. */
  readonly waitingMs: () => number;
}

export function systemClocks(): Clocks {
  return { endingMs: sleeplessClock(steadyMs, () => Date.now()), waitingMs: steadyMs };
}

function steadyMs(): number {
  return performance.now();
}

/** Below this, the clocks differ because one of them is being corrected. */
const SMALLEST_SLEEP_MS = 250;

/**
 * A monotonic clock for leaderships. `performance.now()` stands still while a machine sleeps or is being moved, and a leadership does not:
 * where the time of day has advanced further, so does this clock.
 * @param steadyMs monotonic
 * @param wallMs the time of day; set back, it changes nothing
 */
export function sleeplessClock(steadyMs: () => number, wallMs: () => number): () => number {
  let sleptMs = 0;
  let before = { steadyMs: steadyMs(), wallMs: wallMs() };
  return () => {
    const now = { steadyMs: steadyMs(), wallMs: wallMs() };
    const missedMs = now.wallMs - before.wallMs - (now.steadyMs - before.steadyMs);
    if (missedMs >= SMALLEST_SLEEP_MS) sleptMs += missedMs;
    before = now;
    return now.steadyMs + sleptMs;
  };
}
