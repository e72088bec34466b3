import { diagnose, type Diagnosis, type DiagnosisKind } from '../../failover/diagnosis.js';
import { beginFailover, stepFailover, type FailoverAction, type FailoverEvent } from '../../failover/failover.js';
import type { Task, TaskEnd } from '../../failover/task.js';
import { askAnewTask, journalTask, rebuildTask, upkeepOf } from '../../failover/upkeep.js';
import { follows, type ClusterView, type NodeState } from '../../failover/view.js';
import type { FailoverStatements } from '../../flavour/failover-statements.js';
import type { NodeAddress, Snapshot } from '../../topology/snapshot.js';
import type { Coordinator, Leadership } from '../coordinator/coordinator.js';
import type { Log } from '../log.js';
import type { MonitorAccount, MonitorLogin } from '../monitor-login.js';
import { drive } from './drive.js';
import { executeTask } from './execute-task.js';
import { HaNode } from './ha-node.js';
import { ReplicationAccounts } from './replication-account.js';
import type { FailoverSettings } from './settings.js';

const LOOK_MS = { primary: 250, replica: 500, urgent: 40 } as const;
const STATEMENT_MS = 1_000;
/** A diagnosis that lasts for less is not worth a line in the log. */
const WORTH_TELLING_MS = 1_000;
const RETRY_MS = 1_000;
const UPKEEP_MS = 1_000;

/** The proxy's view of the cluster, which follows what a failover decides. */
export interface SupervisedCluster {
  snapshot(): Snapshot;
  /**
   * From now on this server, and no other one, is the primary while it takes writes. Resolves when it was looked at.
   * @param left the old primary, where it has not come to its end: what runs there does not end by itself
   */
  appoint(serverUuid: string, left: string | undefined): Promise<void>;
  /** By command nothing is done with these. */
  leftAlone(): ReadonlySet<string>;
}

