import type { Entry } from './ledger.js';

/**
 * For each writer the time from a fault to the acknowledgement that ended its longest wait after it: answers that were on their way come after the
 * fault, too, and a server that is cut off from its replicas acknowledged nothing for a while before.
 * @returns NaN for one that has had none
 */
export function backAfter(entries: readonly Entry[], faultMs: number): number[] {
  return [...byWriter(entries).values()].map((times) => {
    let lastMs = faultMs;
    let longestMs = -Infinity;
    let backMs = NaN;
    for (const atMs of times.filter((it) => it > faultMs)) {
      if (atMs - lastMs > longestMs) {
        longestMs = atMs - lastMs;
        backMs = atMs;
      }
      lastMs = atMs;
    }
    return backMs - faultMs;
  });
}

/** The longest time between two acknowledgements, of whichever writers, of which a part is between `fromMs` and `toMs`. */
export function longestSilence(entries: readonly Entry[], fromMs: number, toMs: number): number {
  const times = entries.filter((it) => it.fate === 'acknowledged').map((it) => it.answeredMs);
  return longestGap(
    times.toSorted((a, b) => a - b),
    fromMs,
    toMs,
  );
}

/** The same for each writer by itself. */
export function longestSilences(entries: readonly Entry[], fromMs: number, toMs: number): number[] {
  return [...byWriter(entries).values()].map((times) => longestGap(times, fromMs, toMs));
}

function longestGap(times: readonly number[], fromMs: number, toMs: number): number {
  let longest = 0;
  let lastMs = times.findLast((it) => it <= fromMs) ?? fromMs;
  for (const atMs of times.filter((it) => it > fromMs)) {
    longest = Math.max(longest, atMs - lastMs);
    lastMs = atMs;
    if (atMs >= toMs) break;
  }
  return lastMs < toMs ? Math.max(longest, toMs - lastMs) : longest;
}

/** When each had its acknowledgements, in order. */
function byWriter(entries: readonly Entry[]): Map<number, number[]> {
  const times = new Map<number, number[]>();
  for (const { writer, fate, answeredMs } of entries) {
    const own = times.get(writer) ?? [];
    if (fate === 'acknowledged') own.push(answeredMs);
    times.set(writer, own);
  }
  return times;
}
