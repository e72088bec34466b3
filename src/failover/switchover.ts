import { GtidSet } from '../topology/gtid-set.js';
import { acknowledgementsFor } from './durability.js';
import { refusalsOf, siblingsOf, type SwitchoverSettings } from './switchover-check.js';
import type { Task, TaskEnd } from './task.js';
import {
  catchUpTask,
  closeTask,
  drainTask,
  followTask,
  forgetTask,
  openFirstTask,
  recordTask,
  reopenTask,
  repointTask,
  restoreTask,
} from './tasks.js';
import type { ClusterView, NodeState } from './view.js';

/**
 * A planned change of the primary:
 *
 * ```
 *  catching-up ──► marking ──► holding ──► closing ──► draining ──► claiming ──► opening ──► settling ──► ended
 *       │             │           │           │            │            │           │
 *       │             │           │           │            │            └─────┬─────┴──► ended: it is not known who is the primary
 *       │             │           │           │            │                  ▼
 *       │             │           │           └─────┬──────┘             reclaiming
 *       │             │           │                 ▼                         │
 *       │             │           │             reopening ◄───────────────────┘
 *       ▼             ▼           ▼                 ▼
 *     ended: given up, all as it was;      ended: nobody takes writes, and the record says who is to
 * ```
 *
 * Writes are held from `holding` on, and no way out forgets to release them. Numbered invariants, and what keeps them: SPEC.md.
 */
export const SWITCHOVER_PHASES = [
  'catching-up',
  'marking',
  'holding',
  'closing',
  'draining',
  'claiming',
  'opening',
  'settling',
  'reclaiming',
  'reopening',
  'ended',
] as const;
export type SwitchoverPhase = (typeof SWITCHOVER_PHASES)[number];

export type SwitchoverEvent =
  | TaskEnd
  /** New writes are held, and so many transactions that ran have not ended in the time they had. */
  | { readonly kind: 'held'; readonly running: number }
  /** The claim is written down where all coordinators look; or it is not, because another one leads. */
  | { readonly kind: 'claimed'; readonly ok: boolean }
  /** The phase has lasted for as long as it may. */
  | { readonly kind: 'late' }
  /** Another one may lead: whatever is done from now on is not ours to do. */
  | { readonly kind: 'deposed' };

export type SwitchoverAction =
  | { readonly kind: 'task'; readonly task: Task }
  /** New writes and transactions wait from now on; what runs may end, for so long. */
  | { readonly kind: 'hold'; readonly node: NodeState; readonly waitMs: number }
  /** What waits goes on, on the primary as it is known then. */
  | { readonly kind: 'release'; readonly node: NodeState }
  | {
      readonly kind: 'claim';
      readonly node: NodeState;
      readonly phase: 'promoting' | 'primary';
      readonly gtids: GtidSet;
    }
  | { readonly kind: 'announce'; readonly node: NodeState };

export type SwitchoverOutcome =
  /** `left`: what has yet to be done on which node, as in `rejoin db1`. */
  | { readonly kind: 'switched'; readonly node: string; readonly left: readonly string[] }
  | { readonly kind: 'given-up'; readonly why: string }
  /** It is not known whether this node takes writes: nobody else may. */
  | { readonly kind: 'stuck'; readonly node: string; readonly why: string }
  | { readonly kind: 'deposed' };

/** So many transactions that a candidate has yet to apply are not worth another round: they take a moment. */
const NEAR = 50;

export interface SwitchoverState {
  readonly phase: SwitchoverPhase;
  readonly settings: SwitchoverSettings;
  /** The old one. */
  readonly primary: NodeState;
  readonly candidate: NodeState;
  /** The other replicas that are to follow the new one. */
  readonly siblings: readonly NodeState[];
  /** How many transactions the candidate has yet to apply, as far as is known. */
  readonly behind: number;
  /** What is done with transactions that do not end, this time. */
  readonly stragglers: SwitchoverSettings['stragglers'];
  /** All that the old primary has, once it is closed. */
  readonly position: GtidSet | undefined;
  /** What the phase waits for, as in `rejoin db1`. */
  readonly pending: ReadonlySet<string>;
  /** Siblings that have been told to follow the candidate. */
  readonly moved: readonly NodeState[];
  /** Those of them that do not do so yet, as in `repoint db3`. */
  readonly moving: ReadonlySet<string>;
  /** What failed behind the point of no return. */
  readonly left: readonly string[];
  /** Why it is given up, while that is being done. */
  readonly failure: string;
  readonly outcome: SwitchoverOutcome | undefined;
}

