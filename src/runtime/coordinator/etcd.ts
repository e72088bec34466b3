import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULTS } from '../../defaults.js';
import type { Coordinator, EtcdOptions, Leadership, PrimaryRecord } from './coordinator.js';
import { EtcdClient } from './etcd-client.js';
import { EtcdView } from './etcd-view.js';
import { primaryRecordText } from './primary-record.js';
import { Rounds } from './rounds.js';
import { Term } from './term.js';

interface Lease {
  readonly id: string;
  /** How long a proof of it is good for. */
  readonly validMs: number;
  /** When the last proof was asked for. */
  readonly provedAtMs: number;
}

/**
 * Who has the leader's key leads: a key that goes with its holder's lease, and whose creation's revision is the epoch.
 *
 * ```
 *   round:  keep the lease ─► look at both keys ─► nobody leads? put the leader's key, if there is none ─► judge
 *   watch:  an event ─► judge;  nobody leads? the next round begins at once
 *   judge:  the leader's key is there with our lease, and in time: we lead. Otherwise we do not, and give the lease up
 * ```
 *
 * Whether a question of unknown outcome was carried out is seen by the next look. A lease serves one leadership.
 */
export class EtcdCoordinator implements Coordinator {
  readonly kind = 'etcd';
  readonly #name: string;
  readonly #client: EtcdClient;
  readonly #view: EtcdView;
  readonly #nowMs: () => number;
  readonly #lastEpoch: () => number;
  readonly #rounds = new Rounds(
    () => this.#round(),
    () => DEFAULTS.leaseRenewMs,
  );
  #lease: Lease | undefined;
  #term: Term | undefined;
  #lookedAtMs = -Infinity;
  #failure: string | undefined;
  #watch = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #writing: Promise<unknown> = Promise.resolve();
  #deadline: NodeJS.Timeout | undefined;
  #stopped = false;
  #told: readonly unknown[] = [];
  #onChange: () => void = () => {};

  /**
   * @param nowMs monotonic
   * @param lastEpoch the largest that any server has told of
   * @throws where the file of `caPath` cannot be read
   */
  constructor(options: EtcdOptions, nowMs: () => number, lastEpoch: () => number) {
    this.#name = options.name;
    this.#client = new EtcdClient(options);
    this.#view = new EtcdView(options.cluster);
    this.#nowMs = nowMs;
    this.#lastEpoch = lastEpoch;
  }

  get leadership(): Leadership | undefined {
    return this.#term !== undefined && this.#term.remainingMs() > 0 ? this.#term : undefined;
  }

  get leader(): string | undefined {
    // Later than that, its lease may have run out unseen.
    return this.#nowMs() - this.#lookedAtMs < DEFAULTS.leaseTtlMs ? this.#view.leader?.value : undefined;
  }

  get record(): PrimaryRecord | undefined {
    return this.#view.record;
  }

  get problem(): string | undefined {
    return this.#failure ?? this.#view.misfit;
  }

  async start(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    await this.#rounds.start();
    this.#watching = this.#keepWatching();
  }

  write(record: PrimaryRecord): Promise<boolean> {
    const written = this.#writing.then(() => this.#write(record));
    this.#writing = written.catch(() => {});
    return written;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#term?.end();
    this.#client.interrupt();
    await Promise.all([this.#rounds.stop(), this.#watching, this.#writing]);
    clearTimeout(this.#deadline);
    this.#term = undefined;
    const lease = this.#lease;
    this.#lease = undefined;
    // Where that fails, it runs out by itself.
    if (lease !== undefined) await this.#client.revokeLease(lease.id).catch(() => {});
    this.#client.close();
  }

  async #round(): Promise<void> {
    try {
      const kept = await this.#keepLease();
      await this.#look();
      // Only now: as it was seen that the key is still there.
      if (this.#lease !== undefined && kept !== undefined) this.#lease = kept;
      this.#failure = undefined;
      if (this.#view.leader === undefined && !this.#stopped) await this.#campaign();
    } catch (error) {
      this.#failure = `etcd does not answer as it should: ${reasonOf(error)}`;
    }
    this.#judge();
  }

  async #keepLease(): Promise<Lease | undefined> {
    const lease = this.#lease;
    if (lease === undefined) return undefined;
    const provedAtMs = this.#nowMs();
    if ((await this.#client.keepLease(lease.id)) > 0) return { ...lease, provedAtMs };
    this.#lease = undefined;
    return undefined;
  }

  async #look(): Promise<void> {
    const asked = this.#view.revision;
    const found = await this.#client.range(this.#view.prefix);
    this.#lookedAtMs = this.#nowMs();
    // A watch that has not told of this may be one that tells nothing any more.
    if (this.#view.takeAll(found, asked)) this.#watch.abort(new Error('it was outrun'));
  }

  async #campaign(): Promise<void> {
    const lastEpoch = Math.max(this.#lastEpoch(), this.#view.record?.epoch ?? 0);
    if (this.#view.revision < lastEpoch) {
      this.#failure = `etcd is at revision ${this.#view.revision}, before epoch ${lastEpoch} of the servers: it was emptied or restored`;
      return;
    }
    this.#lease ??= await this.#grantLease();
    const { leaderKey, prefix } = this.#view;
    const asked = this.#view.revision;
    const found = await this.#client.putIf(
      [{ target: 'CREATE', key: leaderKey, revision: 0 }],
      { key: leaderKey, value: this.#name, lease: this.#lease.id },
      prefix,
    );
    this.#view.takeAll(found, asked);
  }

  async #grantLease(): Promise<Lease> {
    const provedAtMs = this.#nowMs();
    const { id, ttlS } = await this.#client.grantLease(Math.ceil(DEFAULTS.leaseTtlMs / 1_000));
    return { id, provedAtMs, validMs: ttlS * 1_000 - DEFAULTS.leaseMarginMs };
  }

  #judge(): void {
    const { leader } = this.#view;
    const lease = this.#lease;
    const isOurs = lease !== undefined && leader?.lease === lease.id;
    if (isOurs && !this.#stopped) {
      this.#term ??= new Term(leader.createRevision, lease.validMs, lease.provedAtMs, this.#nowMs);
      this.#term.prolong(lease.provedAtMs);
    }
    const isOver = this.#term !== undefined && (!isOurs || this.#term.remainingMs() === 0);
    if (isOver || (!isOurs && leader !== undefined)) this.#giveUp();
    if (leader === undefined && this.#failure === undefined) this.#rounds.hurry();
    this.#watchDeadline();
    this.#tell();
  }

  #giveUp(): void {
    this.#term?.end();
    this.#term = undefined;
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) this.#client.revokeLease(lease.id).catch(() => {});
  }

  #watchDeadline(): void {
    clearTimeout(this.#deadline);
    if (this.#term !== undefined) this.#deadline = setTimeout(() => this.#judge(), this.#term.remainingMs() + 1);
  }

  #tell(): void {
    const now = [this.leadership, this.leader, this.record, this.problem];
    if (now.every((it, index) => it === this.#told[index])) return;
    this.#told = now;
    this.#onChange();
  }

  async #keepWatching(): Promise<void> {
    while (!this.#stopped) {
      this.#watch = new AbortController();
      const watch = this.#watch;
      try {
        if (this.#view.revision > 0) {
          await this.#client.watch(
            this.#view.prefix,
            this.#view.revision + 1,
            (events) => {
              for (const event of events) this.#view.takeEvent(event);
              if (events.length > 0) this.#judge();
            },
            watch,
          );
        }
      } catch {
        // The rounds tell of what is wrong with etcd.
      }
      // A round that has found more than the watch has it begin there, and at once.
      if (!watch.signal.aborted) await sleep(DEFAULTS.coordinatorRetryMs);
    }
  }

  async #write(record: PrimaryRecord): Promise<boolean> {
    const term = this.#term;
    if (term === undefined || record.epoch > term.epoch) return false;
    const view = this.#view;
    const value = primaryRecordText(record);
    const untilMs = this.#nowMs() + DEFAULTS.leaseTtlMs;
    let failure: unknown;
    // An etcd that refuses puts, as a full one does, may keep leases for ever.
    while (term.remainingMs() > 0 && this.#nowMs() < untilMs && record.epoch >= (view.record?.epoch ?? 0)) {
      const asked = view.revision;
      try {
        const found = await this.#client.putIf(
          [
            { target: 'CREATE', key: view.leaderKey, revision: term.epoch },
            // An attempt that was given up must not come through after the next one.
            { target: 'MOD', key: view.recordKey, revision: view.storedRecord?.modRevision ?? 0 },
          ],
          { key: view.recordKey, value },
          view.prefix,
        );
        view.takeAll(found, asked);
        this.#judge();
        if (found.put || (failure !== undefined && view.storedRecord?.value === value)) return true;
      } catch (error) {
        failure = error;
        await sleep(DEFAULTS.coordinatorRetryMs);
      }
    }
    // Where the leader's key is gone or another one's, what is still under way comes too late.
    if (failure === undefined || view.leader?.createRevision !== term.epoch) {
      return failure !== undefined && view.storedRecord?.value === value;
    }
    throw new Error(`it is not known whether the record was written: ${reasonOf(failure)}`, { cause: failure });
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error && typeof error.code === 'string' ? error.code : error.name);
}
