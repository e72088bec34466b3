import type { ClassReason } from '../classify/classification.js';
import { refusedUnread, type StatementEnd } from './statement-end.js';

/** Whose reads have to see what a statement may have committed, although its answer does not tell what. */
export type Untold = 'own' | 'all';

/** Statements that commit nothing, where they give rows. */
const COMMITS_NOTHING: ReadonlySet<ClassReason> = new Set([
  'read',
  'hint-replica',
  'hint-node',
  'hint-primary',
  'rule',
  'locking-read',
  'diagnostics',
  'last-insert-id',
  'row-count',
  'found-rows',
  'connection-id',
  'lock-function',
  'user-variable',
  'session-state',
  'temporary-table',
]);

/** With these errors a server would not, before it did anything (no privilege, no such table), undid a whole transaction, or goes down. */
const UNDONE_CLASSES: readonly string[] = ['42', '40', '08'];
/** Other tables are locked; the server, or the transaction, is read-only. */
const UNDONE: ReadonlySet<number> = new Set([1099, 1100, 1290, 1792, 1836]);

/**
 * What the answer of a statement on the primary does not tell. MySQL reports commits with an OK only: not with the EOF after rows that clients without
 * DEPRECATE_EOF get, not with an error, and not with a later answer.
 * @param before whether a transaction was open
 * @param after the same
 * @returns undefined where nothing can have been committed, or all is told
 */
export function untoldBy(end: StatementEnd, before: boolean, after: boolean): Untold | undefined {
  const { classification, error, status, tellsCommits, prepares } = end;
  if (tellsCommits || prepares) return undefined;
  const { reason, pins } = classification;
  const commitsNothing = COMMITS_NOTHING.has(reason) && !pins.includes('stored-function');
  if (error === undefined) {
    if (commitsNothing) return before && !after ? 'all' : undefined;
    // What a transaction has written is committed with it; whether one is open rows do not always say.
    return after && status !== undefined ? undefined : 'all';
  }
  if (refusedUnread(end) || commitsNothing) return undefined;
  // A part of it may have been done, or a transaction that was open be committed.
  if (reason !== 'write') return 'all';
  // A table without transactions keeps what it got before the error.
  const isUndone = UNDONE.has(error.errno) || UNDONE_CLASSES.includes(error.sqlState.slice(0, 2));
  return isUndone ? undefined : 'own';
}
