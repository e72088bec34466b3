import type { GtidSet } from '../topology/gtid-set.js';
import { chooseCandidate, type Choice } from './candidate.js';
import { acknowledgementsFor, durabilityOf, gapOf, type Policy } from './durability.js';
import type { Position, Task, TaskEnd } from './task.js';
import { drainTask, fenceTask, forgetTask, freezeTask, openTask, repointTask, unfreezeTask } from './tasks.js';
import { followersOf, undoingTasks, type Frozen } from './undoing.js';
import { follows, type ClusterView, type NodeState } from './view.js';

/**
 * A failover:
 *
 * ```
 *  freezing ──► draining ──► claiming ──► opening ──► settling ──► ended
 *      │            │            │           │
 *      │            │            └─────┬─────┴──► ended: it is not known who is the primary
 *      │            │                  ▼
 *      │            │             reclaiming
 *      └────────────┴──────────────────┴──► ended: given up, all as it was
 * ```
 *
 * Numbered invariants, and what keeps them: SPEC.md.
 */
export const PHASES = ['freezing', 'draining', 'claiming', 'opening', 'settling', 'reclaiming', 'ended'] as const;
export type Phase = (typeof PHASES)[number];

export type FailoverEvent =
  | TaskEnd
  /** The claim is written down where all coordinators look; or it is not, because another one leads. */
  | { readonly kind: 'claimed'; readonly ok: boolean }
  /** The phase has lasted for as long as it may. */
  | { readonly kind: 'late' }
  /** Another one may lead: whatever is done from now on is not ours to do. */
  | { readonly kind: 'deposed' };

export type FailoverAction =
  | { readonly kind: 'task'; readonly task: Task }
  /** Writes down that a node is to be the primary, or is. */
  | {
      readonly kind: 'claim';
      readonly node: NodeState;
      readonly phase: 'promoting' | 'primary';
      readonly gtids: GtidSet;
    }
  /** Statements for the primary go there from now on. */
  | { readonly kind: 'announce'; readonly node: NodeState };

export interface FailoverSettings {
  readonly policy: Policy;
  /** Of the new primary in the journal: larger than all before. */
  readonly epoch: number;
  readonly drainTimeoutMs: number;
}

export type Outcome =
  | { readonly kind: 'promoted'; readonly node: string; readonly lost: GtidSet }
  /** Everything is as it was, as far as nodes could be reached. */
  | { readonly kind: 'given-up'; readonly why: string }
  /** A node was to become the primary, and it is not known whether it has: nobody else may. */
  | { readonly kind: 'stuck'; readonly node: string; readonly why: string }
  | { readonly kind: 'deposed' };

export interface FailoverState {
  readonly phase: Phase;
  readonly settings: FailoverSettings;
  /** The old one, as it was when it answered last. */
  readonly primary: NodeState;
  /** That acknowledged its transactions. */
  readonly ackers: readonly NodeState[];
  /** Asked to freeze, with what they have where they have answered. */
  readonly freezing: Frozen;
  /** Has not ended yet. */
  readonly pending: ReadonlySet<string>;
  readonly choice: Choice | undefined;
  /** Tasks that undo what was done, and why: behind a claim, they wait until that is taken back. */
  readonly undoing: { readonly tasks: readonly Task[]; readonly why: string } | undefined;
  readonly outcome: Outcome | undefined;
}

export interface Step {
  readonly state: FailoverState;
  readonly actions: readonly FailoverAction[];
}

/** @param ackers replicas that acknowledged the primary's transactions when it answered last */
export function beginFailover(
  { primary, others }: ClusterView,
  ackers: readonly NodeState[],
  settings: FailoverSettings,
): Step {
  if (primary === undefined) throw new Error('there was no primary that could fail');
  const replicas = others.filter((it) => it.reach === 'answers' && follows(it, primary));
  const freezing = new Map(replicas.map((node) => [node.name, { node, position: undefined }]));
  const pending = new Set(freezing.keys());
  // One that is away may connect to the primary again, and acknowledge, while we are none the wiser.
  const away = others.filter(
    (it) =>
      it.semiSync !== undefined &&
      (follows(it, primary) || it.isOutdated === true) &&
      !ackers.some(({ name }) => name === it.name),
  );
  const state: FailoverState = {
    phase: 'freezing',
    settings,
    primary,
    ackers: [...ackers, ...away],
    freezing,
    pending,
    choice: undefined,
    undoing: undefined,
    outcome: undefined,
  };
  if (replicas.length === 0) return giveUp(state, 'no replica is reached');
  return { state, actions: replicas.map((node) => ({ kind: 'task', task: freezeTask(node) })) };
}

