import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULTS } from '../../defaults.js';
import type { PromoterLogin } from '../monitor-login.js';
import type { Coordinator, Leadership, MysqlLocksOptions, PrimaryRecord } from './coordinator.js';
import { leaseTimes } from './lease-times.js';
import { LockSession, type LockState, type Told } from './lock-session.js';
import { majorityOf, type Majority } from './majority.js';
import { parsePrimaryRecord, primaryRecordText } from './primary-record.js';
import { Rounds } from './rounds.js';
import type { Clocks } from './sleepless-clock.js';
import { Term } from './term.js';

/**
 * Who holds a named lock (`GET_LOCK`) on a majority of all servers of the cluster leads. Nothing but the servers themselves is needed.
 *
 * ```
 *   round:  look at all locks ─► ours on most? that is a proof: the term goes on
 *                             └► free on most? take them one by one, all in one order;  not on most? give them back
 *   a term begins only when the locks of most have been held, without a break, for as long as a proof is good for
 * ```
 *
 * That wait is what makes it safe: a lock goes at once where its server or session ends, and its holder may hear of it late. Who led by a
 * majority before ours has proved that before ours began, and that proof has run out when our term begins.
 *
 * What it guarantees: at no time do two lead, as long as all proxies are told the same servers, and clocks differ by less than the margin in
 * the length of a lease. What it cannot:
 *
 * - It leads only where most of *all* configured servers answer: with two servers, one that is down means that nobody promotes; with three,
 *   the primary may be down and no other. A majority of those that happen to answer would let two lead.
 * - The locks are on what fails: with the primary's server goes one of them, and where the leader goes with it, a new one takes the time of
 *   two leases. `etcd` needs one.
 * - An epoch is one more than all that the servers' journals and the last leaders tell of. A leader that wrote nothing, and that nobody saw,
 *   may leave its epoch to the next one. `older-sessions.ts` lets in only one of two with the same.
 * - The record lives with its leader, and in the memory of those that have seen it: what is to last is in the servers' journal.
 *
 * Needs SELECT on performance_schema for others to see who leads, and the record.
 */
export class MysqlLocksCoordinator implements Coordinator {
  readonly kind = 'mysql-locks';
  readonly #name: string;
  readonly #validMs: number;
  readonly #sessions: readonly LockSession[];
  readonly #clocks: Clocks;
  readonly #lastEpoch: () => number;
  readonly #rounds: Rounds;
  /** Those whose answer is still to come. */
  readonly #waiting = new Set<LockSession>();
  #writing: Promise<unknown> = Promise.resolve();
  #majority: Majority | undefined;
  #term: Term | undefined;
  #seenEpoch = 0;
  #record: PrimaryRecord | undefined;
  #problem: string | undefined;
  #leader: string | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #stopped = false;
  #told: readonly unknown[] = [];
  #onChange: () => void = () => {};

