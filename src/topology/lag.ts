import type { GtidSet } from './gtid-set.js';
import type { NodeReport } from './observation.js';

interface Sample {
  readonly executed: GtidSet;
  /** When the primary had this, and no more, for the last time. */
  lastAskedMs: number;
}

/** At four probes a second, changes of two minutes. */
const MAX_SAMPLES = 480;

/**
 * How late replicas are, from what the primary had at which time: by one clock, ours, whatever the servers' clocks say. Where a
 * replica itself tells how long ago what it applies was committed, that is more precise.
 */
export class PrimaryPositions {
  readonly #samples: Sample[] = [];
  #primary = '';

  /** The primary was asked. */
  note({ serverUuid, executed, askedAtMs }: NodeReport): void {
    // What a former primary had, the new one need not have.
    if (serverUuid !== this.#primary) this.#samples.length = 0;
    this.#primary = serverUuid;
    const last = this.#samples.at(-1);
    if (last !== undefined && last.executed.contains(executed)) {
      last.lastAskedMs = askedAtMs;
      return;
    }
    this.#samples.push({ executed, lastAskedMs: askedAtMs });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** Whether it has all that the primary was seen to have. */
  hasAll({ executed }: NodeReport): boolean {
    const last = this.#samples.at(-1);
    return last === undefined || executed.contains(last.executed);
  }

  /** @returns milliseconds, at the most; at the least, where it is later than the samples go back */
  lagOf(report: NodeReport): number {
    const samples = this.#samples;
    if (this.hasAll(report)) return 0;
    // The last one that it has: each has all that those before it have.
    let low = -1;
    let high = samples.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const sample = samples[middle];
      if (sample !== undefined && report.executed.contains(sample.executed)) low = middle;
      else high = middle;
    }
    const known = samples[Math.max(low, 0)];
    const bound = known === undefined ? 0 : Math.max(0, report.askedAtMs - known.lastAskedMs);
    const { applyingForMs, source } = report;
    const tells = applyingForMs !== undefined && source?.receives === true && source.applies;
    return tells && low >= 0 ? Math.min(bound, applyingForMs) : bound;
  }
}
