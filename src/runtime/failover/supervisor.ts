import { randomUUID } from 'node:crypto';
import { diagnose, type Diagnosis } from '../../failover/diagnosis.js';
import type { Plan } from '../../failover/plan.js';
import type { ClusterView } from '../../failover/view.js';
import type { Snapshot } from '../../topology/snapshot.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { EventLog } from '../event-log.js';
import type { MonitorAccount, PromoterLogin } from '../monitor-login.js';
import { Appointments } from './appointments.js';
import { ChangesByHand } from './changes-by-hand.js';
import { Conductor } from './conductor.js';
import { Decisions, type DecisionStep } from './decisions.js';
import { DiagnosisLog } from './diagnosis-log.js';
import type { HaNode } from './ha-node.js';
import type { HaIdentity } from './ha-session.js';
import { Housekeeping } from './housekeeping.js';
import { KnownPrimary } from './known-primary.js';
import { missingFor } from './missing.js';
import { objectionTo, whyNotLeading } from './objections.js';
import { Promotions, type PromotionEnd } from './promotions.js';
import { ReplicationAccounts } from './replication-account.js';
import type { FailoverSettings } from './settings.js';
import type { FailoverStatus, SupervisedCluster } from './supervised-cluster.js';
import { Turn } from './turn.js';
import { Upkeeper } from './upkeeper.js';
import { WatchedNodes } from './watched-nodes.js';

const OPEN_MS = 2_000;
const LOOK_MS = { primary: 250, replica: 500, urgent: 40 } as const;

const UPKEEP_MS = 1_000;

