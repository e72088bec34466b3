import type { Diagnosis, DiagnosisKind } from '../../failover/diagnosis.js';
import type { EventLog } from '../event-log.js';

/** A diagnosis that lasts for less is not worth a line in the log. */
const WORTH_TELLING_MS = 1_000;

/** Tells what is wrong with the primary, once, when it lasts; and when it is well again. */
export class DiagnosisLog {
  readonly #log: EventLog;
  readonly #nowMs: () => number;
  #last: { readonly kind: DiagnosisKind; readonly sinceMs: number; told: boolean } | undefined;

  constructor(log: EventLog, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  note({ kind, why }: Diagnosis): void {
    const nowMs = this.#nowMs();
    if (this.#last?.kind !== kind) {
      if (this.#last?.told === true && kind === 'healthy') this.#log.info('the primary is well again');
      this.#last = { kind, sinceMs: nowMs, told: false };
    }
    if (this.#last.told || kind === 'healthy' || nowMs - this.#last.sinceMs < WORTH_TELLING_MS) return;
    this.#last.told = true;
    this.#log.warn({ diagnosis: kind }, why);
  }
}
