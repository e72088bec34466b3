import type { Coordinator, Leadership, PrimaryRecord } from './coordinator.js';
import { Term } from './term.js';

/** There is no other proxy: this one leads always. */
export class Alone implements Coordinator {
  readonly kind = 'alone';
  readonly leader: string;
  readonly problem = undefined;
  readonly #lastEpoch: () => number;
  #leadership: Term | undefined;
  #record: PrimaryRecord | undefined;
  #onChange: () => void = () => {};

  /** @param lastEpoch the largest that any server has told of: an earlier run of this proxy wrote it */
  constructor(name: string, lastEpoch: () => number) {
    this.leader = name;
    this.#lastEpoch = lastEpoch;
  }

  start(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    this.#leadership = leadershipAfter(this.#lastEpoch());
    return Promise.resolve();
  }

  get leadership(): Leadership | undefined {
    // A server that was down at the start may tell of a larger epoch than all others.
    const lastEpoch = this.#lastEpoch();
    if (this.#leadership !== undefined && this.#leadership.epoch < lastEpoch) {
      this.#leadership.end();
      this.#leadership = leadershipAfter(lastEpoch);
    }
    return this.#leadership;
  }

  get record(): PrimaryRecord | undefined {
    return this.#record;
  }

  write(record: PrimaryRecord): Promise<boolean> {
    const { leadership } = this;
    if (leadership === undefined || record.epoch > leadership.epoch || record.epoch < (this.#record?.epoch ?? 0)) {
      return Promise.resolve(false);
    }
    this.#record = record;
    this.#onChange();
    return Promise.resolve(true);
  }

  stop(): Promise<void> {
    this.#leadership?.end();
    this.#leadership = undefined;
    return Promise.resolve();
  }
}

function leadershipAfter(epoch: number): Term {
  return new Term(epoch + 1, Infinity, 0, () => 0);
}
