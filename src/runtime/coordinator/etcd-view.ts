import type { PrimaryRecord } from './coordinator.js';
import type { EtcdEvent, EtcdKeys, EtcdKeyValue } from './etcd-messages.js';
import { parsePrimaryRecord } from './primary-record.js';

/** One key, as it was known last: `seen` is undefined where it did not exist. */
interface Known {
  readonly asOf: number;
  readonly seen: EtcdKeyValue | undefined;
}

const UNKNOWN: Known = { asOf: 0, seen: undefined };

/** What a proxy knows of the cluster's keys. Answers and events come in any order; what is older than what is known changes nothing. */
export class EtcdView {
  readonly prefix: string;
  readonly leaderKey: string;
  readonly recordKey: string;
  /** As of which revision all keys are known: from the next one on, a watch misses nothing. */
  revision = 0;
  #leader = UNKNOWN;
  #record = UNKNOWN;
  #accepted: PrimaryRecord | undefined;
  /** Why the record that is stored is not taken. */
  misfit: string | undefined;

  constructor(cluster: string) {
    // Encoded, so that no cluster's keys are below another one's.
    this.prefix = `rwsplit/${encodeURIComponent(cluster)}/`;
    this.leaderKey = `${this.prefix}leader`;
    this.recordKey = `${this.prefix}record`;
  }

  /** Its creation's revision is the epoch. */
  get leader(): EtcdKeyValue | undefined {
    return this.#leader.seen;
  }

  /** The last one that was taken: epochs only grow. */
  get record(): PrimaryRecord | undefined {
    return this.#accepted;
  }

  /** As it is stored, whether it was taken or not. */
  get storedRecord(): EtcdKeyValue | undefined {
    return this.#record.seen;
  }

  /**
   * @param asked what the revision was when it was asked: an answer that is older comes from an etcd that was emptied or restored
   * @returns whether there was something new in it
   */
  takeAll({ revision, keys }: EtcdKeys, asked: number): boolean {
    if (revision < asked) this.#forget();
    this.revision = Math.max(this.revision, revision);
    const all = [this.leaderKey, this.recordKey].map((name) =>
      this.#take(name, { asOf: revision, seen: keys.find(({ key }) => key === name) }),
    );
    return all.includes(true);
  }

  takeEvent({ kind, keyValue }: EtcdEvent): void {
    const seen = kind === 'put' ? keyValue : undefined;
    this.#take(keyValue.key, { asOf: keyValue.modRevision, seen });
  }

  #take(key: string, now: Known): boolean {
    const before = key === this.leaderKey ? this.#leader : this.#record;
    if ((key !== this.leaderKey && key !== this.recordKey) || now.asOf <= before.asOf) return false;
    const isNew = now.seen?.modRevision !== before.seen?.modRevision;
    if (key === this.leaderKey) this.#leader = now;
    else {
      this.#record = now;
      // The same one, read again, would be another object to who compares.
      if (isNew) this.#accept(now.seen);
    }
    return isNew;
  }

  #accept(stored: EtcdKeyValue | undefined): void {
    this.misfit = undefined;
    if (stored === undefined) return;
    const record = parsePrimaryRecord(stored.value);
    if (record === undefined) this.misfit = `${stored.key} is no record of a primary`;
    else if (record.epoch < (this.#accepted?.epoch ?? 0)) {
      this.misfit = `${stored.key} went back from epoch ${this.#accepted?.epoch} to ${record.epoch}`;
    } else this.#accepted = record;
  }

  #forget(): void {
    this.revision = 0;
    this.#leader = UNKNOWN;
    this.#record = UNKNOWN;
    this.misfit = undefined;
  }
}