/** The one place where a failover goes on. */
export function stepFailover(state: FailoverState, event: FailoverEvent): Step {
  if (state.phase === 'ended') return { state, actions: [] };
  if (event.kind === 'deposed') return end(state, { kind: 'deposed' });
  return HANDLERS[state.phase](state, event);
}

type Handled = Exclude<FailoverEvent, { readonly kind: 'deposed' }>;

const HANDLERS: Readonly<Record<Exclude<Phase, 'ended'>, (state: FailoverState, event: Handled) => Step>> = {
  freezing: whileFreezing,
  draining: whileDraining,
  claiming: whileClaiming,
  opening: whileOpening,
  settling: whileSettling,
  reclaiming: whileReclaiming,
};

function whileFreezing(state: FailoverState, event: Handled): Step {
  if (event.kind === 'late') return choose({ ...state, pending: new Set() });
  if (event.kind === 'claimed' || event.task !== 'freeze' || !state.pending.has(event.node)) return stay(state);
  const pending = without(state.pending, event.node);
  let { freezing } = state;
  const asked = freezing.get(event.node);
  if (event.kind === 'done' && event.position !== undefined && asked !== undefined) {
    freezing = new Map(freezing).set(event.node, { ...asked, position: event.position });
  }
  const next = { ...state, freezing, pending };
  return pending.size > 0 ? { state: next, actions: [] } : choose(next);
}

/** All that could be reached stand still: may one of them be promoted, and which? */
function choose(state: FailoverState): Step {
  const { primary, ackers, settings } = state;
  const frozen = [...state.freezing.values()].flatMap(({ node, position }) =>
    position === undefined ? [] : [at(node, position)],
  );
  const durability = durabilityOf(primary, ackers, new Set(frozen.map(({ name }) => name)));
  if (durability.kind === 'uncertain' && settings.policy === 'lossless') {
    return giveUp(state, `${durability.why}; the policy is lossless`);
  }
  const chosen = chooseCandidate(primary, frozen);
  if (chosen.kind === 'nobody') return giveUp(state, chosen.why);
  const { candidate, ahead, position, unreachable, errant } = chosen.choice;
  if (!unreachable.isEmpty && settings.policy === 'lossless') {
    const names = [...errant.keys()].join(' and ');
    return giveUp(
      state,
      `${names}, with transactions of its own, has what no other replica has: ${unreachable.toString()}; the policy is lossless`,
    );
  }
  const gap = gapOf(primary, position);
  if (!gap.isEmpty && settings.policy === 'lossless') {
    return giveUp(
      state,
      `${primary.name} had what no replica has that is reached: ${gap.toString()}; the policy is lossless`,
    );
  }
  const task = drainTask(candidate, ahead, position, settings.drainTimeoutMs);
  return {
    state: { ...state, phase: 'draining', choice: chosen.choice, pending: new Set([candidate.name]) },
    actions: [{ kind: 'task', task }],
  };
}

function whileDraining(state: FailoverState, event: Handled): Step {
  const { choice } = state;
  if (choice === undefined) return stay(state);
  const { candidate, position } = choice;
  if (event.kind === 'late') {
    return undo(state, choice, `${candidate.name} has not applied all that it has received in time`);
  }
  if (event.kind === 'claimed' || event.task !== 'drain' || event.node !== candidate.name) return stay(state);
  if (event.kind === 'failed') return undo(state, choice, `${candidate.name} cannot have everything: ${event.why}`);
  return {
    state: { ...state, phase: 'claiming', pending: new Set() },
    actions: [{ kind: 'claim', node: candidate, phase: 'promoting', gtids: position }],
  };
}

function whileClaiming(state: FailoverState, event: Handled): Step {
  const { choice } = state;
  if (choice === undefined) return stay(state);
  // It may have been written down all the same.
  if (event.kind === 'late') {
    return reclaim(state, undoingTasks(state, choice, 'claiming'), 'the claim could not be written down in time');
  }
  if (event.kind !== 'claimed') return stay(state);
  if (!event.ok) return end(state, { kind: 'deposed' });
  const { candidate, position } = choice;
  const followers = followersOf(state.freezing, choice);
  const { epoch } = state.settings;
  const acknowledgements = acknowledgementsFor(state.primary, followers);
  const open = openTask(candidate, { gtids: position, acknowledgements, epoch });
  return {
    state: { ...state, phase: 'opening', pending: new Set([candidate.name]) },
    // Its first write waits for an acknowledgement: the others turn to it at the same time.
    actions: [
      { kind: 'task', task: open },
      ...followers.map((node) => ({ kind: 'task', task: repointTask(node, candidate) }) as const),
    ],
  };
}