export interface SwitchoverStep {
  readonly state: SwitchoverState;
  readonly actions: readonly SwitchoverAction[];
}

/** @returns the reasons why it is not begun, where there are any */
export function beginSwitchover(
  view: ClusterView,
  to: string,
  settings: SwitchoverSettings,
): SwitchoverStep | { readonly refusals: readonly string[] } {
  const refusals = refusalsOf(view, to, settings);
  const { primary, others } = view;
  const candidate = others.find(({ name }) => name === to);
  if (refusals.length > 0 || primary === undefined || candidate === undefined) return { refusals };
  const siblings = siblingsOf(candidate, primary, others);
  const task = catchUpTask(candidate, primary.executed, settings.catchUpTimeoutMs);
  const state: SwitchoverState = {
    phase: 'catching-up',
    settings,
    primary,
    candidate,
    siblings,
    behind: primary.executed.subtract(candidate.executed).count,
    stragglers: 'abort',
    position: undefined,
    pending: new Set([keyOf(task)]),
    moved: [],
    moving: new Set(),
    left: [],
    failure: '',
    outcome: undefined,
  };
  return { state, actions: [{ kind: 'task', task }] };
}

/** The one place where a switchover goes on. */
export function stepSwitchover(state: SwitchoverState, event: SwitchoverEvent): SwitchoverStep {
  if (state.phase === 'ended') return stay(state);
  if (event.kind === 'deposed') return end(state, { kind: 'deposed' });
  if (event.kind === 'done' || event.kind === 'failed') {
    const key = `${event.task} ${event.node}`;
    if (state.moving.has(key)) return arrived(state, key, event.kind === 'failed');
    // What an earlier phase asked for may end late.
    if (!state.pending.has(key)) return stay(state);
  }
  return HANDLERS[state.phase](state, event);
}

/** A sibling follows the candidate, or does not: a switchover ends with that, and goes on without it. */
function arrived(state: SwitchoverState, key: string, isFailed: boolean): SwitchoverStep {
  const moving = without(state.moving, key);
  const left = isFailed ? [...state.left, key] : state.left;
  return settledIf({ ...state, moving, left });
}

type Handled = Exclude<SwitchoverEvent, { readonly kind: 'deposed' }>;
type Handler = (state: SwitchoverState, event: Handled) => SwitchoverStep;

const HANDLERS: Readonly<Record<Exclude<SwitchoverPhase, 'ended'>, Handler>> = {
  'catching-up': whileCatchingUp,
  marking: whileMarking,
  holding: whileHolding,
  closing: whileClosing,
  draining: whileDraining,
  claiming: whileClaiming,
  opening: whileOpening,
  settling: whileSettling,
  reclaiming: whileReclaiming,
  reopening: whileReopening,
};

function whileCatchingUp(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { candidate, primary, settings } = state;
  if (event.kind === 'held' || event.kind === 'claimed') return stay(state);
  if (event.kind !== 'done') {
    return end(state, { kind: 'given-up', why: `${candidate.name} does not catch up: ${reasonOf(event)}` });
  }
  // What has come meanwhile would be waited for with all writes: each round leaves less, where it applies faster than clients write.
  const { received, executed } = event.position ?? { received: GtidSet.EMPTY, executed: GtidSet.EMPTY };
  const behind = received.subtract(executed).count;
  if (behind > NEAR && behind < state.behind / 2) {
    return asking({ ...state, behind }, catchUpTask(candidate, received, settings.catchUpTimeoutMs));
  }
  return {
    state: { ...state, phase: 'marking', pending: new Set() },
    actions: [{ kind: 'claim', node: primary, phase: 'promoting', gtids: primary.executed }],
  };
}

/** While it is closed, somebody has to know that it is to be open, whatever becomes of us. */
function whileMarking(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { primary, settings } = state;
  if (event.kind === 'late') {
    return end(state, { kind: 'given-up', why: 'it could not be written down in time that it begins' });
  }
  if (event.kind !== 'claimed') return stay(state);
  if (!event.ok) return end(state, { kind: 'deposed' });
  return {
    state: { ...state, phase: 'holding', pending: new Set() },
    actions: [{ kind: 'hold', node: primary, waitMs: settings.holdTimeoutMs }],
  };
}

