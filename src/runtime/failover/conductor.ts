import { setTimeout as sleep } from 'node:timers/promises';
import {
  beginFailover,
  stepFailover,
  type FailoverAction,
  type FailoverEvent,
  type FailoverState,
} from '../../failover/failover.js';
import {
  beginSwitchover,
  stepSwitchover,
  type SwitchoverAction,
  type SwitchoverEvent,
  type SwitchoverState,
} from '../../failover/switchover.js';
import type { SwitchoverSettings } from '../../failover/switchover-check.js';
import {
  attaches,
  mayHaveAttached,
  type Command,
  type Task,
  type TaskEnd,
  type TaskName,
} from '../../failover/task.js';
import type { ClusterView, NodeState } from '../../failover/view.js';
import type { HaAccounts } from '../../flavour/failover-statements.js';
import type { Coordinator, Leadership } from '../coordinator/coordinator.js';
import type { EventLog } from '../event-log.js';
import { stepOf, type DecisionStep } from './decisions.js';
import { drive } from './drive.js';
import { executeTask } from './execute-task.js';
import type { HaNode } from './ha-node.js';
import type { FailoverSettings } from './settings.js';

const STATEMENT_MS = 1_000;
/** Several statements, each of which may wait for a busy disk. */
const PHASE_MS = 10 * STATEMENT_MS;
/** Without all of them a lossless failover is out of the question mostly: it waits for the last. */
const FREEZE_MS = 15_000;
const RETRY_MS = 100;

const STOPS: ReadonlySet<Command['kind']> = new Set(['stop-receiving', 'stop-replica', 'follow']);
const STARTS: ReadonlySet<TaskName> = new Set(['unfreeze', 'repoint', 'rejoin', 'restore', 'forget', 'ask-anew']);

/** What the conductor makes others do. */
export interface Stage {
  node(name: string): HaNode | undefined;
  accounts(): HaAccounts;
  /** From now on this server is the primary. @param left the old one, where it has not come to its end */
  appoint(serverUuid: string, left: string | undefined): Promise<void>;
  /** New writes wait. @returns how many sessions have not come to an end on that node in the time they had */
  hold(node: string, waitMs: number): Promise<number>;
  release(): void;
  /** Something was done. */
  noted(step: DecisionStep): void;
}

/** Does what the machines of `src/failover/` want done, while this proxy leads. */
export class Conductor {
  /** Replicas that were stopped, and may not have been started again. */
  readonly frozen = new Set<string>();
  readonly #coordinator: Coordinator;
  readonly #settings: FailoverSettings;
  readonly #stage: Stage;
  readonly #log: EventLog;
  /** What is done on each node: one thing after another, or a start that belongs to one would follow a stop that belongs to the next. */
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #doneAtMs = new Map<string, number>();
  readonly #attachedAtMs = new Map<string, number>();
  readonly #nowMs: () => number;
  /** Where something is done now. */
  readonly #atWork = new Set<HaNode>();
  #givenUp = 0;
  #stopped = false;