function whileOpening(state: FailoverState, event: Handled): Step {
  const { choice } = state;
  if (choice === undefined) return stay(state);
  const { candidate, position } = choice;
  if (event.kind === 'late') {
    return end(state, { kind: 'stuck', node: candidate.name, why: 'it has not answered in time' });
  }
  if (event.kind === 'claimed' || event.task !== 'open' || event.node !== candidate.name) return stay(state);
  if (event.kind === 'failed') {
    const isClosed = !event.unknown && event.command !== 'journal';
    if (isClosed) {
      return reclaim(state, undoingTasks(state, choice, 'opening'), `${candidate.name} cannot be opened: ${event.why}`);
    }
    return end(state, { kind: 'stuck', node: candidate.name, why: event.why });
  }
  return {
    state: { ...state, phase: 'settling', pending: new Set([candidate.name]) },
    actions: [
      { kind: 'announce', node: candidate },
      { kind: 'claim', node: candidate, phase: 'primary', gtids: position },
      { kind: 'task', task: forgetTask(candidate.name) },
      // Nothing of it is acknowledged any more since its replicas stand still: only then may it let go of what hangs.
      { kind: 'task', task: fenceTask(state.primary) },
    ],
  };
}

/** It is the primary whatever comes: what fails here is done again when the nodes are looked at. */
function whileSettling(state: FailoverState, event: Handled): Step {
  const { choice } = state;
  if (choice === undefined) return stay(state);
  const isOver =
    event.kind === 'late' || ((event.kind === 'done' || event.kind === 'failed') && event.task === 'forget');
  if (!isOver) return stay(state);
  const lost = gapOf(state.primary, choice.position).union(choice.unreachable);
  return end(state, { kind: 'promoted', node: choice.candidate.name, lost });
}

/** Nobody may go on with a claim that is given up: first that is written down, then the old primary is acknowledged again. */
function reclaim(state: FailoverState, tasks: readonly Task[], why: string): Step {
  const { primary } = state;
  return {
    state: { ...state, phase: 'reclaiming', pending: new Set(), undoing: { tasks, why } },
    actions: [{ kind: 'claim', node: primary, phase: 'promoting', gtids: primary.executed }],
  };
}

function whileReclaiming(state: FailoverState, event: Handled): Step {
  const { choice, undoing } = state;
  if (choice === undefined || undoing === undefined) return stay(state);
  const { tasks, why } = undoing;
  if (event.kind === 'late') {
    return end(state, { kind: 'stuck', node: choice.candidate.name, why: `${why}; nor can that be written down` });
  }
  if (event.kind !== 'claimed') return stay(state);
  if (!event.ok) return end(state, { kind: 'deposed' });
  const { state: ended } = end(state, { kind: 'given-up', why });
  return { state: ended, actions: tasks.map((task) => ({ kind: 'task', task })) };
}

function undo(state: FailoverState, choice: Choice, why: string): Step {
  const { state: ended } = end(state, { kind: 'given-up', why });
  return { state: ended, actions: undoingTasks(state, choice, 'draining').map((task) => ({ kind: 'task', task })) };
}

/** Whoever may have been frozen goes on as before. */
function giveUp(state: FailoverState, why: string): Step {
  const { state: ended } = end(state, { kind: 'given-up', why });
  const nodes = [...state.freezing.keys()];
  return { state: ended, actions: nodes.map((name) => ({ kind: 'task', task: unfreezeTask(name) })) };
}

function end(state: FailoverState, outcome: Outcome): Step {
  return { state: { ...state, phase: 'ended', pending: new Set(), outcome }, actions: [] };
}

function stay(state: FailoverState): Step {
  return { state, actions: [] };
}

function at(node: NodeState, { executed, received }: Position): NodeState {
  const { replica } = node;
  return { ...node, executed, replica: replica === undefined ? undefined : { ...replica, received } };
}

function without<T>(set: ReadonlySet<T>, item: T): ReadonlySet<T> {
  return new Set([...set].filter((it) => it !== item));
}
