import { randomUUID } from 'node:crypto';
import { diagnose, type Diagnosis, type DiagnosisKind } from '../../failover/diagnosis.js';
import { planFailover, planSwitchover, type Plan } from '../../failover/plan.js';
import type { SwitchoverSettings } from '../../failover/switchover-check.js';
import { askAnewOf, journalTask } from '../../failover/upkeep.js';
import { follows, type ClusterView, type NodeState } from '../../failover/view.js';
import { GtidSet } from '../../topology/gtid-set.js';
import type { NodeAddress, Snapshot } from '../../topology/snapshot.js';
import type { Coordinator, Leadership, PrimaryRecord } from '../coordinator/coordinator.js';
import type { EventLog } from '../event-log.js';
import type { MonitorAccount, PromoterLogin } from '../monitor-login.js';
import { Conductor } from './conductor.js';
import { Decisions, type Decision, type DecisionStep } from './decisions.js';
import { HaNode } from './ha-node.js';
import type { HaIdentity } from './ha-session.js';
import { missingFor } from './missing.js';
import { Promotions, RETRY_MS, type PromotionEnd } from './promotions.js';
import { ReplicationAccounts } from './replication-account.js';
import type { FailoverSettings } from './settings.js';
import { Upkeeper } from './upkeeper.js';

const OPEN_MS = 2_000;
/** How often nodes are asked before a switchover takes it that they do not answer. */
const LOOKS = 10;
const LOOK_MS = { primary: 250, replica: 500, urgent: 40 } as const;
/** A diagnosis that lasts for less is not worth a line in the log. */
const WORTH_TELLING_MS = 1_000;

const BUSY = 'the cluster is being changed already; say it again in a moment';
const SWITCHOVER = { maxLagTransactions: 10_000, catchUpTimeoutMs: 30_000, holdTimeoutMs: 3_000 } as const;
const UPKEEP_MS = 1_000;

/** The proxy's view of the cluster, which follows what a failover decides. */
export interface SupervisedCluster {
  snapshot(): Snapshot;
  /**
   * From now on this server, and no other one, is the primary while it takes writes. Resolves when it was looked at.
   * @param left the old primary, where it has not come to its end: what runs there does not end by itself
   */
  appoint(serverUuid: string, left: string | undefined): Promise<void>;
  /** It was opened, with these transactions: what another one has acknowledged beyond them is lost. */
  opened(serverUuid: string, gtids: GtidSet): void;
  /** By command nothing is done with these. */
  leftAlone(): ReadonlySet<string>;
  /** New statements for the primary wait. @returns how many sessions have not come to an end there in the time they had */
  hold(node: string, waitMs: number): Promise<number>;
  /** What waits goes on. */
  release(): void;
}

/** For those who watch. */
export interface FailoverStatus {
  readonly coordinator: Coordinator['kind'];
  readonly leads: boolean;
  /** As it calls itself; '' while nobody is known to lead. */
  readonly leader: string;
  /** The largest that is known of. */
  readonly epoch: number;
  readonly primary: string;
  readonly diagnosis: DiagnosisKind;
  /** Why nobody would be promoted here if the primary died now. */
  readonly objection: string | undefined;
  /** Why the last attempt came to nothing; '' for none since the primary was well. */
  readonly lastFailure: string;
  /** The last ones, the oldest first. */
  readonly decisions: readonly Decision[];
}

