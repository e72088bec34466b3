import {
  beginFailover,
  stepFailover,
  type FailoverAction,
  type FailoverSettings,
  type FailoverState,
} from './failover.js';
import { beginSwitchover, stepSwitchover, type SwitchoverAction } from './switchover.js';
import type { SwitchoverSettings } from './switchover-check.js';
import { describeCommand, type Task, type TaskEnd, type TaskName } from './task.js';
import type { ClusterView, NodeState } from './view.js';

/** One thing that would be done. */
export interface PlanStep {
  readonly step: TaskName | Exclude<Action['kind'], 'task'>;
  readonly node: string;
  /** What is done there, in words and in order. */
  readonly commands: readonly string[];
  readonly why: string;
}

/** What would be done if all went well and the nodes stayed as they are; or why nothing would. */
export type Plan =
  | { readonly kind: 'steps'; readonly node: string; readonly why: string; readonly steps: readonly PlanStep[] }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] };

type Action = FailoverAction | SwitchoverAction;

type Answer =
  TaskEnd | { readonly kind: 'held'; readonly running: number } | { readonly kind: 'claimed'; readonly ok: boolean };

/** What both machines have in common. */
interface Step<S> {
  readonly state: S;
  readonly actions: readonly Action[];
}

export function planSwitchover(view: ClusterView, to: string, settings: SwitchoverSettings): Plan {
  const first = beginSwitchover(view, to, settings);
  if ('refusals' in first) return { kind: 'refused', reasons: first.refusals };
  const { state, steps } = walk(first, stepSwitchover, view);
  const { outcome } = state;
  if (outcome?.kind === 'switched') return { kind: 'steps', node: to, why: 'it was asked for', steps };
  return { kind: 'refused', reasons: [outcome !== undefined && 'why' in outcome ? outcome.why : 'it does not end'] };
}

/**
 * As if the primary were dead, whether it is or not.
 * @param ackers replicas that acknowledged its transactions when it answered last
 */
export function planFailover(view: ClusterView, ackers: readonly NodeState[], settings: FailoverSettings): Plan {
  if (view.primary === undefined) return { kind: 'refused', reasons: ['no primary is known'] };
  const { state, steps } = walk(beginFailover(view, ackers, settings), stepWithoutHold, view);
  const { outcome, choice } = state;
  if (outcome?.kind === 'promoted') return { kind: 'steps', node: outcome.node, why: choice?.why ?? '', steps };
  return { kind: 'refused', reasons: [outcome !== undefined && 'why' in outcome ? outcome.why : 'it does not end'] };
}

/** A failover holds nothing: there is nobody to write to. */
function stepWithoutHold(state: FailoverState, event: Answer): Step<FailoverState> {
  return event.kind === 'held' ? { state, actions: [] } : stepFailover(state, event);
}

/** Lets the machine itself go through it, with the answers that the view would give. */
function walk<S>(
  first: Step<S>,
  step: (state: S, event: Answer) => Step<S>,
  view: ClusterView,
): { state: S; steps: PlanStep[] } {
  const steps: PlanStep[] = [];
  const queue = [...first.actions];
  let { state } = first;
  for (let action = queue.shift(); action !== undefined; action = queue.shift()) {
    steps.push(stepOf(action));
    const answer = answerTo(action, view);
    if (answer === undefined) continue;
    const next = step(state, answer);
    ({ state } = next);
    queue.push(...next.actions);
  }
  return { state, steps };
}

function answerTo(action: Action, { primary, others }: ClusterView): Answer | undefined {
  switch (action.kind) {
    case 'task': {
      const { name, node } = action.task;
      // One that has caught up lacks nothing.
      if (name === 'catch-up') return { kind: 'done', task: name, node, position: undefined };
      const found = primary?.name === node ? primary : others.find((it) => it.name === node);
      const position = found && { executed: found.executed, received: found.replica?.received ?? found.executed };
      return { kind: 'done', task: name, node, position };
    }
    case 'claim':
      return { kind: 'claimed', ok: true };
    case 'hold':
      return { kind: 'held', running: 0 };
    case 'release':
    case 'announce':
      return undefined;
  }
}

function stepOf(action: Action): PlanStep {
  if (action.kind === 'task') return ofTask(action.task);
  const { kind, node } = action;
  switch (kind) {
    case 'claim':
      return action.phase === 'promoting'
        ? {
            step: kind,
            node: node.name,
            commands: ['write down that it is to be the primary'],
            why: 'no other leader may promote another one',
          }
        : {
            step: kind,
            node: node.name,
            commands: ['write down that it is the primary'],
            why: 'all others are to know',
          };
    case 'hold':
      return {
        step: kind,
        node: node.name,
        commands: [`hold new writes, and let those that run end, ${action.waitMs} ms at the most`],
        why: 'clients wait, and get no errors',
      };
    case 'release':
      return {
        step: kind,
        node: node.name,
        commands: ['let the writes go on that were held'],
        why: 'there is a primary',
      };
    case 'announce':
      return {
        step: kind,
        node: node.name,
        commands: ['send statements for the primary there'],
        why: 'it takes writes',
      };
  }
}

function ofTask({ name, node, commands, why }: Task): PlanStep {
  return { step: name, node, commands: commands.map(describeCommand), why };
}