function whileHolding(state: SwitchoverState, event: Handled): SwitchoverStep {
  if (event.kind !== 'held' && event.kind !== 'late') return stay(state);
  if (event.kind === 'held' && event.running === 0) return close(state, 'abort');
  if (state.settings.stragglers === 'kill') return close(state, 'kill');
  const what = event.kind === 'late' ? 'transactions' : `${event.running} transactions`;
  return end(state, { kind: 'given-up', why: `${what} on ${state.primary.name} do not end` });
}

function close(state: SwitchoverState, stragglers: 'abort' | 'kill'): SwitchoverStep {
  return asking({ ...state, phase: 'closing', stragglers }, closeTask(state.primary, stragglers));
}

function whileClosing(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { primary, candidate, settings } = state;
  if (event.kind === 'held' || event.kind === 'claimed') return stay(state);
  if (event.kind === 'done' && event.position !== undefined) {
    const position = event.position.executed;
    const task = drainTask(candidate, undefined, position, settings.drainTimeoutMs);
    return asking({ ...state, phase: 'draining', position }, task);
  }
  // What waits for others to end is what is to be ended.
  const isBusy = event.kind === 'failed' && event.command === 'close-for-writes' && !event.unknown;
  if (isBusy && settings.stragglers === 'kill' && state.stragglers === 'abort') return close(state, 'kill');
  return reopen(state, `${primary.name} does not become read-only: ${reasonOf(event)}`);
}

function whileDraining(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { candidate, position } = state;
  if (event.kind === 'held' || event.kind === 'claimed' || position === undefined) return stay(state);
  if (event.kind !== 'done') return reopen(state, `${candidate.name} does not have everything: ${reasonOf(event)}`);
  return {
    state: { ...state, phase: 'claiming', pending: new Set() },
    actions: [{ kind: 'claim', node: candidate, phase: 'promoting', gtids: position }],
  };
}

function whileClaiming(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { primary, candidate, siblings, settings, position } = state;
  if (position === undefined) return stay(state);
  // It may have been written down all the same.
  if (event.kind === 'late') return reclaim(state, 'the claim could not be written down in time');
  if (event.kind !== 'claimed') return stay(state);
  if (!event.ok) return end(state, { kind: 'deposed' });
  const acknowledgements = acknowledgementsFor(primary, [...siblings, primary]);
  const opening = { gtids: position, acknowledgements, epoch: settings.epoch };
  const { state: asked, actions } = asking({ ...state, phase: 'opening' }, openFirstTask(candidate, opening));
  // The first write on the candidate waits until one of them acknowledges it: they are there when it is open.
  const moves = siblings.map((it) => repointTask(it, candidate, position));
  return {
    state: { ...asked, moved: siblings, moving: new Set(moves.map(keyOf)) },
    actions: [...actions, ...moves.map((task) => ({ kind: 'task', task }) as const)],
  };
}

function whileOpening(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { primary, candidate, settings, position } = state;
  if (event.kind === 'held' || event.kind === 'claimed' || position === undefined) return stay(state);
  if (event.kind === 'failed' && !event.unknown) {
    return reclaim(state, `${candidate.name} cannot be opened: ${event.why}`);
  }
  if (event.kind !== 'done') return end(state, { kind: 'stuck', node: candidate.name, why: reasonOf(event) });
  const record = recordTask(candidate, settings.epoch);
  const others = [followTask(primary, candidate), forgetTask(candidate.name)];
  const now = waitsForOld(state) ? [record, ...others] : [record];
  return {
    state: { ...state, phase: 'settling', pending: new Set([record, ...others].map(keyOf)) },
    actions: [
      { kind: 'announce', node: candidate },
      { kind: 'release', node: candidate },
      { kind: 'claim', node: candidate, phase: 'primary', gtids: position },
      ...now.map((task) => ({ kind: 'task', task }) as const),
    ],
  };
}

