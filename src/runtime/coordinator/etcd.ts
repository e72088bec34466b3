import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULTS } from '../../defaults.js';
import type { Coordinator, EtcdOptions, Leadership, PrimaryRecord } from './coordinator.js';
import { EtcdClient, type EtcdPut } from './etcd-client.js';
import type { EtcdKeys } from './etcd-messages.js';
import { EtcdView } from './etcd-view.js';
import { writeRecord } from './etcd-write.js';
import { leaseTimes, type LeaseTimes } from './lease-times.js';
import { Rounds } from './rounds.js';
import type { Clocks } from './sleepless-clock.js';
import { Term } from './term.js';

interface Lease {
  readonly id: string;
  /** How long a proof of it is good for. */
  readonly validMs: number;
  /** When the last proof was asked for. */
  readonly provedAtMs: number;
}

/** A lease that was answered to be kept, by the etcd whose leader was of this term. */
interface Kept {
  readonly lease: Lease;
  readonly raftTerm: number;
}

/**
 * Who has the leader's key leads: a key that goes with its holder's lease, and whose creation's revision is the epoch.
 *
 * ```
 *   round:  keep the lease ─► look at all keys ─► nobody leads? put the leader's key, if there is none ─► judge
 *   watch:  an event ─► judge;  nobody leads? the next round begins at once
 *   judge:  the leader's key is there with our lease, and in time: we lead. Otherwise we do not, and give the lease up
 * ```
 *
 * Whether a question of unknown outcome was carried out is seen by the next look. A lease serves one leadership.
 */
export class EtcdCoordinator implements Coordinator {
  readonly kind = 'etcd';
  readonly #name: string;
  readonly #times: LeaseTimes;
  readonly #client: EtcdClient;
  readonly #view: EtcdView;
  readonly #nowMs: () => number;
  readonly #waitingMs: () => number;
  readonly #lastEpoch: () => number;
  readonly #rounds: Rounds;
  #lease: Lease | undefined;
  #term: Term | undefined;
  #lookedAtMs = -Infinity;
  /** Since when it is known that this etcd is not the one, or not as it was, by which somebody may lead still. */
  #strangeSinceMs: number | undefined;
  #failure: string | undefined;
  #watch = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #writing: Promise<unknown> = Promise.resolve();
  #deadline: NodeJS.Timeout | undefined;
  #stopped = false;
  #told: readonly unknown[] = [];
  #onChange: () => void = () => {};

