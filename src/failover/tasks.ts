import type { GtidSet } from '../topology/gtid-set.js';
import { whatLacks } from './durability.js';
import type { Command, Task } from './task.js';
import type { NodeState } from './view.js';
import { wordsOf } from './words.js';

/** How long each kind of thing may take. */
export const BUDGETS = {
  /** A round of statements that wait for nothing. */
  statementMs: 1_000,
  /** For a candidate to apply what it has received. */
  drainMs: 30_000,
  /** For statements that run on a primary that is to be closed. */
  closeS: 2,
} as const;

/** Nothing is acknowledged to the old primary any more, and what a node has stands still. */
export function freezeTask({ name }: NodeState): Task {
  return task('freeze', name, BUDGETS.statementMs, 'so that it acknowledges nothing any more', [
    { kind: 'stop-receiving' },
    { kind: 'read-position' },
  ]);
}

export function unfreezeTask(name: string): Task {
  return task('unfreeze', name, BUDGETS.statementMs, 'everything is to be as it was', [{ kind: 'start-receiving' }]);
}

/** @param ahead who has what it lacks */
export function drainTask(
  { name }: NodeState,
  ahead: NodeState | undefined,
  gtids: GtidSet,
  timeoutMs: number = BUDGETS.drainMs,
): Task {
  const follow: Command[] =
    ahead === undefined ? [] : [{ kind: 'follow', host: ahead.host, port: ahead.port, anew: false }];
  const why = ahead === undefined ? 'all that it has received is to be applied' : `${ahead.name} has what it lacks`;
  return task('drain', name, timeoutMs, why, [...follow, { kind: 'wait-executed', gtids, timeoutMs }]);
}

/**
 * Before anything is held for it: what it lacks now would be waited for later, with all writes. So would its log: a server looks through the file in
 * which the next transaction of a replica may be from its beginning on, a second for each gigabyte.
 */
export function catchUpTask({ name }: NodeState, gtids: GtidSet, timeoutMs: number): Task {
  return task('catch-up', name, timeoutMs, 'what it lacks later is little, and its log is short', [
    { kind: 'wait-executed', gtids, timeoutMs },
    { kind: 'rotate-log' },
    { kind: 'read-position' },
  ]);
}

/** What {@link openTask} is to make of a node. */
export interface Opening {
  readonly gtids: GtidSet;
  /** Replicas that will acknowledge; 0 for none: then it must not wait for them. */
  readonly acknowledgements: number;
  readonly epoch: number;
}

/** The order is what keeps it safe: it waits for acknowledgements before it is writable, and is writable only with everything. */
export function openTask(node: NodeState, opening: Opening): Task {
  const { name, serverUuid } = node;
  const { epoch } = opening;
  return task('open', name, BUDGETS.statementMs, 'it becomes the primary', [
    ...openingOf(node, opening),
    { kind: 'journal', epoch, serverUuid, node: name },
  ]);
}

/** The same, where nobody has been told yet to acknowledge its transactions: {@link recordTask} waits for that. */
export function openFirstTask(node: NodeState, opening: Opening): Task {
  return task('open', node.name, BUDGETS.statementMs, 'it becomes the primary', openingOf(node, opening));
}

export function recordTask({ name, serverUuid }: NodeState, epoch: number): Task {
  return task('record', name, BUDGETS.statementMs, 'every node is to know who is the primary, and since when', [
    { kind: 'journal', epoch, serverUuid, node: name },
  ]);
}

function openingOf({ semiSync, offline, replica }: NodeState, { gtids, acknowledgements }: Opening): Command[] {
  const acks: Command[] =
    semiSync === undefined
      ? []
      : [
          { kind: 'semi-sync-replica', on: false },
          { kind: 'semi-sync-source', on: acknowledgements > 0, acknowledgements },
        ];
  return [
    ...(replica === undefined ? [] : [{ kind: 'stop-replica' } as const]),
    { kind: 'assert-executed', gtids },
    ...acks,
    ...(offline ? [{ kind: 'offline', on: false } as const] : []),
    { kind: 'open-for-writes' },
  ];
}

/** Behind {@link openTask}, when writes go on already: it takes longer than all the rest. */
export function forgetTask(name: string): Task {
  return task('forget', name, BUDGETS.statementMs, 'a primary has no source', [{ kind: 'forget-source' }]);
}

/** @param known all that it may have: one with transactions of its own would not say so, and differ */
export function repointTask({ name, semiSync }: NodeState, source: NodeState, known?: GtidSet): Task {
  const acks: Command[] = semiSync === undefined ? [] : [{ kind: 'semi-sync-replica', on: true }];
  return task('repoint', name, BUDGETS.statementMs, `it is to replicate from ${source.name}`, [
    ...(known === undefined ? [] : [{ kind: 'assert-nothing-else', gtids: known } as const]),
    ...acks,
    { kind: 'follow', host: source.host, port: source.port, anew: false },
  ]);
}