/** Whether the candidate's first writes need the old primary to acknowledge them. Where they do not, that leaves it to them. */
function waitsForOld({ primary, siblings }: SwitchoverState): boolean {
  return acknowledgementsFor(primary, [...siblings, primary]) > acknowledgementsFor(primary, siblings);
}

/** It is the primary whatever comes: what fails here is done again when the nodes are looked at. */
function whileSettling(state: SwitchoverState, event: Handled): SwitchoverStep {
  if (event.kind === 'held' || event.kind === 'claimed') return stay(state);
  if (event.kind === 'late') return switched({ ...state, left: [...state.left, ...state.pending, ...state.moving] });
  const key = `${event.task} ${event.node}`;
  const left = event.kind === 'failed' ? [...state.left, key] : state.left;
  const { state: next, actions } = settledIf({ ...state, pending: without(state.pending, key), left });
  if (event.task !== 'record' || waitsForOld(state)) return { state: next, actions };
  const { primary, candidate } = state;
  const tasks = [followTask(primary, candidate), forgetTask(candidate.name)];
  return { state: next, actions: [...actions, ...tasks.map((task) => ({ kind: 'task', task }) as const)] };
}

function settledIf(state: SwitchoverState): SwitchoverStep {
  const isSettled = state.phase === 'settling' && state.pending.size === 0 && state.moving.size === 0;
  return isSettled ? switched(state) : stay(state);
}

/** Nobody may go on with a claim that is given up: first that is written down, then the old primary takes writes. */
function reclaim(state: SwitchoverState, failure: string): SwitchoverStep {
  const { primary, position } = state;
  return {
    state: { ...state, phase: 'reclaiming', pending: new Set(), failure },
    actions: [{ kind: 'claim', node: primary, phase: 'promoting', gtids: position ?? primary.executed }],
  };
}

function whileReclaiming(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { primary, candidate, moved, failure } = state;
  if (event.kind === 'late') {
    return end(state, { kind: 'stuck', node: candidate.name, why: `${failure}; nor can that be written down` });
  }
  if (event.kind !== 'claimed') return stay(state);
  if (!event.ok) return end(state, { kind: 'deposed' });
  const step = reopen(state, failure);
  const tasks = [restoreTask(candidate), ...moved.map((it) => repointTask(it, primary))];
  return { state: step.state, actions: [...step.actions, ...tasks.map((task) => ({ kind: 'task', task }) as const)] };
}

function reopen(state: SwitchoverState, failure: string): SwitchoverStep {
  return asking({ ...state, phase: 'reopening', failure }, reopenTask(state.primary));
}

function whileReopening(state: SwitchoverState, event: Handled): SwitchoverStep {
  const { primary, failure } = state;
  if (event.kind === 'held' || event.kind === 'claimed') return stay(state);
  if (event.kind === 'done') return end(state, { kind: 'given-up', why: failure });
  const why = `${failure}; nor does it take writes again: ${reasonOf(event)}`;
  return end(state, { kind: 'stuck', node: primary.name, why });
}

function switched(state: SwitchoverState): SwitchoverStep {
  return end(state, { kind: 'switched', node: state.candidate.name, left: state.left });
}

const HOLDS: ReadonlySet<SwitchoverPhase> = new Set([
  'holding',
  'closing',
  'draining',
  'claiming',
  'opening',
  'reclaiming',
  'reopening',
]);

function end(state: SwitchoverState, outcome: SwitchoverOutcome): SwitchoverStep {
  const actions = HOLDS.has(state.phase) ? [{ kind: 'release', node: state.primary } as const] : [];
  return { state: { ...state, phase: 'ended', pending: new Set(), outcome }, actions };
}

function asking(state: SwitchoverState, task: Task): SwitchoverStep {
  return { state: { ...state, pending: new Set([keyOf(task)]) }, actions: [{ kind: 'task', task }] };
}

function stay(state: SwitchoverState): SwitchoverStep {
  return { state, actions: [] };
}

function without(keys: ReadonlySet<string>, key: string): ReadonlySet<string> {
  return new Set([...keys].filter((it) => it !== key));
}

function keyOf({ name, node }: Task): string {
  return `${name} ${node}`;
}

function reasonOf(event: { readonly kind: string; readonly why?: string }): string {
  return event.why ?? (event.kind === 'late' ? 'it has not answered in time' : 'it does not tell its position');
}
