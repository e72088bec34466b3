export interface StoredRecord {
  readonly epoch: number;
  readonly phase: 'promoting' | 'primary';
  readonly server: number;
  readonly gtid: string;
}

/** Where coordinators agree who leads, and who is the primary: linearizable, as etcd. */
export class SimStore {
  static readonly TTL_MS = 5_000;
  #leader: { readonly id: number; readonly epoch: number; untilMs: number } | undefined;
  #epoch = 0;
  record: StoredRecord | undefined;

  /** Prolongs the leadership, or takes it where it is free. @returns the epoch of whoever has it now, when it is `id` */
  campaign(id: number, epoch: number | undefined, nowMs: number): number | undefined {
    if (this.#leader !== undefined && this.#leader.untilMs <= nowMs) this.#leader = undefined;
    if (this.#leader === undefined) {
      this.#leader = { id, epoch: ++this.#epoch, untilMs: nowMs + SimStore.TTL_MS };
      return this.#leader.epoch;
    }
    // What was lost stays lost, even where it is the same one again.
    if (this.#leader.id !== id || this.#leader.epoch !== epoch) return undefined;
    this.#leader.untilMs = nowMs + SimStore.TTL_MS;
    return epoch;
  }

  write(record: StoredRecord, leader: number, epoch: number, nowMs: number): boolean {
    const { record: last } = this;
    const leads = this.#leader?.id === leader && this.#leader.epoch === epoch && this.#leader.untilMs > nowMs;
    if (!leads || record.epoch < (last?.epoch ?? 0)) return false;
    this.record = record;
    return true;
  }
}