/**
 * Makes an old primary harmless, in the only order that acknowledges nothing: its clients go first; then the transactions that hang for want of an
 * acknowledgement end, unseen; then nobody writes. Only after nothing of it is acknowledged any more.
 */
export function fenceTask({ name, semiSync }: NodeState): Task {
  const release: Command[] =
    semiSync?.sourceEnabled === true ? [{ kind: 'semi-sync-source', on: false, acknowledgements: 0 }] : [];
  return task('fence', name, BUDGETS.statementMs, 'it is not the primary any more', [
    { kind: 'offline', on: true },
    ...release,
    { kind: 'close-for-writes', waitS: BUDGETS.closeS },
    { kind: 'persist-closed' },
  ]);
}

/**
 * For a switchover: writes stop, and its position is final. It goes on waiting for acknowledgements, and replicas keep their connections:
 * whoever gets an answer until then is told the truth.
 * @param stragglers what is done with transactions that do not end
 */
export function closeTask({ name }: NodeState, stragglers: 'abort' | 'kill'): Task {
  const before: Command[] = stragglers === 'kill' ? [{ kind: 'end-transactions' }] : [];
  return task('close', name, BUDGETS.closeS * 1000 + BUDGETS.statementMs, 'its position is to be final', [
    ...before,
    { kind: 'close-for-writes', waitS: BUDGETS.closeS },
    { kind: 'read-position' },
  ]);
}

/**
 * A primary that was closed takes writes again. It may have been started anew meanwhile, which ends what was only set: then it would go on without
 * acknowledgements, or without what it had.
 */
export function reopenTask({ name, executed, semiSync, version }: NodeState): Task {
  const isLossless = semiSync !== undefined && whatLacks(semiSync, wordsOf(version)) === undefined;
  const acks: Command[] = isLossless
    ? [{ kind: 'semi-sync-source', on: true, acknowledgements: semiSync.acknowledgements }]
    : [];
  return task('reopen', name, BUDGETS.statementMs, 'everything is to be as it was', [
    { kind: 'assert-executed', gtids: executed },
    ...acks,
    { kind: 'open-for-writes' },
  ]);
}

/**
 * One that was to be the primary, and is not, replicates again.
 * @param source from whom; undefined where that has not changed
 */
export function restoreTask({ name, semiSync }: NodeState, source?: NodeState): Task {
  const acks: Command[] =
    semiSync === undefined
      ? []
      : [
          { kind: 'semi-sync-source', on: false, acknowledgements: 0 },
          { kind: 'semi-sync-replica', on: semiSync.replicaEnabled },
        ];
  return task('restore', name, BUDGETS.statementMs, 'everything is to be as it was', [
    ...acks,
    { kind: 'start-replica' },
    // Only now: while its applier runs, it keeps its relay log.
    ...(source === undefined ? [] : [{ kind: 'follow', host: source.host, port: source.port, anew: false } as const]),
  ]);
}

/**
 * An old primary, or a node that was away, becomes a replica.
 * @param known all that it may have: one with transactions of its own would not say so, and differ
 */
export function rejoinTask(node: NodeState, source: NodeState, known?: GtidSet): Task {
  const { name, semiSync, readOnly, offline } = node;
  const before: Command[] = readOnly ? [] : [{ kind: 'close-for-writes', waitS: BUDGETS.closeS }];
  if (known !== undefined) before.push({ kind: 'assert-nothing-else', gtids: known });
  if (semiSync !== undefined) {
    before.push({ kind: 'semi-sync-source', on: false, acknowledgements: 0 }, { kind: 'semi-sync-replica', on: true });
  }
  return task('rejoin', name, BUDGETS.closeS * 1000 + BUDGETS.statementMs, `it is to replicate from ${source.name}`, [
    ...before,
    { kind: 'follow', host: source.host, port: source.port, anew: true },
    ...(offline ? [{ kind: 'offline', on: false } as const] : []),
  ]);
}

/**
 * The old primary of a switchover, which is closed, replicates. Where there is nobody else, the first write on the new one waits for its
 * acknowledgement: so it stops waiting for those of others only then, which takes a second.
 */
export function followTask({ name, semiSync }: NodeState, source: NodeState): Task {
  const anew: Command = { kind: 'follow', host: source.host, port: source.port, anew: true };
  const commands: Command[] = semiSync === undefined ? [anew] : [{ kind: 'semi-sync-replica', on: true }, anew, DISARM];
  return task('rejoin', name, BUDGETS.statementMs, `it is to replicate from ${source.name}`, commands);
}

/** A replica that waits for acknowledgements as its primary does would never apply anything. */
export function disarmTask({ name }: NodeState): Task {
  return task('rejoin', name, BUDGETS.statementMs, 'it is no primary, and waits for no acknowledgements', [DISARM]);
}

const DISARM: Command = { kind: 'semi-sync-source', on: false, acknowledgements: 0 };

function task(name: Task['name'], node: string, budgetMs: number, why: string, commands: readonly Command[]): Task {
  return { name, node, budgetMs, why, commands };
}