  /** @param lastEpoch the largest that any server has told of */
  constructor(options: MysqlLocksOptions, login: PromoterLogin, clocks: Clocks, lastEpoch: () => number) {
    const { nodes, cluster, name, leaseMs } = options;
    const times = leaseTimes(leaseMs);
    this.#name = name;
    this.#validMs = times.ttlMs - times.marginMs;
    // For all proxies in the same order: the first of them is for one.
    this.#sessions = [...nodes]
      .sort((a, b) => (`${a.host}:${a.port}` < `${b.host}:${b.port}` ? -1 : 1))
      .map((node) => new LockSession(node, login, cluster, times.ttlMs, clocks.waitingMs));
    this.#clocks = clocks;
    this.#lastEpoch = lastEpoch;
    // Not in step with the others: who finds the locks with another one gives back those that it has.
    this.#rounds = new Rounds(
      () => this.#round(),
      () => times.renewMs * (0.5 + Math.random() / 2),
    );
  }

  get leadership(): Leadership | undefined {
    return this.#term !== undefined && this.#term.remainingMs() > 0 ? this.#term : undefined;
  }

  get leader(): string | undefined {
    return this.leadership === undefined ? this.#leader : this.#name;
  }

  get record(): PrimaryRecord | undefined {
    return this.#record;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  async start(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    await this.#rounds.start();
  }

  /** One after another: what was begun first is not to replace what came later. */
  write(record: PrimaryRecord): Promise<boolean> {
    const written = this.#writing.then(async () => this.#write(record));
    this.#writing = written.catch(() => {});
    return written;
  }

  async #write(record: PrimaryRecord): Promise<boolean> {
    const term = this.#term;
    if (term === undefined || record.epoch > term.epoch) return false;
    let isTold = false;
    while (term.remainingMs() > 0) {
      if (record.epoch < (this.#record?.epoch ?? 0)) return false;
      const told = await this.#tellAll({ name: this.#name, epoch: term.epoch, record: primaryRecordText(record) });
      isTold ||= told > 0;
      // Sessions that hold the locks of most servers have answered: nobody else leads, and all can see it.
      if (told >= this.#needed && term.remainingMs() > 0) {
        this.#record = record;
        this.#tell();
        return true;
      }
      await sleep(DEFAULTS.coordinatorRetryMs);
    }
    if (isTold) throw new Error('it is not known whether anybody has seen the record');
    return false;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#term?.end();
    await this.#rounds.stop();
    clearTimeout(this.#deadline);
    await Promise.all(this.#sessions.map((session) => session.release()));
    for (const session of this.#sessions) session.close();
  }

  get #needed(): number {
    return Math.floor(this.#sessions.length / 2) + 1;
  }

  async #round(): Promise<void> {
    const askedAtMs = this.#clocks.endingMs();
    const waitedAtMs = this.#clocks.waitingMs();
    const states = await this.#look(askedAtMs);
    this.#majority = majorityOf([...states.values()]);
    this.#note([...states.values()]);
    if (this.#majority.held >= this.#needed) {
      this.#prove(askedAtMs, waitedAtMs);
      // The more it holds, the more may fail.
      await Promise.all([...states].map(async ([it, { kind }]) => (kind === 'free' ? it.take() : undefined)));
    } else await this.#campaign();
    this.#judge();
  }

  /** Looks at all locks. Where most prove the term, what is silent is not waited for: the term would run out meanwhile. */
  async #look(askedAtMs: number): Promise<ReadonlyMap<LockSession, LockState>> {
    const states = new Map(this.#sessions.map((it): [LockSession, LockState] => [it, it.unanswered]));
    const asked = this.#sessions.filter((it) => !this.#waiting.has(it));
    let left = asked.length;
    if (left === 0) return states;
    return new Promise((resolve) => {
      for (const session of asked) {
        this.#waiting.add(session);
        void session.look().then(() => {
          this.#waiting.delete(session);
          states.set(session, session.state);
          left--;
          if (left === 0) resolve(new Map(states));
          if (this.leadership === undefined || majorityOf([...states.values()]).held < this.#needed) return;
          this.#term?.prolong(askedAtMs);
          setTimeout(() => resolve(new Map(states)), DEFAULTS.coordinatorRetryMs);
        });
      }
    });
  }

  /** What is seen of the leader. */
  #note(states: readonly LockState[]): void {
    const seen = states.map((state) => (state.kind === 'taken' ? state.told : undefined));
    const latest = seen.filter((it) => it !== undefined).sort((a, b) => b.epoch - a.epoch)[0];
    this.#leader = latest?.name;
    this.#problem = this.#majority?.problem;
    if (latest === undefined) return;
    this.#seenEpoch = Math.max(this.#seenEpoch, latest.epoch);
    const record = parsePrimaryRecord(latest.record);
    if (record === undefined || record.epoch < (this.#record?.epoch ?? 0)) return;
    if (this.#record === undefined || primaryRecordText(record) !== primaryRecordText(this.#record))
      this.#record = record;
  }

  #prove(askedAtMs: number, waitedAtMs: number): void {
    const sinceMs = this.#majority?.heldSinceMs ?? Infinity;
    if (this.leadership !== undefined) this.#term?.prolong(askedAtMs);
    else if (waitedAtMs - sinceMs >= this.#validMs && !this.#stopped) {
      const epoch = Math.max(this.#lastEpoch(), this.#seenEpoch, this.#record?.epoch ?? 0) + 1;
      this.#seenEpoch = epoch;
      this.#term = new Term(epoch, this.#validMs, askedAtMs, this.#clocks.endingMs);
    }
  }

  /** Takes the locks of most servers, or none. */
  async #campaign(): Promise<void> {
    const isLed = this.leadership !== undefined;
    const { held = 0, free = 0 } = this.#majority ?? {};
    if (held + free >= this.#needed && !this.#stopped) {
      for (const session of this.#sessions) {
        if (session.state.kind !== 'free') continue;
        // Where another one is at it, the first that was free is for one of us.
        if (!(await session.take())) break;
      }
    }
    if (isLed || majorityOf(this.#sessions.map(({ state }) => state)).held >= this.#needed) return;
    await Promise.all(this.#sessions.map((session) => session.release()));
  }

  #judge(): void {
    const term = this.#term;
    // A server that was down when it began may have seen a later one.
    if (term !== undefined && (term.remainingMs() === 0 || term.epoch < this.#lastEpoch())) {
      term.end();
      this.#term = undefined;
    }
    clearTimeout(this.#deadline);
    if (this.#term !== undefined) {
      this.#deadline = setTimeout(() => this.#judge(), this.#term.remainingMs() + 1);
      const record = this.#record === undefined ? '' : primaryRecordText(this.#record);
      void this.#tellAll({ name: this.#name, epoch: this.#term.epoch, record });
    }
    this.#tell();
  }

  /** @returns how many servers have been told: as soon as those are most, or when all have answered */
  async #tellAll(told: Told): Promise<number> {
    const states: LockState[] = [];
    let left = this.#sessions.length;
    return new Promise((resolve) => {
      for (const session of this.#sessions) {
        void session.tell(told).then((isTold) => {
          if (isTold) states.push(session.state);
          left--;
          const { held } = majorityOf(states);
          if (held >= this.#needed || left === 0) resolve(held);
        });
      }
    });
  }

  #tell(): void {
    const now = [this.leadership, this.leader, this.record, this.problem];
    if (now.every((it, index) => it === this.#told[index])) return;
    this.#told = now;
    this.#onChange();
  }
}