  /**
   * @param lastEpoch the largest that any server has told of
   * @throws where a file of the certificates cannot be read
   */
  constructor(options: EtcdOptions, clocks: Clocks, lastEpoch: () => number) {
    const times = leaseTimes(options.leaseMs);
    this.#name = options.name;
    this.#times = times;
    this.#rounds = new Rounds(
      () => this.#round(),
      () => times.renewMs,
    );
    this.#client = new EtcdClient(options);
    this.#view = new EtcdView(options.keyPrefix ?? DEFAULTS.coordinatorKeyPrefix, options.cluster);
    this.#nowMs = clocks.endingMs;
    this.#waitingMs = clocks.waitingMs;
    this.#lastEpoch = lastEpoch;
  }

  get leadership(): Leadership | undefined {
    return this.#term !== undefined && this.#term.remainingMs() > 0 ? this.#term : undefined;
  }

  get leader(): string | undefined {
    // Later than that, its lease may have run out unseen.
    return this.#nowMs() - this.#lookedAtMs < this.#times.ttlMs ? this.#view.leader?.value : undefined;
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
      const { raftTerm } = await this.#look();
      // A leader of etcd that has been deposed keeps leases, too, for nothing. What has just looked is in no such position.
      if (this.#lease !== undefined && kept?.raftTerm === raftTerm) this.#lease = kept.lease;
      this.#failure = undefined;
      if (this.#view.leader === undefined && !this.#stopped) await this.#campaign();
    } catch (error) {
      this.#failure = `etcd does not answer as it should: ${reasonOf(error)}`;
    }
    this.#judge();
  }

  async #keepLease(): Promise<Kept | undefined> {
    const lease = this.#lease;
    if (lease === undefined) return undefined;
    const provedAtMs = this.#nowMs();
    const { ttlS, raftTerm } = await this.#client.keepLease(lease.id);
    if (ttlS > 0) return { lease: { ...lease, provedAtMs }, raftTerm };
    this.#lease = undefined;
    return undefined;
  }

  async #look(): Promise<EtcdKeys> {
    const asked = this.#view.revision;
    const found = await this.#client.range(this.#view.prefix);
    this.#lookedAtMs = this.#nowMs();
    // A watch that has not told of this may be one that tells nothing any more.
    if (this.#take(found, asked)) this.#watch.abort(new Error('it was outrun'));
    return found;
  }

  #take(found: EtcdKeys, asked: number): boolean {
    if (found.revision < asked) this.#strangeSinceMs = this.#waitingMs();
    return this.#view.takeAll(found, asked);
  }

  async #campaign(): Promise<void> {
    const view = this.#view;
    const lastEpoch = Math.max(this.#lastEpoch(), view.record?.epoch ?? 0);
    const isBehind = view.base + view.revision < lastEpoch;
    if (isBehind) this.#strangeSinceMs ??= this.#waitingMs();
    // Who leads by what this etcd was before has to see first that it does not any more.
    const waitMs = (this.#strangeSinceMs ?? -Infinity) + this.#times.ttlMs - this.#waitingMs();
    if (waitMs > 0) {
      const why = isBehind ? `it knows nothing of epoch ${lastEpoch}, which the servers have seen` : 'it went back';
      this.#failure = `etcd is new, or was restored: ${why}; nobody leads until ${this.#times.ttlMs} ms have passed`;
      return;
    }
    if (isBehind) {
      await this.#putIfNobodyLeads({ key: view.baseKey, value: String(lastEpoch) });
      return;
    }
    this.#lease ??= await this.#grantLease();
    const put = { key: view.leaderKey, value: this.#name, lease: this.#lease.id };
    await this.#putIfNobodyLeads(put);
  }

  async #putIfNobodyLeads(put: EtcdPut): Promise<void> {
    const view = this.#view;
    const asked = view.revision;
    const found = await this.#client.putIf(
      [
        { target: 'CREATE', key: view.leaderKey, revision: 0 },
        { target: 'MOD', key: view.baseKey, revision: view.storedBase?.modRevision ?? 0 },
      ],
      put,
      view.prefix,
    );
    this.#take(found, asked);
  }

  async #grantLease(): Promise<Lease> {
    const provedAtMs = this.#nowMs();
    const { id, ttlS } = await this.#client.grantLease(Math.ceil(this.#times.ttlMs / 1_000));
    return { id, provedAtMs, validMs: ttlS * 1_000 - this.#times.marginMs };
  }

  #judge(): void {
    const { leader, epoch } = this.#view;
    const lease = this.#lease;
    const isOurs = lease !== undefined && leader?.lease === lease.id;
    if (isOurs && epoch !== undefined && !this.#stopped) {
      this.#term ??= new Term(epoch, lease.validMs, lease.provedAtMs, this.#nowMs);
      this.#term.prolong(lease.provedAtMs);
    }
    const term = this.#term;
    // A server that was down when it began may have seen a later one.
    const isOver = term !== undefined && (!isOurs || term.remainingMs() === 0 || term.epoch < this.#lastEpoch());
    if (leader !== undefined) this.#strangeSinceMs = undefined;
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
      // The rounds tell of what is wrong with etcd.
      if (this.#view.revision > 0) await this.#watchOnce(watch).catch(() => {});
      // A round that has found more than the watch has it begin there, and at once.
      if (!watch.signal.aborted) await sleep(DEFAULTS.coordinatorRetryMs);
    }
  }

  async #watchOnce(abort: AbortController): Promise<void> {
    const { prefix, revision } = this.#view;
    await this.#client.watch(
      prefix,
      revision + 1,
      (events) => {
        for (const event of events) this.#view.takeEvent(event);
        if (events.length > 0) this.#judge();
      },
      abort,
    );
  }

  async #write(record: PrimaryRecord): Promise<boolean> {
    const term = this.#term;
    if (term === undefined) return false;
    return writeRecord(
      {
        client: this.#client,
        view: this.#view,
        term,
        nowMs: this.#nowMs,
        timeoutMs: this.#times.ttlMs,
        onAnswer: (found, asked) => {
          this.#take(found, asked);
          this.#judge();
        },
      },
      record,
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error && typeof error.code === 'string' ? error.code : error.name);
}
