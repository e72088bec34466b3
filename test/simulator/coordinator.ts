import { GtidSet } from '../../src/topology/gtid-set.js';
import type { Policy } from '../../src/failover/durability.js';
import type { FailoverAction, FailoverEvent, FailoverState, Step } from '../../src/failover/failover.js';
import type {
  SwitchoverAction,
  SwitchoverEvent,
  SwitchoverState,
  SwitchoverStep,
} from '../../src/failover/switchover.js';
import { mayHaveAttached, type Command, type Task } from '../../src/failover/task.js';
import { journalTask } from '../../src/failover/upkeep.js';
import { follows, type ClusterView, type NodeState, type Reach } from '../../src/failover/view.js';
import { lookAt, nodeName, reachOf, type Looked } from './look.js';
import { Machine } from './machine.js';
import { SimSession, type Ended, type Leading } from './session.js';
import { SimStore, type StoredRecord } from './store.js';
import type { UnderTest } from './under-test.js';
import { uuidOf } from './vector.js';
import type { SimWorld } from './world.js';

const LOOK_MS = { primary: 250, replica: 500, urgent: 120 } as const;
const LOOK_TIMEOUT_MS = 400;
const RENEW_MS = 1_500;
const MARGIN_MS = 1_000;
const STATEMENT_MS = 1_000;
const RETRY_MS = 1_000;
const UPKEEP_MS = 1_000;
const DRAIN_MS = 2_000;
/** As long as it takes to stop a receiver that connects in vain, mostly. */
const FREEZE_MS = 4_000;

/** A node may stand still behind these. */
const STOPS: ReadonlySet<Command['kind']> = new Set(['stop-receiving', 'stop-replica', 'follow']);
const STARTS: ReadonlySet<Task['name']> = new Set(['unfreeze', 'ask-anew', 'repoint', 'rejoin', 'restore', 'forget']);

interface Seen {
  looked: Looked | undefined;
  reach: Reach;
  failingSinceMs: number | undefined;
  lookedFromMs: number;
  /** When something was last done there. */
  touchedAtMs: number;
  /** When it may have been told last from whom to receive. */
  attachedAtMs: number;
}

/** A proxy as its supervisor: what `src/runtime/failover/` does, around the same pure parts. */
export class SimCoordinator {
  readonly id: number;
  readonly #world: SimWorld;
  readonly #code: UnderTest;
  readonly #policy: Policy;
  up = true;
  pausedUntilMs = 0;
  #life = 0;
  #seen: Seen[] = [];
  #sessions: SimSession[] = [];
  #term: { readonly epoch: number; untilMs: number } | undefined;
  /** Where clients of this proxy write. */
  primary: number | undefined;
  holds = false;
  #record: StoredRecord | undefined;
  #epoch = 0;
  #ackers: readonly NodeState[] = [];
  #acknowledgements = 0;
  #former = new Set<string>();
  #frozen = new Set<string>();
  #wroteAtMs: number | undefined;
  #busy = false;
  #notBeforeMs = 0;
  #askedAnew = false;
  /** Why there is no primary, or nothing is done about it. */
  reason = '';
  /** Called with each thing that it does, for faults to come at that moment. */
  onStep: (what: string, node: string | undefined) => void = () => {};
  /** Nodes that are told of as having transactions of their own: not each look compares them. */
  readonly #differing = new Set<string>();
  readonly counts = { failovers: 0, switchovers: 0, givenUp: 0, stuck: 0, deposed: 0 };

  constructor(world: SimWorld, id: number, policy: Policy, code: UnderTest) {
    this.#world = world;
    this.id = id;
    this.#policy = policy;
    this.#code = code;
  }

  get leads(): boolean {
    return this.up && this.#term !== undefined && this.#term.untilMs > this.#world.clock.nowMs;
  }

  get differing(): number {
    return this.#differing.size;
  }

  get isBusy(): boolean {
    return this.#busy;
  }

