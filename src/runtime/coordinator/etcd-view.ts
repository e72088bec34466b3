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
  readonly baseKey: string;
  /** As of which revision all keys are known: from the next one on, a watch misses nothing. */
  revision = 0;
  readonly #known = new Map<string, Known>();
  #record: PrimaryRecord | undefined;
  /** Why the record that is stored is not taken. */
  misfit: string | undefined;

  constructor(keyPrefix: string, cluster: string) {
    // Encoded, so that no cluster's keys are below another one's.
    this.prefix = `${keyPrefix.replace(/\/+$/, '')}/${encodeURIComponent(cluster)}/`;
    this.leaderKey = `${this.prefix}leader`;
    this.recordKey = `${this.prefix}record`;
    this.baseKey = `${this.prefix}base`;
    this.#forget();
  }

  get leader(): EtcdKeyValue | undefined {
    return this.#stored(this.leaderKey);
  }

  /** Of who has the leader's key; undefined where nobody has it. */
  get epoch(): number | undefined {
    const { leader } = this;
    return leader === undefined ? undefined : this.base + leader.createRevision;
  }

  /** What is added to etcd's revisions so that epochs grow on from what they were before this etcd. It stands still while anybody leads. */
  get base(): number {
    const base = Number(this.storedBase?.value ?? 0);
    return Number.isSafeInteger(base) ? base : 0;
  }

  get storedBase(): EtcdKeyValue | undefined {
    return this.#stored(this.baseKey);
  }

  /** The last one that was taken: epochs only grow. */
  get record(): PrimaryRecord | undefined {
    return this.#record;
  }

  /** As it is stored, whether it was taken or not. */
  get storedRecord(): EtcdKeyValue | undefined {
    return this.#stored(this.recordKey);
  }

  /**
   * @param asked what the revision was when it was asked: an answer that is older comes from an etcd that was emptied or restored
   * @returns whether there was something new in it
   */
  takeAll({ revision, keys }: EtcdKeys, asked: number): boolean {
    if (revision < asked) this.#forget();
    this.revision = Math.max(this.revision, revision);
    const all = [...this.#known.keys()].map((name) =>
      this.#take(name, { asOf: revision, seen: keys.find(({ key }) => key === name) }),
    );
    return all.includes(true);
  }

  takeEvent({ kind, keyValue }: EtcdEvent): void {
    const seen = kind === 'put' ? keyValue : undefined;
    this.#take(keyValue.key, { asOf: keyValue.modRevision, seen });
  }

  #stored(key: string): EtcdKeyValue | undefined {
    return this.#known.get(key)?.seen;
  }

  #take(key: string, now: Known): boolean {
    const before = this.#known.get(key);
    if (before === undefined || now.asOf <= before.asOf) return false;
    this.#known.set(key, now);
    const isNew = now.seen?.modRevision !== before.seen?.modRevision;
    // The same one, read again, would be another object to who compares.
    if (isNew && key === this.recordKey) this.#accept(now.seen);
    return isNew;
  }

  #accept(stored: EtcdKeyValue | undefined): void {
    this.misfit = undefined;
    if (stored === undefined) return;
    const record = parsePrimaryRecord(stored.value);
    if (record === undefined) this.misfit = `${stored.key} is no record of a primary`;
    else if (record.epoch < (this.#record?.epoch ?? 0)) {
      this.misfit = `${stored.key} went back from epoch ${this.#record?.epoch} to ${record.epoch}`;
    } else this.#record = record;
  }

  #forget(): void {
    this.revision = 0;
    for (const key of [this.leaderKey, this.recordKey, this.baseKey]) this.#known.set(key, UNKNOWN);
    this.misfit = undefined;
  }
}