/** Looks after the primary: promotes a replica when it is dead, and takes it back when it returns. */
export class Supervisor {
  readonly #settings: FailoverSettings;
  readonly #coordinator: Coordinator;
  readonly #conductor: Conductor;
  readonly #cluster: SupervisedCluster;
  readonly #log: EventLog;
  /** This process, to servers. */
  readonly #id = randomUUID();
  readonly #nodes: WatchedNodes;
  readonly #primary: KnownPrimary;
  readonly #appointments: Appointments;
  readonly #accounts: ReplicationAccounts;
  readonly #promotions: Promotions;
  readonly #housekeeping: Housekeeping;
  readonly #byHand: ChangesByHand;
  readonly #decisions: Decisions;
  readonly #diagnoses: DiagnosisLog;
  /** What was written down meanwhile, by this proxy perhaps before its lease ran short, is acted on before anything else is done. */
  readonly #turn = new Turn(() => this.#coordinated());
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
    this.#cluster = cluster;
    this.#log = log;
    this.#nodes = new WatchedNodes(
      settings.preferences,
      login,
      nowMs,
      (it) => this.#looked(it),
      () => this.#identity,
    );
    this.#primary = new KnownPrimary(this.#nodes, nowMs, (node) => this.#conductor.attachedAtMs(node));
    this.#coordinator = coordinator(() => this.#primary.epoch);
    this.#appointments = new Appointments(cluster, this.#nodes, this.#primary, log);
    this.#diagnoses = new DiagnosisLog(log, nowMs);
    this.#decisions = new Decisions(settings.audit, log);
    const accounts = new ReplicationAccounts(settings.replication);
    this.#accounts = accounts;
    const stage = {
      node: (name: string) => this.#nodes.get(name),
      accounts: () => ({ own: account, replication: accounts.account }),
      appoint: async (serverUuid: string, left: string | undefined) =>
        this.#appointments.appoint(serverUuid, left, this.#coordinator.leadership?.epoch),
      hold: async (node: string, waitMs: number) => cluster.hold(node, waitMs),
      release: () => cluster.release(),
      noted: (step: DecisionStep) => this.#decisions.noted(step),
    };
    this.#conductor = new Conductor(this.#coordinator, settings, stage, log, nowMs);
    this.#promotions = new Promotions(settings, this.#conductor, this.#decisions, log, nowMs, async (node, why) =>
      this.#appointments.stuck(node, why),
    );
    const known = { nodes: this.#nodes, primary: this.#primary };
    this.#byHand = new ChangesByHand(settings, known, this.#coordinator, accounts, this.#promotions, this.#turn);
    this.#housekeeping = new Housekeeping(
      known,
      this.#coordinator,
      this.#conductor,
      new Upkeeper(this.#conductor, accounts, stage.node, settings.rebuilds, this.#decisions, log),
      this.#promotions,
      this.#decisions,
      this.#turn,
      () => cluster.leftAlone(),
      log,
    );
  }

  /** Before anything else. @throws Error where what it decides cannot be written down as it was asked to */
  async prepare(): Promise<void> {
    await this.#decisions.open();
  }

  /** Looks at all nodes once before it resolves. */
  async start(): Promise<void> {
    // Most have come already, while the nodes were looked at for the first time.
    this.topologyChanged(this.#cluster.snapshot());
    await this.#nodes.lookNow();
    this.#primary.noteJournals();
    const recorded = this.#nodes.recordedPrimary;
    if (recorded !== undefined) await this.#appointments.appoint(recorded.serverUuid);
    await this.#coordinator.start(() => this.#coordinated());
    await this.#keepUp();
    await this.#nodes.lookNow();
    const { leads, objection } = this.status;
    const doubts = objection === undefined ? [] : [`if the primary died now, nobody would be promoted: ${objection}`];
    for (const it of leads ? [...doubts, ...missingFor([...this.#nodes])] : []) this.#log.warn(it);
    this.#upkeepTimer = setInterval(() => void this.#keepUp(), UPKEEP_MS);
    for (const node of this.#nodes) node.schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#conductor.stop();
    clearInterval(this.#upkeepTimer);
    this.#nodes.stop();
    await this.#coordinator.stop();
    await this.#decisions.close();
  }

  get status(): FailoverStatus {
    const { kind, leadership, leader = '' } = this.#coordinator;
    const { view } = this.#primary;
    return {
      coordinator: kind,
      leads: leadership !== undefined && leadership.remainingMs() > 0,
      leader,
      epoch: Math.max(this.#primary.epoch, leadership?.epoch ?? 0),
      primary: view.primary?.name ?? '',
      diagnosis: diagnose(view).kind,
      objection: this.#objectionTo(view) ?? refusalOf(this.planFailover()),
      lastFailure: this.#promotions.lastFailure,
      decisions: this.#decisions.last,
    };
  }

  /** A client's connection to it failed. */
  connectionFailed(name: string): void {
    this.#nodes.get(name)?.hurry();
  }

  /** Nodes have come, or roles have changed. */
  topologyChanged(snapshot: Snapshot): void {
    if (this.#stopped) return;
    this.#nodes.follow(snapshot);
    const { primary } = snapshot;
    if (this.#turn.isTaken || primary === undefined || primary.serverUuid === this.#primary.uuid) return;
    this.#primary.wasMoved(primary.serverUuid);
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
    if (leadership !== undefined) {
      this.#nodes.openSessions(OPEN_MS);
      void this.#accounts.ask(this.#nodes);
    }
    if (!this.#turn.isTaken) this.#appointments.followRecord(record);
  }

  #looked(node: HaNode): void {
    this.#primary.noteJournals();
    if (node.hasRestarted) this.#conductor.frozen.add(node.address.name);
    if (!this.#turn.isTaken) {
      this.#appointments.followJournal();
      this.#consider(node);
    } else if (this.#turn.givesWay) this.#giveWay(node);
    const isPrimary = node.state?.serverUuid === this.#primary.uuid;
    const isUrgent = this.#primary.node?.failingSinceMs !== undefined;
    node.schedule(isUrgent ? LOOK_MS.urgent : isPrimary ? LOOK_MS.primary : LOOK_MS.replica);
  }

  #consider(looked: HaNode): void {
    const { node: primary } = this.#primary;
    if (primary === undefined) return;
    const { failingSinceMs } = primary;
    if (failingSinceMs === undefined) {
      this.#noteHealthy();
    } else {
      if (looked === primary) this.#hurryOthers(primary);
      // What the others said before says nothing of this; nor what they said before they were told something.
      const haveAll = [...this.#nodes].every(
        (it) =>
          it === primary || it.lookedFromMs >= Math.max(failingSinceMs, this.#conductor.doneAtMs(it.address.name)),
      );
      if (!haveAll) return;
    }
    const { view } = this.#primary;
    const diagnosis = diagnose(view);
    this.#diagnoses.note(diagnosis);
    const { kind } = diagnosis;
    if (kind === 'refuses-here' || kind === 'suspect') void this.#housekeeping.askAnew(view, kind);
    else if (kind === 'dead') void this.#failOver(view, diagnosis);
  }

  #hurryOthers(primary: HaNode): void {
    for (const node of this.#nodes) if (node !== primary) node.hurry();
  }

  #noteHealthy(): void {
    const { primary, others } = this.#primary.view;
    if (primary === undefined || primary.readOnly) return;
    this.#primary.isWell(primary, others);
    this.#housekeeping.primaryIsWell();
    this.#promotions.primaryIsWell();
    // Who stops one from now on wants it stopped.
    for (const { name, replica } of others) if (replica?.receiver === 'on') this.#conductor.frozen.delete(name);
  }

  /** A failover begins at once, whatever else is done. */
  #giveWay(looked: HaNode): void {
    const { node: primary } = this.#primary;
    const sinceMs = primary?.failingSinceMs;
    if (primary?.state === undefined || sinceMs === undefined) return;
    if (looked === primary) this.#hurryOthers(primary);
    const { view } = this.#primary;
    const isOutdated = [...this.#nodes].some((it) => it !== primary && it.lookedFromMs < sinceMs);
    if (isOutdated || diagnose(view).kind !== 'dead' || this.#objectionTo(view) !== undefined) return;
    this.#housekeeping.giveWay();
  }

  async #keepUp(): Promise<void> {
    if (!this.#stopped) await this.#housekeeping.keepUp();
  }

  #objectionTo(view: ClusterView): string | undefined {
    return objectionTo(view, {
      settings: this.#settings,
      coordinator: this.#coordinator,
      nodes: this.#nodes,
      primary: this.#primary,
      promotions: this.#promotions,
      leftAlone: this.#cluster.leftAlone(),
    });
  }

  async #failOver(view: ClusterView, { why }: Diagnosis): Promise<void> {
    const { primary } = view;
    if (primary === undefined || this.#turn.isTaken || this.#promotions.rests) return;
    const { leadership } = this.#coordinator;
    const objection = this.#objectionTo(view);
    if (leadership === undefined || objection !== undefined) {
      if (this.#promotions.failed(`no failover from ${primary.name} (${why}): ${objection}`)) {
        const basis = { kind: 'refused', epoch: leadership?.epoch, why, diagnosis: 'dead', view } as const;
        this.#decisions.add(basis, [], objection ?? whyNotLeading(this.#coordinator));
      }
      return;
    }
    const { ackers } = this.#primary;
    await this.#turn.during(async () => this.#promotions.failOver(view, primary, why, ackers, leadership));
  }

  async failOverByHand(): Promise<PromotionEnd> {
    return this.#byHand.failOver();
  }

  async switchOver(to: string, force: boolean): Promise<PromotionEnd> {
    return this.#byHand.switchOver(to, force);
  }

  planFailover(): Plan {
    return this.#byHand.planFailover();
  }

  async planSwitchover(to: string, force: boolean): Promise<Plan> {
    return this.#byHand.planSwitchover(to, force);
  }
}

function refusalOf(plan: Plan): string | undefined {
  return plan.kind === 'refused' ? plan.reasons.join('; ') : undefined;
}