  start(primary: number | undefined): void {
    const world = this.#world;
    this.up = true;
    this.#life++;
    this.#seen = world.servers.map(() => ({
      looked: undefined,
      reach: 'silent',
      failingSinceMs: undefined,
      lookedFromMs: -1,
      touchedAtMs: -1,
      attachedAtMs: -1,
    }));
    this.#sessions = world.servers.map(({ id }) => new SimSession(world, this.id, id, (run) => this.#now(run)));
    this.#term = undefined;
    this.primary = primary;
    this.holds = false;
    this.#record = undefined;
    this.#epoch = 0;
    this.#ackers = [];
    this.#acknowledgements = 0;
    this.#former = new Set();
    this.#frozen = new Set();
    this.#wroteAtMs = undefined;
    this.#busy = false;
    this.#notBeforeMs = 0;
    this.#askedAnew = false;
    this.reason = '';
    this.#differing.clear();
    for (const { id } of world.servers) this.#after(world.random.below(50), () => this.#look(id));
    this.#after(world.random.below(200), () => this.#campaign());
    this.#after(300 + world.random.below(700), () => this.#keepUp());
  }

  stop(): void {
    this.up = false;
    this.#life++;
  }

  #after(ms: number, run: () => void): void {
    const life = this.#life;
    this.#world.clock.after(ms, () => {
      if (life === this.#life) this.#now(run);
    });
  }

  /** Unless it stands still, as by a pause of its machine. */
  #now(run: () => void): void {
    const { clock } = this.#world;
    if (this.pausedUntilMs > clock.nowMs) this.#after(this.pausedUntilMs - clock.nowMs, run);
    else if (this.up) run();
  }

  #look(server: number): void {
    const beganAtMs = this.#world.clock.nowMs;
    const target = this.#world.servers[server];
    if (target === undefined) return;
    this.#after(this.#world.delay(10), () => {
      const reach = reachOf(target, this.#world, this.id);
      const looked = reach === 'answers' ? lookAt(target, this.#world, beganAtMs) : undefined;
      if (reach === 'silent') this.#after(LOOK_TIMEOUT_MS, () => this.#looked(server, reach, undefined, beganAtMs));
      else this.#looked(server, reach, looked, beganAtMs);
    });
  }

  #looked(server: number, reach: Reach, looked: Looked | undefined, beganAtMs: number): void {
    const seen = this.#seen[server];
    if (seen === undefined) return;
    seen.reach = reach;
    seen.lookedFromMs = beganAtMs;
    if (looked === undefined) seen.failingSinceMs ??= beganAtMs;
    else {
      const restarted = seen.looked !== undefined && looked.startedAtMs > seen.looked.startedAtMs;
      if (restarted && looked.state.replica !== undefined) this.#frozen.add(looked.state.name);
      seen.looked = looked;
      seen.failingSinceMs = undefined;
      this.#noteJournal(looked.journal);
    }
    if (this.primary === undefined) this.#findPrimary();
    if (!this.#busy) this.#consider();
    const isUrgent = this.primary !== undefined && this.#seen[this.primary]?.failingSinceMs !== undefined;
    const usualMs = server === this.primary ? LOOK_MS.primary : LOOK_MS.replica;
    this.#after(isUrgent ? LOOK_MS.urgent : usualMs, () => this.#look(server));
  }

  #noteJournal({ epoch, server }: Looked['journal']): void {
    if (epoch === 0) return;
    this.#former.add(uuidOf(server));
    // One that has just started knows nothing else.
    if (epoch > this.#epoch && this.primary === undefined) this.#appoint(server);
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /** Where no journal tells, it is the only one that takes writes. */
  #findPrimary(): void {
    if (this.#seen.some(({ lookedFromMs }) => lookedFromMs < 0)) return;
    const open = this.#seen.flatMap(({ looked }, id) => (looked?.state.readOnly === false ? [id] : []));
    const [first] = open;
    if (first !== undefined && open.length === 1) this.#appoint(first);
  }

  get #view(): ClusterView {
    const others: NodeState[] = [];
    let primary: NodeState | undefined;
    for (let id = 0; id < this.#seen.length; id++) {
      const seen = this.#seen[id];
      if (seen?.looked === undefined) continue;
      const { state } = seen.looked;
      const now =
        seen.reach === 'answers'
          ? state
          : {
              ...state,
              reach: seen.reach,
              why: seen.reach,
              failingSinceMs: seen.failingSinceMs,
              isOutdated: state.seenAtMs < seen.attachedAtMs,
            };
      if (id === this.primary) primary = now;
      else others.push(now);
    }
    return { nowMs: this.#world.clock.nowMs, primary, others };
  }

  #consider(): void {
    const primary = this.primary === undefined ? undefined : this.#seen[this.primary];
    if (primary === undefined) {
      this.reason = 'no primary is known';
      return;
    }
    const { failingSinceMs } = primary;
    if (failingSinceMs !== undefined) {
      for (const it of this.#seen) {
        // Nor does what a node said before something was done there.
        if (it !== primary && it.lookedFromMs < Math.max(failingSinceMs, it.touchedAtMs)) return;
      }
    }
    const view = this.#view;
    if (failingSinceMs === undefined) this.#noteHealthy(view);
    const diagnosis = this.#code.diagnose(view);
    if (diagnosis.kind !== 'healthy') this.reason = `${diagnosis.kind}: ${diagnosis.why}`;
    const asked = this.#code.askAnewOf(view, diagnosis.kind);
    if (asked.length > 0) this.#askAnew(asked, diagnosis.kind === 'refuses-here');
    else if (diagnosis.kind === 'dead') this.#failOver(view);
  }

  #noteHealthy({ primary, others }: ClusterView): void {
    if (primary === undefined || primary.readOnly) return;
    this.#wroteAtMs = primary.seenAtMs;
    this.#askedAnew = false;
    this.reason = '';
    this.#ackers = others.filter(
      (it) =>
        it.reach === 'answers' &&
        follows(it, primary) &&
        it.replica?.receiver === 'on' &&
        it.semiSync?.replicaEnabled === true,
    );
    if (primary.semiSync?.sourceEnabled === true) this.#acknowledgements = primary.semiSync.acknowledgements;
  }

  #campaign(): void {
    const world = this.#world;
    const askedAtMs = world.clock.nowMs;
    this.#after(world.delay(10), () => {
      if (world.network.reaches(this.id, world.storeId)) {
        const epoch = world.store.campaign(this.id, this.#term?.epoch, world.clock.nowMs);
        const untilMs = askedAtMs + SimStore.TTL_MS - MARGIN_MS;
        if (epoch === undefined) this.#term = undefined;
        else if (this.#term?.epoch !== epoch) {
          world.note(() => `coordinator ${this.id} leads in epoch ${epoch}`);
          this.#term = { epoch, untilMs };
          this.onStep('lead', undefined);
        } else if (this.leads) this.#term.untilMs = untilMs;
        this.#noteRecord();
      }
      if (this.#term !== undefined && !this.leads) this.#term = undefined;
      this.#after(RENEW_MS + world.random.below(200), () => this.#campaign());
    });
  }

  #rest(): void {
    this.#busy = false;
    if (this.#code.notesWhatItMissed) this.#noteRecord();
  }

  #noteRecord(): void {
    const { record } = this.#world.store;
    if (record === undefined || this.#busy) return;
    this.#record = record;
    if (record.server !== this.primary) this.#appoint(record.server);
  }

  #appoint(server: number): void {
    if (this.primary !== undefined) this.#former.add(uuidOf(this.primary));
    this.primary = server;
    this.#differing.clear();
    this.#wroteAtMs = undefined;
    this.#world.note(() => `coordinator ${this.id} takes ${nodeName(server)} for the primary`);
  }

  #leading(): Leading | undefined {
    const term = this.#term;
    if (term === undefined || !this.leads) return undefined;
    const { clock } = this.#world;
    const rechecks = this.#code.rechecksLease;
    return { epoch: term.epoch, mayGoOn: () => !rechecks || term.untilMs - clock.nowMs >= STATEMENT_MS };
  }

  #run(task: Task, leading: Leading, done: (end: Ended) => void, isUpkeep = false): void {
    const session = this.#sessions[this.#world.idOf(task.node)];
    if (session === undefined || !leading.mayGoOn()) return done({ kind: 'deposed' });
    if (task.commands.some(({ kind }) => STOPS.has(kind))) this.#frozen.add(task.node);
    this.onStep(task.name, task.node);
    const life = this.#life;
    session.run(this.#code.taskOf(task), leading, (end) => {
      if (life !== this.#life) return;
      this.#world.note(
        () =>
          `${this.id}: ${task.name} ${task.node}: ${end.kind}${end.kind === 'failed' ? ` at ${end.command}: ${end.why}` : ''}`,
      );
      const touched = this.#seen[this.#world.idOf(task.node)];
      if (touched !== undefined) {
        touched.touchedAtMs = this.#world.clock.nowMs;
        if (end.kind !== 'deposed' && mayHaveAttached(task, end)) touched.attachedAtMs = touched.touchedAtMs;
      }
      if (STARTS.has(task.name) && end.kind === 'done') this.#frozen.delete(task.node);
      const { primary } = this;
      const node = primary === undefined ? undefined : this.#seen[primary]?.looked?.state;
      if (isUpkeep && task.name === 'open' && end.kind === 'done' && node?.name === task.node) {
        // Nothing else is written down before that is, or is given up.
        const claim = { kind: 'claim', node, phase: 'primary', gtids: node.executed } as const;
        this.#claim(claim, leading, () => done(end));
      } else done(end);
    });
  }

  #runAll(tasks: readonly Task[], leading: Leading): void {
    let left = tasks.length;
    this.#busy = left > 0;
    for (const task of tasks) {
      this.#run(
        task,
        leading,
        () => {
          left--;
          if (left === 0) this.#rest();
        },
        true,
      );
    }
  }

  /** @param once for each time that the primary goes down: it costs acknowledgements */
  #askAnew(tasks: readonly Task[], once: boolean): void {
    const leading = this.#leading();
    if (leading === undefined || (once && this.#askedAnew) || this.#busy) return;
    if (once) this.#askedAnew = true;
    this.#runAll(tasks, leading);
  }

  #keepUp(): void {
    this.#after(UPKEEP_MS, () => this.#keepUp());
    const leading = this.#leading();
    const { primary } = this;
    const seen = primary === undefined ? undefined : this.#seen[primary];
    if (leading === undefined || this.#busy || primary === undefined || seen?.failingSinceMs !== undefined) return;
    const view = this.#view;
    if (view.primary === undefined || seen === undefined) return;
    const outdated = this.#seen.flatMap((it, id) => (it.lookedFromMs < it.touchedAtMs ? [nodeName(id)] : []));
    if (this.#code.looksBeforeUpkeep && outdated.includes(view.primary.name)) return;
    const tasks: Task[] = [];
    if (!view.primary.readOnly && (view.primary.semiSync?.waiting ?? 0) === 0 && !this.#isJournaled) {
      tasks.push(journalTask(view.primary, Math.max(this.#epoch + 1, leading.epoch)));
    }
    const upkeep = this.#code.upkeepOf(view, {
      formerPrimaries: new Set([...this.#former].filter((it) => it !== uuidOf(primary))),
      frozen: this.#frozen,
      acknowledgements: this.#acknowledgements,
      primaryRestarted: seen.looked?.isClosedByStart === true,
      leftAlone: new Set(this.#code.looksBeforeUpkeep ? outdated : []),
      promoting: this.#promoting(leading),
    });
    for (const name of upkeep.errant.keys()) this.#differing.add(name);
    for (const it of view.others) if (follows(it, view.primary)) this.#differing.delete(it.name);
    for (const [name, set] of upkeep.errant) this.reason = `${name} has transactions of its own: ${set.toString()}`;
    this.#runAll([...tasks, ...upkeep.tasks], leading);
  }

  /** Whoever leads later has to know that it was the primary. */
  get #isJournaled(): boolean {
    return this.primary !== undefined && this.#seen[this.primary]?.looked?.journal.server === this.primary;
  }

  /** What the record says of the primary, where it is not known to be open. */
  #promoting({ epoch }: Leading): { readonly gtids: GtidSet; readonly epoch: number } | undefined {
    const record = this.#record;
    if (record?.phase !== 'promoting' || record.server !== this.primary) return undefined;
    return { gtids: GtidSet.parse(record.gtid) ?? GtidSet.EMPTY, epoch: Math.max(this.#epoch + 1, epoch) };
  }

  #failOver(view: ClusterView): void {
    const { clock } = this.#world;
    const leading = this.#leading();
    if (this.#busy || clock.nowMs < this.#notBeforeMs || leading === undefined) return;
    if (this.#wroteAtMs === undefined || !this.#isJournaled) {
      this.reason = `${view.primary?.name ?? ''} was never seen to take writes, or is not in its journal yet`;
      return;
    }
    // It may acknowledge, for all that is known.
    const stranger = this.#seen.findIndex(({ looked }) => looked === undefined);
    if (stranger >= 0 && this.#policy === 'lossless') {
      this.reason = `${nodeName(stranger)} has never answered; the policy is lossless`;
      return;
    }
    this.#busy = true;
    this.#world.note(() => `coordinator ${this.id} begins a failover from ${view.primary?.name ?? ''}`);
    this.onStep('failover', view.primary?.name);
    const epoch = Math.max(this.#epoch + 1, leading.epoch);
    const settings = { policy: this.#policy, epoch, drainTimeoutMs: DRAIN_MS };
    const machine = new Machine<FailoverState, FailoverEvent, FailoverAction>({
      step: this.#code.stepFailover,
      perform: (action, done) => this.#perform(action, leading, done),
      lateAfterMs: ({ phase }) => {
        if (phase === 'freezing') return FREEZE_MS;
        return phase === 'draining' ? DRAIN_MS + STATEMENT_MS : 3 * STATEMENT_MS;
      },
      after: (ms, run) => this.#after(ms, run),
      onPhase: (phase) => this.onStep(phase, undefined),
      ended: ({ outcome }) => this.#ended(outcome),
    });
    const first: Step = this.#code.beginFailover(view, this.#ackers, settings);
    machine.begin(first);
  }

  /** By a human's word, where it leads. */
  switchOver(to: string): void {
    const leading = this.#leading();
    if (this.#busy || leading === undefined || !this.#isJournaled) return;
    const step = this.#code.beginSwitchover(this.#view, to, {
      policy: this.#policy,
      epoch: Math.max(this.#epoch + 1, leading.epoch),
      maxLagTransactions: 100,
      catchUpTimeoutMs: 1_000,
      holdTimeoutMs: 300,
      drainTimeoutMs: 1_500,
      stragglers: this.#world.random.below(2) === 0 ? 'abort' : 'kill',
    });
    if ('refusals' in step) return;
    this.#busy = true;
    this.#world.note(() => `coordinator ${this.id} begins a switchover to ${to}`);
    const machine = new Machine<SwitchoverState, SwitchoverEvent, SwitchoverAction>({
      step: this.#code.stepSwitchover,
      perform: (action, done) => this.#performSwitchover(action, leading, done),
      lateAfterMs: () => 4 * STATEMENT_MS,
      after: (ms, run) => this.#after(ms, run),
      onPhase: (phase) => this.onStep(phase, undefined),
      ended: ({ outcome }) => this.#ended(outcome),
    });
    const first: SwitchoverStep = step;
    machine.begin(first);
  }

  #performSwitchover(
    action: SwitchoverAction,
    leading: Leading,
    done: (event: SwitchoverEvent | undefined) => void,
  ): void {
    if (action.kind === 'hold') {
      this.holds = true;
      const isLate = this.#world.random.below(8) === 0;
      this.#after(isLate ? action.waitMs : this.#world.delay(30), () =>
        done({ kind: 'held', running: isLate ? 1 : 0 }),
      );
    } else if (action.kind === 'release') {
      this.holds = false;
      done(undefined);
    } else this.#perform(action, leading, done);
  }

  #perform(action: FailoverAction, leading: Leading, done: (event: FailoverEvent | undefined) => void): void {
    switch (action.kind) {
      case 'task':
        return this.#run(action.task, leading, done);
      case 'claim':
        return this.#claim(action, leading, (ok) => done({ kind: 'claimed', ok }));
      case 'announce':
        this.#appoint(this.#world.idOf(action.node.name));
        return done(undefined);
    }
  }

  /** Tries until it is known, or until it leads no more. */
  #claim(action: FailoverAction & { readonly kind: 'claim' }, leading: Leading, done: (ok: boolean) => void): void {
    const world = this.#world;
    const { store, clock, network } = world;
    const { node, phase, gtids } = action;
    this.onStep(`claim ${phase}`, node.name);
    const attempt = (): void => {
      if (!leading.mayGoOn()) return done(false);
      let isAnswered = false;
      clock.after(world.delay(10), () => {
        if (!network.reaches(this.id, world.storeId)) return;
        const record: StoredRecord = {
          epoch: leading.epoch,
          phase,
          server: world.idOf(node.name),
          gtid: gtids.toString(),
        };
        const ok = store.write(record, this.id, leading.epoch, clock.nowMs);
        world.note(() => `${this.id}: record ${phase} ${node.name}: ${ok ? 'written' : 'refused'}`);
        if (ok) this.#record = record;
        // The way back may be cut by now.
        this.#after(world.delay(10), () => {
          if (isAnswered || !network.reaches(this.id, world.storeId)) return;
          isAnswered = true;
          done(ok);
        });
      });
      this.#after(300, () => {
        if (isAnswered) return;
        isAnswered = true;
        attempt();
      });
    };
    attempt();
  }

  #ended(outcome: FailoverState['outcome'] | SwitchoverState['outcome']): void {
    this.#world.note(
      () => `${this.id}: ${JSON.stringify(outcome, (_, it: unknown) => (it instanceof Map ? [...it] : it))}`,
    );
    this.#rest();
    switch (outcome?.kind) {
      case 'promoted':
        this.counts.failovers++;
        return;
      case 'switched':
        this.counts.switchovers++;
        return;
      case 'stuck':
        this.counts.stuck++;
        this.reason = outcome.why;
        this.#appoint(this.#world.idOf(outcome.node));
        return;
      case 'given-up':
        this.counts.givenUp++;
        this.reason = outcome.why;
        this.#notBeforeMs = this.#world.clock.nowMs + RETRY_MS;
        return;
      case 'deposed':
      case undefined:
        this.counts.deposed++;
        this.#notBeforeMs = this.#world.clock.nowMs + RETRY_MS;
    }
  }
}