  constructor(coordinator: Coordinator, settings: FailoverSettings, stage: Stage, log: EventLog, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#coordinator = coordinator;
    this.#settings = settings;
    this.#stage = stage;
    this.#log = log;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** When the last task on a node ended: what it said before that is not what it is in. */
  doneAtMs(node: string): number {
    return this.#doneAtMs.get(node) ?? -Infinity;
  }

  /** When it may have been told last from whom to receive. */
  attachedAtMs(node: string): number {
    return this.#attachedAtMs.get(node) ?? -Infinity;
  }

  async failOver(
    view: ClusterView,
    ackers: readonly NodeState[],
    epoch: number,
    leadership: Leadership,
  ): Promise<FailoverState> {
    const { policy, drainTimeoutMs } = this.#settings;
    return drive<FailoverState, FailoverEvent, FailoverAction>(
      beginFailover(view, ackers, { policy, epoch, drainTimeoutMs }),
      {
        step: stepFailover,
        perform: async (action) => this.#perform(action, leadership, view.primary?.name),
        lateAfterMs: ({ phase }) => {
          if (phase === 'freezing') return FREEZE_MS;
          return phase === 'draining' ? drainTimeoutMs + STATEMENT_MS : PHASE_MS;
        },
        late: () => ({ kind: 'late' }),
      },
    );
  }

  /** @returns the reasons why it is not begun, where there are any */
  async switchOver(
    view: ClusterView,
    to: string,
    settings: SwitchoverSettings,
    leadership: Leadership,
  ): Promise<SwitchoverState | { readonly refusals: readonly string[] }> {
    const first = beginSwitchover(view, to, settings);
    if ('refusals' in first) return first;
    return drive<SwitchoverState, SwitchoverEvent, SwitchoverAction>(first, {
      step: stepSwitchover,
      perform: async (action) => {
        if (action.kind === 'hold') {
          return { kind: 'held', running: await this.#stage.hold(action.node.name, action.waitMs) };
        }
        if (action.kind === 'release') {
          this.#stage.release();
          return undefined;
        }
        return this.#perform(action, leadership, undefined);
      },
      lateAfterMs: ({ phase }) => {
        // Each round takes half as long as the one before, or less.
        if (phase === 'catching-up') return 2 * (settings.catchUpTimeoutMs + STATEMENT_MS);
        if (phase === 'holding') return settings.holdTimeoutMs + STATEMENT_MS;
        return phase === 'draining' ? settings.drainTimeoutMs + STATEMENT_MS : 2 * PHASE_MS;
      },
      late: () => ({ kind: 'late' }),
    });
  }

  /** Runs a task on its node, while this proxy leads. */
  async run(task: Task, leadership: Leadership): Promise<TaskEnd | { readonly kind: 'deposed' }> {
    const before = this.#last.get(task.node);
    const givenUp = this.#givenUp;
    const end =
      before === undefined
        ? this.#run(task, leadership, givenUp)
        : before.then(async () => this.#run(task, leadership, givenUp));
    this.#last.set(task.node, end);
    return end;
  }

  /**
   * What is under way, and what waits behind it, comes to its end at once, wherever it stands: as if the leader had come to its end. Copies of all
   * data go on: they are of nodes that nothing else is wanted of.
   */
  giveUp(): void {
    this.#givenUp++;
    for (const node of this.#atWork) node.tasks.abandon();
  }

  async #run(task: Task, leadership: Leadership, givenUp: number): Promise<TaskEnd | { readonly kind: 'deposed' }> {
    const node = this.#stage.node(task.node);
    const isRebuild = task.name === 'rebuild';
    const mayGoOn = (): boolean =>
      leadership.remainingMs() >= Math.min(task.budgetMs, STATEMENT_MS) &&
      !this.#stopped &&
      (isRebuild || givenUp === this.#givenUp);
    if (!mayGoOn()) return { kind: 'deposed' };
    if (node === undefined) {
      const command = task.commands[0]?.kind ?? 'read-position';
      return { kind: 'failed', task: task.name, node: task.node, command, why: 'it is gone', unknown: false };
    }
    if (task.commands.some(({ kind }) => STOPS.has(kind))) this.frozen.add(task.node);
    if (!isRebuild) this.#atWork.add(node);
    const end = await executeTask(task, {
      session: node.tasks,
      accounts: this.#stage.accounts(),
      remainingMs: () => leadership.remainingMs(),
      mayGoOn,
    });
    this.#atWork.delete(node);
    if (STARTS.has(task.name) && end.kind === 'done') this.frozen.delete(task.node);
    // What was asked for in vain may yet be done, and then it acknowledges to a primary that is thought dead.
    if (end.kind === 'failed' && end.unknown && attaches(end.command)) await this.#untilOver(node, leadership);
    this.#doneAtMs.set(task.node, this.#nowMs());
    if (mayHaveAttached(task, end)) this.#attachedAtMs.set(task.node, this.#nowMs());
    this.#tell(task, end);
    return mayGoOn() ? end : { kind: 'deposed' };
  }

  /** What was said there is over, one way or the other: a new session begins with ending the one before. Or the node is gone. */
  async #untilOver(node: HaNode, leadership: Leadership): Promise<void> {
    while (!this.#stopped && leadership.remainingMs() > 0 && node.failingSinceMs === undefined) {
      const beganAtMs = this.#nowMs();
      try {
        await node.tasks.open(STATEMENT_MS);
        return;
      } catch {
        await sleep(Math.max(0, beganAtMs + RETRY_MS - this.#nowMs()));
      }
    }
  }

  /** What a record says is to be the primary has been opened. */
  async settled(node: NodeState, leadership: Leadership): Promise<void> {
    await this.#perform({ kind: 'claim', node, phase: 'primary', gtids: node.executed }, leadership, undefined);
  }

  #tell(task: Task, end: TaskEnd): void {
    const { name, node, why } = task;
    // It goes on beside other decisions, and is one of its own.
    if (name !== 'rebuild') this.#stage.noted(stepOf(task, end));
    if (end.kind === 'done') this.#log.info({ node, task: name }, `${node}: ${name}: ${why}`);
    else this.#log.warn({ node, task: name, command: end.command }, `${name} of ${node} failed: ${end.why}`);
  }

  async #perform(
    action: FailoverAction,
    leadership: Leadership,
    left: string | undefined,
  ): Promise<TaskEnd | { readonly kind: 'deposed' } | { readonly kind: 'claimed'; readonly ok: boolean } | undefined> {
    switch (action.kind) {
      case 'task':
        return this.run(action.task, leadership);
      case 'claim': {
        const { node, phase, gtids } = action;
        const { serverUuid, name } = node;
        const record = { epoch: leadership.epoch, phase, serverUuid, node: name, gtid: gtids.toString() };
        // Where it is not known whether it was written, another one leads by now.
        const ok = await this.#coordinator.write(record).catch(() => false);
        const outcome = ok ? 'done' : 'failed: another proxy leads now';
        this.#stage.noted({ step: `claim ${phase}`, node: name, why: 'nobody else may promote another one', outcome });
        return { kind: 'claimed', ok };
      }
      case 'announce':
        await this.#stage.appoint(action.node.serverUuid, left);
        return undefined;
    }
  }
}