/** Looks after the primary: promotes a replica when it is dead, and takes it back when it returns. */
export class Supervisor {
  readonly #settings: FailoverSettings;
  readonly #login: PromoterLogin;
  readonly #coordinator: Coordinator;
  readonly #conductor: Conductor;
  readonly #cluster: SupervisedCluster;
  readonly #log: EventLog;
  readonly #nowMs: () => number;
  /** This process, to servers. */
  readonly #id = randomUUID();
  readonly #nodes = new Map<string, HaNode>();
  readonly #upkeeper: Upkeeper;
  readonly #accounts: ReplicationAccounts;
  readonly #promotions: Promotions;
  readonly #decisions: Decisions;
  /** Who is the primary, by the last failover, the journal or what the servers say. */
  #primaryUuid: string | undefined;
  /** Of the leader that made the primary what it is. */
  #servingEpoch = 0;
  /** As it was acted on last. */
  #record: PrimaryRecord | undefined;
  /** The largest epoch of any journal. */
  #epoch = 0;
  #ackers: readonly NodeState[] = [];
  #acknowledgements = 0;
  readonly #formerPrimaries = new Set<string>();
  #diagnosis: { readonly kind: DiagnosisKind; readonly sinceMs: number; told: boolean } | undefined;
  /** When the primary was seen to take writes last. */
  #wroteAtMs: number | undefined;
  #busy = false;
  /** What it is busy with waits for nobody, and a failover does not wait for it. */
  #givesWay = false;
  #askedAnew = false;
  #upkeepTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    settings: FailoverSettings,
    account: MonitorAccount,
    login: PromoterLogin,
    coordinator: (lastEpoch: () => number) => Coordinator,
    cluster: SupervisedCluster,
    log: EventLog,
    nowMs: () => number,
  ) {
    this.#settings = settings;
    this.#login = login;
    this.#coordinator = coordinator(() => this.#epoch);
    this.#cluster = cluster;
    this.#log = log;
    this.#nowMs = nowMs;
    this.#decisions = new Decisions(settings.audit, log);
    const accounts = new ReplicationAccounts(settings.replication);
    this.#accounts = accounts;
    const stage = {
      node: (name: string) => this.#nodes.get(name),
      accounts: () => ({ own: account, replication: accounts.account }),
      appoint: async (serverUuid: string, left: string | undefined) =>
        this.#appoint(serverUuid, left, this.#coordinator.leadership?.epoch),
      hold: async (node: string, waitMs: number) => cluster.hold(node, waitMs),
      release: () => cluster.release(),
      noted: (step: DecisionStep) => this.#decisions.noted(step),
    };
    this.#conductor = new Conductor(this.#coordinator, settings, stage, log, nowMs);
    this.#promotions = new Promotions(settings, this.#conductor, this.#decisions, log, nowMs, async (node, why) =>
      this.#stuck(node, why),
    );
    this.#upkeeper = new Upkeeper(this.#conductor, accounts, stage.node, settings.rebuilds, this.#decisions, log);
  }

  /** Before anything else. @throws Error where what it decides cannot be written down as it was asked to */
  async prepare(): Promise<void> {
    await this.#decisions.open();
  }

  /** Looks at all nodes once before it resolves. */
  async start(): Promise<void> {
    // Most have come already, while the nodes were looked at for the first time.
    this.topologyChanged(this.#cluster.snapshot());
    await Promise.all([...this.#nodes.values()].map(async (node) => node.lookNow()));
    this.#noteJournal();
    const recorded = this.#recordedPrimary();
    if (recorded !== undefined) await this.#appoint(recorded.serverUuid);
    await this.#coordinator.start(() => this.#coordinated());
    await this.#keepUp();
    await Promise.all([...this.#nodes.values()].map(async (node) => node.lookNow()));
    const { leads, objection } = this.status;
    if (leads && objection !== undefined)
      this.#log.warn(`if the primary died now, nobody would be promoted: ${objection}`);
    for (const it of leads ? missingFor([...this.#nodes.values()]) : []) this.#log.warn(it);
    this.#upkeepTimer = setInterval(() => void this.#keepUp(), UPKEEP_MS);
    for (const node of this.#nodes.values()) node.schedule(0);
  }

  get status(): FailoverStatus {
    const { kind, leadership, leader = '' } = this.#coordinator;
    const view = this.#view;
    const { primary } = view;
    return {
      coordinator: kind,
      leads: leadership !== undefined && leadership.remainingMs() > 0,
      leader,
      epoch: Math.max(this.#epoch, leadership?.epoch ?? 0),
      primary: primary?.name ?? '',
      diagnosis: diagnose(view).kind,
      objection: this.#whyNot(view, leadership),
      lastFailure: this.#promotions.lastFailure,
      decisions: this.#decisions.last,
    };
  }

  /** Why nobody would be promoted here if the primary died now; undefined where somebody would. */
  #whyNot({ primary }: ClusterView, leadership: Leadership | undefined): string | undefined {
    if (primary === undefined) return 'no primary is known';
    const objection = this.#objection(leadership, primary);
    if (objection !== undefined) return objection;
    const plan = this.planFailover();
    return plan.kind === 'refused' ? plan.reasons.join('; ') : undefined;
  }

  /** By the servers' journals; undefined where they name nobody who is there, or somebody has moved it since. */
  #recordedPrimary(): NodeState | undefined {
    const nodes = [...this.#nodes.values()];
    // Each journal begins with its last row.
    const [last] = nodes.flatMap(({ journal }) => journal).toSorted((a, b) => b.epoch - a.epoch || b.change - a.change);
    const recorded = this.#stateOf(last?.serverUuid);
    if (last === undefined || recorded?.readOnly === false) return recorded;
    // One that takes writes, and has that row, came after it. One without it is a primary of long ago.
    const knows = ({ journal: [row] }: HaNode): boolean => row?.epoch === last.epoch && row.change === last.change;
    const isMoved = nodes.some((it) => it.state?.readOnly === false && knows(it));
    return isMoved ? undefined : recorded;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#conductor.stop();
    clearInterval(this.#upkeepTimer);
    for (const node of this.#nodes.values()) node.stop();
    await this.#coordinator.stop();
    await this.#decisions.close();
  }

  /** A client's connection to it failed. */
  connectionFailed(name: string): void {
    this.#nodes.get(name)?.hurry();
  }

  /** Nodes have come, or roles have changed. */
  topologyChanged({ nodes, primary }: Snapshot): void {
    if (this.#stopped) return;
    for (const { address } of nodes) if (!this.#nodes.has(address.name)) this.#add(address).schedule(0);
    for (const [name, node] of this.#nodes) {
      if (nodes.some(({ address }) => address.name === name)) continue;
      node.stop();
      this.#nodes.delete(name);
    }
    if (this.#busy || primary === undefined || primary.serverUuid === this.#primaryUuid) return;
    // Somebody else has moved it.
    this.#primaryUuid = primary.serverUuid;
    this.#wroteAtMs = undefined;
  }

  #add(address: NodeAddress): HaNode {
    const preference = this.#settings.preferences.get(address.name) ?? 'neutral';
    const node = new HaNode(
      address,
      preference,
      this.#login,
      this.#nowMs,
      (it) => this.#looked(it),
      () => this.#identity,
    );
    this.#nodes.set(address.name, node);
    return node;
  }

  /** Alone there is no other leader; else servers are to tell ours from an earlier one. */
  get #identity(): HaIdentity {
    const { kind, leadership } = this.#coordinator;
    if (kind === 'alone') return 'alone';
    if (leadership === undefined) return 'deposed';
    return { cluster: this.#settings.cluster, epoch: leadership.epoch, id: this.#id };
  }

  #coordinated(): void {
    const { record, leadership } = this.#coordinator;
    if (leadership !== undefined) this.#openSessions();
    if (record === undefined || this.#busy || record === this.#record) return;
    this.#record = record;
    const old = this.#primaryNode();
    const left = old?.failingSinceMs === undefined ? undefined : old.address.name;
    if (record.serverUuid !== this.#primaryUuid) void this.#appoint(record.serverUuid, left, record.epoch);
    else this.#servingEpoch = Math.max(this.#servingEpoch, record.epoch);
    // It was to be opened, and has been: there is no need to wait for the next look.
    if (record.phase !== 'primary') return;
    this.#cluster.opened(record.serverUuid, GtidSet.parse(record.gtid) ?? GtidSet.EMPTY);
    void this.#cluster.appoint(record.serverUuid, undefined);
  }

  /** What was written down meanwhile, by this proxy perhaps before its lease ran short, is acted on before anything else is done. */
  #rest(): void {
    this.#busy = false;
    this.#coordinated();
  }

  /** Before they are needed: there is no time for it then. Whose node does not answer is dialled when it does. */
  #openSessions(): void {
    for (const { tasks } of this.#nodes.values()) tasks.open(OPEN_MS).catch(() => {});
    void this.#accounts.ask(this.#nodes.values());
  }

  /** A leader that this proxy does not hear of, cut off from the coordinator perhaps, has made another node the primary: its journal says so. */
  #followJournal(): void {
    const [last] = [...this.#nodes.values()]
      .flatMap(({ journal }) => journal)
      .toSorted((a, b) => b.epoch - a.epoch || b.change - a.change);
    if (last === undefined || last.epoch <= this.#servingEpoch || last.serverUuid === this.#primaryUuid) return;
    const state = this.#stateOf(last.serverUuid);
    if (state?.reach !== 'answers' || state.readOnly) return;
    const old = this.#primaryNode();
    const left = old?.failingSinceMs === undefined ? undefined : old.address.name;
    this.#log.warn({ epoch: last.epoch }, `another leader has made ${last.node} the primary`);
    void this.#appoint(last.serverUuid, left, last.epoch);
  }

  async #appoint(serverUuid: string, left?: string, epoch = this.#epoch): Promise<void> {
    this.#servingEpoch = Math.max(this.#servingEpoch, epoch);
    if (this.#primaryUuid !== undefined) this.#formerPrimaries.add(this.#primaryUuid);
    this.#primaryUuid = serverUuid;
    this.#wroteAtMs = undefined;
    await this.#cluster.appoint(serverUuid, left);
  }

  #stateOf(serverUuid: string | undefined): NodeState | undefined {
    return [...this.#nodes.values()].map(({ state }) => state).find((it) => it?.serverUuid === serverUuid);
  }

  get #view(): ClusterView {
    const states = [...this.#nodes.values()].flatMap(({ state }) => state ?? []);
    const primary = states.find(({ serverUuid }) => serverUuid === this.#primaryUuid);
    return { nowMs: this.#nowMs(), primary, others: states.filter((it) => it !== primary) };
  }

  #primaryNode(): HaNode | undefined {
    return [...this.#nodes.values()].find(({ state }) => state?.serverUuid === this.#primaryUuid);
  }

  #looked(node: HaNode): void {
    this.#noteJournal();
    if (node.hasRestarted) this.#conductor.frozen.add(node.address.name);
    if (!this.#busy) {
      this.#followJournal();
      this.#consider(node);
    } else if (this.#givesWay) this.#giveWay(node);
    const isPrimary = node.state?.serverUuid === this.#primaryUuid;
    const primary = this.#primaryNode();
    const isUrgent = primary?.failingSinceMs !== undefined;
    node.schedule(isUrgent ? LOOK_MS.urgent : isPrimary ? LOOK_MS.primary : LOOK_MS.replica);
  }

  #noteJournal(): void {
    for (const { journal } of this.#nodes.values()) {
      for (const { epoch, serverUuid } of journal) {
        this.#epoch = Math.max(this.#epoch, epoch);
        this.#formerPrimaries.add(serverUuid);
      }
    }
  }

  #consider(looked: HaNode): void {
    const primary = this.#primaryNode();
    if (primary === undefined) return;
    const { failingSinceMs } = primary;
    if (failingSinceMs === undefined) {
      this.#noteHealthy();
    } else {
      if (looked === primary) for (const node of this.#nodes.values()) if (node !== primary) node.hurry();
      // What the others said before says nothing of this; nor what they said before they were told something.
      const haveAll = [...this.#nodes.values()].every(
        (it) =>
          it === primary || it.lookedFromMs >= Math.max(failingSinceMs, this.#conductor.doneAtMs(it.address.name)),
      );
      if (!haveAll) return;
    }
    const view = this.#view;
    const diagnosis = diagnose(view);
    this.#note(diagnosis);
    if (diagnosis.kind === 'refuses-here' || diagnosis.kind === 'suspect') void this.#askAnew(view, diagnosis.kind);
    else if (diagnosis.kind === 'dead') void this.#failOver(view, diagnosis);
  }

  /** A failover begins at once: what upkeep is at is given up, and the nodes are looked at anew before anything is decided. */
  #giveWay(looked: HaNode): void {
    const primary = this.#primaryNode();
    const sinceMs = primary?.failingSinceMs;
    if (primary?.state === undefined || sinceMs === undefined) return;
    const others = [...this.#nodes.values()].filter((it) => it !== primary);
    if (looked === primary) for (const node of others) node.hurry();
    if (others.some((it) => it.lookedFromMs < sinceMs) || diagnose(this.#view).kind !== 'dead') return;
    if (this.#objection(this.#coordinator.leadership, primary.state) !== undefined) return;
    this.#givesWay = false;
    this.#log.warn('what was being done for the cluster is given up: the primary is dead');
    this.#conductor.giveUp();
  }

  #noteHealthy(): void {
    const { primary, others } = this.#view;
    if (primary === undefined || primary.readOnly) return;
    this.#wroteAtMs = primary.seenAtMs;
    this.#askedAnew = false;
    this.#promotions.primaryIsWell();
    this.#ackers = others.filter(
      (it) =>
        it.reach === 'answers' &&
        follows(it, primary) &&
        it.replica?.receiver === 'on' &&
        it.semiSync?.replicaEnabled === true,
    );
    // Who stops one from now on wants it stopped.
    for (const { name, replica } of others) if (replica?.receiver === 'on') this.#conductor.frozen.delete(name);
    if (primary.semiSync?.sourceEnabled === true) this.#acknowledgements = primary.semiSync.acknowledgements;
  }

  #note({ kind, why }: Diagnosis): void {
    const nowMs = this.#nowMs();
    if (this.#diagnosis?.kind !== kind) {
      if (this.#diagnosis?.told === true && kind === 'healthy') this.#log.info('the primary is well again');
      this.#diagnosis = { kind, sinceMs: nowMs, told: false };
    }
    if (this.#diagnosis.told || kind === 'healthy' || nowMs - this.#diagnosis.sinceMs < WORTH_TELLING_MS) return;
    this.#diagnosis.told = true;
    this.#log.warn({ diagnosis: kind }, why);
  }

  /** What stands in the way of a failover by itself; undefined where nothing does. */
  #objection(leadership: Leadership | undefined, primary: NodeState): string | undefined {
    if (leadership === undefined) {
      return this.#coordinator.problem ?? `this proxy does not lead (coordinator: ${this.#coordinator.kind})`;
    }
    if (this.#wroteAtMs === undefined) return `${primary.name} was never seen to take writes by this proxy`;
    const unseen = [...this.#nodes.values()]
      .filter(({ state }) => state === undefined)
      .map(({ address }) => address.name);
    if (unseen.length > 0 && this.#settings.policy === 'lossless') {
      return `${unseen.join(' and ')} never answered, and may have what was acknowledged; RWSPLIT FAILOVER goes on without`;
    }
    if (!this.#isJournaled) return `the journal of primaries on ${primary.name} does not name it yet`;
    if (this.#cluster.leftAlone().has(primary.name)) return `${primary.name} is in maintenance`;
    const sinceMs = this.#promotions.sinceFailoverMs;
    if (sinceMs < this.#settings.pauseMs) {
      const s = Math.ceil((this.#settings.pauseMs - sinceMs) / 1000);
      return `the last failover was ${Math.round(sinceMs / 1000)} s ago; there is no other one by itself for ${s} s`;
    }
    return undefined;
  }

  async #failOver(view: ClusterView, { why }: Diagnosis): Promise<void> {
    const { primary } = view;
    if (primary === undefined || this.#busy || this.#promotions.rests) return;
    const { leadership } = this.#coordinator;
    const objection = this.#objection(leadership, primary);
    if (leadership === undefined || objection !== undefined) {
      if (this.#promotions.failed(`no failover from ${primary.name} (${why}): ${objection}`)) {
        const basis = { kind: 'refused', epoch: leadership?.epoch, why, diagnosis: 'dead', view } as const;
        this.#decisions.add(basis, [], objection ?? this.#whyNotLeading);
      }
      return;
    }
    await this.#failOverNow(view, primary, why, leadership);
  }

  /** By an operator's word, whatever was before: only that the primary does not answer is still asked for. */
  async failOverByHand(): Promise<PromotionEnd> {
    const { leadership } = this.#coordinator;
    if (leadership === undefined) return { kind: 'failed', why: this.#whyNotLeading };
    if (this.#busy) return { kind: 'failed', why: BUSY };
    const view = this.#view;
    const { primary } = view;
    if (primary === undefined) return { kind: 'failed', why: 'no primary is known that could be replaced' };
    if (primary.reach === 'answers') {
      return { kind: 'failed', why: `${primary.name} answers: say RWSPLIT SWITCHOVER TO 'NODE', which loses nothing` };
    }
    return this.#failOverNow(view, primary, `asked for by hand; ${diagnose(view).why}`, leadership);
  }

  async #failOverNow(
    view: ClusterView,
    primary: NodeState,
    why: string,
    leadership: Leadership,
  ): Promise<PromotionEnd> {
    this.#busy = true;
    try {
      return await this.#promotions.failOver(view, primary, why, this.#ackers, leadership);
    } finally {
      this.#rest();
    }
  }

  get #whyNotLeading(): string {
    const { problem, leader } = this.#coordinator;
    return problem ?? `another proxy leads${leader === undefined ? '' : `: ${leader}`}; say it there`;
  }

  /** Nobody else may be the primary until it has answered. */
  async #stuck(name: string, why: string): Promise<void> {
    this.#log.error(`it is not known whether ${name} takes writes (${why}): until it answers, nobody is the primary`);
    const serverUuid = this.#nodes.get(name)?.state?.serverUuid;
    if (serverUuid !== undefined) await this.#appoint(serverUuid);
  }

  /** What a failover would do now, as if the primary were dead. */
  planFailover(): Plan {
    const { policy, drainTimeoutMs } = this.#settings;
    return planFailover(this.#view, this.#ackers, { policy, drainTimeoutMs, epoch: this.#epoch + 1 });
  }

  async planSwitchover(to: string, force: boolean): Promise<Plan> {
    return planSwitchover(await this.#lookAtAll(to), to, this.#switchoverSettings(this.#epoch + 1, force));
  }

  /** What the nodes say now. A busy server may miss the short time that it has for an answer: there is time for another one. */
  async #lookAtAll(to: string): Promise<ClusterView> {
    for (let looks = 1; ; looks++) {
      await Promise.all([...this.#nodes.values()].map(async (node) => node.lookNow()));
      const view = this.#view;
      const asked = [view.primary, view.others.find(({ name }) => name === to)];
      if (looks >= LOOKS || asked.every((it) => it === undefined || it.reach === 'answers')) return view;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS.primary));
    }
  }

  /** Makes another node the primary, without an error for any client; or leaves everything as it was. @param force ends transactions that do not end by themselves */
  async switchOver(to: string, force: boolean): Promise<PromotionEnd> {
    const { leadership } = this.#coordinator;
    if (leadership === undefined) {
      return { kind: 'failed', why: this.#whyNotLeading };
    }
    if (this.#busy) return { kind: 'failed', why: BUSY };
    this.#busy = true;
    try {
      const view = await this.#lookAtAll(to);
      await this.#accounts.ask(this.#nodes.values());
      const settings = this.#switchoverSettings(leadership.epoch, force);
      return await this.#promotions.switchOver(view, to, settings, leadership);
    } finally {
      this.#rest();
      for (const node of this.#nodes.values()) node.hurry();
    }
  }

  #switchoverSettings(epoch: number, force: boolean): SwitchoverSettings {
    return {
      policy: this.#settings.policy,
      epoch,
      ...SWITCHOVER,
      drainTimeoutMs: this.#settings.drainTimeoutMs,
      stragglers: force ? 'kill' : 'abort',
    };
  }

  /** Replicas are asked for a better answer: to connect anew, once for each time that the primary goes down; or to start, where they stand still. */
  async #askAnew(view: ClusterView, diagnosis: DiagnosisKind): Promise<void> {
    const { leadership } = this.#coordinator;
    if (leadership === undefined || this.#busy || (diagnosis === 'refuses-here' && this.#askedAnew)) return;
    const tasks = askAnewOf(view, diagnosis);
    if (tasks.length === 0 || this.#promotions.rests) return;
    this.#askedAnew = true;
    this.#busy = true;
    this.#givesWay = true;
    this.#decisions.begin({ kind: 'ask-anew', epoch: leadership.epoch, why: diagnose(view).why, diagnosis, view });
    await Promise.all(tasks.map(async (task) => this.#conductor.run(task, leadership)));
    this.#decisions.end('');
    this.#givesWay = false;
    this.#rest();
    if (diagnosis === 'suspect') this.#promotions.rest(RETRY_MS);
    for (const node of this.#nodes.values()) node.hurry();
  }

  async #keepUp(): Promise<void> {
    const { leadership } = this.#coordinator;
    const node = this.#primaryNode();
    if (leadership === undefined || this.#busy || this.#stopped || node?.failingSinceMs !== undefined) return;
    const view = this.#view;
    const { primary } = view;
    if (primary === undefined || node === undefined || this.#changedSinceLooked().includes(node.address.name)) return;
    this.#busy = true;
    this.#givesWay = true;
    const diagnosis = diagnose(view).kind;
    this.#decisions.begin({
      kind: 'upkeep',
      epoch: leadership.epoch,
      why: 'the cluster is to be whole',
      diagnosis,
      view,
    });
    try {
      // A row more would wait with those that wait.
      const waits = (primary.semiSync?.waiting ?? 0) > 0;
      if (!primary.readOnly && !waits && !this.#isJournaled) {
        // So that a proxy that starts after a failover knows who is the primary, however many take writes by then.
        await this.#conductor.run(journalTask(primary, leadership.epoch), leadership);
        await node.lookNow();
      }
      const isChanged = await this.#upkeeper.keepUp(this.#view, leadership, {
        formerPrimaries: new Set([...this.#formerPrimaries].filter((uuid) => uuid !== primary.serverUuid)),
        promoting: this.#promoting(primary),
        acknowledgements: this.#acknowledgements,
        primaryRestarted: node.isAsStarted,
        leftAlone: new Set([...this.#cluster.leftAlone(), ...this.#changedSinceLooked()]),
      });
      if (isChanged) for (const it of this.#nodes.values()) it.hurry();
    } finally {
      this.#decisions.end('');
      // What was given up has told nobody what the nodes are in.
      if (!this.#givesWay) for (const it of this.#nodes.values()) it.hurry();
      this.#givesWay = false;
      this.#rest();
    }
  }

  /** What these said last is from before something was done there: who takes a replica for none would have it drop what it has acknowledged. */
  #changedSinceLooked(): string[] {
    const isOutdated = (it: HaNode): boolean => it.lookedFromMs < this.#conductor.doneAtMs(it.address.name);
    return [...this.#nodes.values()].filter((it) => isOutdated(it)).map(({ address }) => address.name);
  }

  /** The record says that it is to be opened: who wrote that may not have come to do it. */
  #promoting(primary: NodeState): { readonly gtids: GtidSet; readonly epoch: number } | undefined {
    const { record, leadership } = this.#coordinator;
    if (record?.phase !== 'promoting' || record.serverUuid !== primary.serverUuid || leadership === undefined) {
      return undefined;
    }
    return { gtids: GtidSet.parse(record.gtid) ?? GtidSet.EMPTY, epoch: leadership.epoch };
  }

  get #isJournaled(): boolean {
    return this.#primaryUuid !== undefined && this.#primaryNode()?.journal[0]?.serverUuid === this.#primaryUuid;
  }
}
