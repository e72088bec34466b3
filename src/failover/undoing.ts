import type { Choice } from './candidate.js';
import type { Position, Task } from './task.js';
import { repointTask, restoreTask, unfreezeTask } from './tasks.js';
import type { NodeState } from './view.js';

/** Replicas that were asked to freeze, by name, with what they have where they have answered. */
export type Frozen = ReadonlyMap<string, { readonly node: NodeState; readonly position: Position | undefined }>;

/** Those that are to replicate from the new primary. One with transactions of its own would not say so, and diverge. */
export function followersOf(freezing: Frozen, { candidate, errant }: Choice): NodeState[] {
  return [...freezing.values()]
    .filter(({ node, position }) => position !== undefined && node.name !== candidate.name && !errant.has(node.name))
    .map(({ node }) => node);
}

/** What makes everything as it was: each node by how far it was taken. */
export function undoingTasks(
  { primary, freezing }: { readonly primary: NodeState; readonly freezing: Frozen },
  choice: Choice,
  phase: 'draining' | 'claiming' | 'opening',
): Task[] {
  const { candidate, ahead } = choice;
  const moved = phase === 'opening' ? followersOf(freezing, choice).map(({ name }) => name) : [];
  return [...freezing.values()].map(({ node }) => {
    if (node.name === candidate.name) {
      const source = ahead === undefined ? undefined : primary;
      if (phase === 'opening') return restoreTask(node, source);
      return source === undefined ? unfreezeTask(node.name) : repointTask(node, source);
    }
    return moved.includes(node.name) ? repointTask(node, primary) : unfreezeTask(node.name);
  });
}