/** Looks after the primary: promotes a replica when it is dead, and takes it back when it returns. */
export class Supervisor {
  readonly #settings: FailoverSettings;
  readonly #own: MonitorAccount;
  readonly #login: MonitorLogin;
  readonly #coordinator: Coordinator;
  readonly #statements: FailoverStatements;
  readonly #cluster: SupervisedCluster;
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #nodes = new Map<string, HaNode>();
  readonly #accounts: ReplicationAccounts;
  /** Who is the primary, by the last failover, the journal or what the servers say. */
  #primaryUuid: string | undefined;
  /** The largest epoch of any journal. */
  #epoch = 0;
  #ackers: readonly NodeState[] = [];
  #acknowledgements = 0;
  readonly #formerPrimaries = new Set<string>();
  readonly #frozen = new Set<string>();
  /** What is being copied takes as long as it takes. */
  readonly #rebuilding = new Set<string>();
  /** Errant nodes that have been told of, with what they have. */
  readonly #told = new Map<string, string>();
  #diagnosis: { readonly kind: DiagnosisKind; readonly sinceMs: number; told: boolean } | undefined;
  /** When the primary was seen to take writes last. */
  #wroteAtMs: number | undefined;
  #busy = false;
  #notBeforeMs = 0;
  #askedAnew = false;
  #lastFailure = '';
  #lastFailoverMs = -Infinity;
  #upkeepTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    settings: FailoverSettings,
    account: MonitorAccount,
    login: MonitorLogin,
    coordinator: (lastEpoch: () => number) => Coordinator,
    statements: FailoverStatements,
    cluster: SupervisedCluster,
    log: Log,
    nowMs: () => number,
  ) {
    this.#settings = settings;
    this.#own = account;
    this.#login = login;
    this.#coordinator = coordinator(() => this.#epoch);
    this.#statements = statements;
    this.#cluster = cluster;
    this.#log = log;
    this.#nowMs = nowMs;
    this.#accounts = new ReplicationAccounts(settings.replication);
  }

  /** Looks at all nodes once before it resolves. */
  async start(): Promise<void> {
    for (const { address } of this.#cluster.snapshot().nodes) this.#add(address);
    await Promise.all([...this.#nodes.values()].map(async (node) => node.lookNow()));
    const journals = [...this.#nodes.values()].flatMap(({ journal }) => journal);
    this.#noteJournal();
    const [last] = journals.toSorted((a, b) => b.epoch - a.epoch);
    const isThere = (uuid: string): boolean => this.#stateOf(uuid) !== undefined;
    if (last !== undefined && isThere(last.serverUuid)) await this.#appoint(last.serverUuid);
    await this.#coordinator.start(() => this.#coordinated());
    await this.#keepUp();
    this.#upkeepTimer = setInterval(() => void this.#keepUp(), UPKEEP_MS);
    for (const node of this.#nodes.values()) node.schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#upkeepTimer);
    for (const node of this.#nodes.values()) node.stop();
    await this.#coordinator.stop();
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
    const node = new HaNode(address, preference, this.#login, this.#nowMs, (it) => this.#looked(it));
    this.#nodes.set(address.name, node);
    return node;
  }

  #coordinated(): void {
    const { record } = this.#coordinator;
    if (record === undefined || this.#busy || record.serverUuid === this.#primaryUuid) return;
    void this.#appoint(record.serverUuid);
  }

  async #appoint(serverUuid: string, left?: string): Promise<void> {
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
    if (!this.#busy) this.#consider(node);
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
      // What the others said before says nothing of this.
      const haveAll = [...this.#nodes.values()].every((it) => it === primary || it.lookedFromMs >= failingSinceMs);
      if (!haveAll) return;
    }
    const view = this.#view;
    const diagnosis = diagnose(view);
    this.#note(diagnosis);
    if (diagnosis.kind === 'refuses-here') void this.#askAnew(view);
    else if (diagnosis.kind === 'dead') void this.#failOver(view, diagnosis);
  }

  #noteHealthy(): void {
    const { primary, others } = this.#view;
    if (primary === undefined || primary.readOnly) return;
    this.#wroteAtMs = primary.seenAtMs;
    this.#askedAnew = false;
    this.#lastFailure = '';
    this.#ackers = others.filter(
      (it) =>
        it.reach === 'answers' &&
        follows(it, primary) &&
        it.replica?.receiver === 'on' &&
        it.semiSync?.replicaEnabled === true,
    );
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
    if (this.#cluster.leftAlone().has(primary.name)) return `${primary.name} is in maintenance`;
    const sinceMs = this.#nowMs() - this.#lastFailoverMs;
    if (sinceMs < this.#settings.pauseMs) {
      const s = Math.ceil((this.#settings.pauseMs - sinceMs) / 1000);
      return `the last failover was ${Math.round(sinceMs / 1000)} s ago; there is no other one by itself for ${s} s`;
    }
    return undefined;
  }

  async #failOver(view: ClusterView, { why }: Diagnosis): Promise<void> {
    const { primary } = view;
    if (primary === undefined || this.#busy || this.#nowMs() < this.#notBeforeMs) return;
    const { leadership } = this.#coordinator;
    const objection = this.#objection(leadership, primary);
    if (leadership === undefined || objection !== undefined) {
      this.#failed(`no failover from ${primary.name} (${why}): ${objection}`);
      return;
    }
    this.#busy = true;
    const beganAtMs = this.#nowMs();
    this.#log.warn({ view: loggable(view) }, `failover: ${why}`);
    const epoch = Math.max(this.#epoch + 1, leadership.epoch);
    const { policy, drainTimeoutMs } = this.#settings;
    try {
      const { outcome } = await drive<ReturnType<typeof beginFailover>['state'], FailoverEvent, FailoverAction>(
        beginFailover(view, this.#ackers, { policy, epoch, drainTimeoutMs }),
        {
          step: stepFailover,
          perform: async (action) => this.#perform(action, leadership, beganAtMs),
          lateAfterMs: ({ phase }) => (phase === 'draining' ? drainTimeoutMs + STATEMENT_MS : 3 * STATEMENT_MS),
          late: () => ({ kind: 'late' }),
        },
      );
      switch (outcome?.kind) {
        case 'promoted': {
          this.#lastFailoverMs = this.#nowMs();
          this.#frozen.clear();
          const lost = outcome.lost.isEmpty ? undefined : outcome.lost.toString();
          const what = `failover: ${outcome.node} is the primary of epoch ${epoch}`;
          if (lost === undefined) this.#log.warn({ epoch }, what);
          else
            this.#log.error({ epoch, lost }, `${what}; transactions that only ${primary.name} had are lost: ${lost}`);
          break;
        }
        case 'stuck':
          this.#log.error(
            { epoch },
            `failover: it is not known whether ${outcome.node} takes writes (${outcome.why}): until it answers, nobody is the primary`,
          );
          await this.#appoint(this.#nodes.get(outcome.node)?.state?.serverUuid ?? '');
          break;
        case 'given-up':
          this.#failed(`failover given up: ${outcome.why}`);
          break;
        case 'deposed':
        case undefined:
          this.#failed('failover ended: another proxy leads now');
      }
    } finally {
      this.#busy = false;
    }
  }

  #failed(why: string): void {
    this.#notBeforeMs = this.#nowMs() + RETRY_MS;
    if (why === this.#lastFailure) return;
    this.#lastFailure = why;
    this.#log.error(why);
  }

  async #perform(
    action: FailoverAction,
    leadership: Leadership,
    beganAtMs: number,
  ): Promise<FailoverEvent | undefined> {
    switch (action.kind) {
      case 'task':
        return this.#run(action.task, leadership);
      case 'claim': {
        const { node, phase, gtids } = action;
        const record = {
          epoch: leadership.epoch,
          phase,
          serverUuid: node.serverUuid,
          node: node.name,
          gtid: gtids.toString(),
        };
        const ok = await this.#coordinator.write(record).catch(() => false);
        return { kind: 'claimed', ok };
      }
      case 'announce':
        await this.#appoint(action.node.serverUuid, this.#primaryNode()?.address.name);
        this.#log.info({ ms: Math.round(this.#nowMs() - beganAtMs) }, `${action.node.name} takes writes`);
        return undefined;
    }
  }

  async #run(task: Task, leadership: Leadership): Promise<TaskEnd | { readonly kind: 'deposed' }> {
    const node = this.#nodes.get(task.node);
    const mayGoOn = (): boolean => leadership.remainingMs() >= Math.min(task.budgetMs, STATEMENT_MS) && !this.#stopped;
    if (!mayGoOn()) return { kind: 'deposed' };
    if (node === undefined) {
      const command = task.commands[0]?.kind ?? 'read-position';
      return { kind: 'failed', task: task.name, node: task.node, command, why: 'it is gone', unknown: false };
    }
    if (task.name === 'freeze') this.#frozen.add(task.node);
    const end = await executeTask(task, {
      session: node.tasks,
      statements: this.#statements,
      accounts: { own: this.#own, replication: this.#accounts.account },
      mayGoOn,
    });
    if (task.name === 'unfreeze' && end.kind === 'done') this.#frozen.delete(task.node);
    if (end.kind === 'failed') {
      this.#log.warn(
        { node: task.node, task: task.name, command: end.command },
        `${task.name} of ${task.node} failed: ${end.why}`,
      );
    } else this.#log.info({ node: task.node }, `${task.name}: ${task.node}: ${task.why}`);
    return mayGoOn() ? end : { kind: 'deposed' };
  }

  /** Once for each time that the primary goes down. */
  async #askAnew({ primary, others }: ClusterView): Promise<void> {
    const { leadership } = this.#coordinator;
    if (primary === undefined || leadership === undefined || this.#askedAnew || this.#busy) return;
    this.#askedAnew = true;
    const replicas = others.filter(
      (it) => it.reach === 'answers' && it.replica?.receiver === 'on' && follows(it, primary),
    );
    await Promise.all(replicas.map(async (it) => this.#run(askAnewTask(it), leadership)));
    for (const node of this.#nodes.values()) node.hurry();
  }

  async #keepUp(): Promise<void> {
    const { leadership } = this.#coordinator;
    const node = this.#primaryNode();
    if (leadership === undefined || this.#busy || this.#stopped || node?.failingSinceMs !== undefined) return;
    const { primary, others } = this.#view;
    if (primary === undefined || node === undefined) return;
    this.#busy = true;
    try {
      const replica = others.find((it) => it.reach === 'answers' && follows(it, primary));
      const replicaNode = replica === undefined ? undefined : this.#nodes.get(replica.name);
      if (replicaNode !== undefined) await this.#accounts.ask(replicaNode);
      if (!primary.readOnly) await this.#keepJournal(node, primary, leadership);
      const { tasks, errant } = upkeepOf(this.#view, {
        formerPrimaries: new Set([...this.#formerPrimaries].filter((uuid) => uuid !== primary.serverUuid)),
        frozen: this.#frozen,
        acknowledgements: this.#acknowledgements,
        primaryRestarted: this.#hasRestarted(node),
        leftAlone: new Set([...this.#cluster.leftAlone(), ...this.#rebuilding]),
      });
      for (const [name, set] of errant) {
        this.#tellErrant(name, set.toString(), primary.name);
        if (this.#settings.rebuilds) void this.#rebuild(name, primary, leadership);
      }
      await Promise.all(tasks.map(async (task) => this.#run(task, leadership)));
      if (tasks.length > 0) for (const it of this.#nodes.values()) it.hurry();
    } finally {
      this.#busy = false;
    }
  }

  #hasRestarted({ uptimeS, state }: HaNode): boolean {
    if (state === undefined || this.#wroteAtMs === undefined) return false;
    return state.seenAtMs - uptimeS * 1_000 > this.#wroteAtMs;
  }

  /** So that a proxy that starts after a failover knows who is the primary, however many take writes by then. */
  async #keepJournal(node: HaNode, primary: NodeState, leadership: Leadership): Promise<void> {
    if (node.journal[0]?.serverUuid === primary.serverUuid) return;
    const epoch = Math.max(this.#epoch + 1, leadership.epoch);
    await this.#run(journalTask(primary, epoch), leadership);
    node.hurry();
  }

  async #rebuild(name: string, primary: NodeState, leadership: Leadership): Promise<void> {
    const state = this.#nodes.get(name)?.state;
    if (state === undefined || this.#rebuilding.size > 0) return;
    this.#rebuilding.add(name);
    // It ends without an answer: the server starts anew, or says that nobody is there to start it.
    await this.#run(rebuildTask(state, primary), leadership);
    this.#rebuilding.delete(name);
  }

  #tellErrant(name: string, set: string, primary: string): void {
    if (this.#told.get(name) === set) return;
    this.#told.set(name, set);
    this.#log.error(
      { node: name, errant: set },
      `${name} has transactions that ${primary} does not have (${set}): it does not replicate, as its data would differ; ` +
        'save from them what is needed, then make it anew (CLONE INSTANCE, or a backup)',
    );
  }
}

function loggable({ primary, others }: ClusterView): object {
  const of = ({ name, reach, why, executed, readOnly, replica }: NodeState): object => ({
    name,
    reach,
    why,
    readOnly,
    executed: executed.toString(),
    received: replica?.received.toString(),
    receiver: replica?.receiver,
    quietForMs: replica === undefined ? undefined : Math.round(replica.quietForMs),
  });
  return { primary: primary === undefined ? undefined : of(primary), others: others.map(of) };
}
