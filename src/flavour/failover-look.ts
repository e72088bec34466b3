import type { NodeState, ReplicaState, SemiSyncState } from '../failover/view.js';
import type { Told } from './failover-statements.js';

/** What a node says of itself in one row. */
export interface NodeTold extends Pick<
  NodeState,
  'serverUuid' | 'version' | 'readOnly' | 'offline' | 'executed' | 'logged' | 'canBeSource' | 'reported'
> {
  /** Since when the server runs, by its own clock: it changes with each start of it only. */
  readonly uptimeS: number;
  /** Whether it takes writes comes from its configuration: nobody has set it since it was started. */
  readonly isAsStarted: boolean;
  /** What has been executed, and may not have been acknowledged yet, counts as executed. */
  readonly countsUnacknowledged: boolean;
}

/** A node as a replica, by what it says. */
export interface ReplicaTold extends Omit<ReplicaState, 'quietForMs' | 'heardAtMs'> {
  /** Changes with all that comes from its source, as far as it tells. */
  readonly place: string;
  /** For how long nothing has come; undefined where it does not tell. */
  readonly quietMs: number | undefined;
}

/** How a failover looks at servers of one make. */
export interface FailoverLook {
  readonly askNode: string;
  nodeOf(row: Told): NodeTold;
  readonly askSemiSync: string;
  readonly askSemiSyncStatus: string;
  semiSyncOf(row: Told, status: ReadonlyMap<string, string>): SemiSyncState;
  readonly askReplica: string;
  /** Asked of replicas only. */
  readonly askReceiver: string | undefined;
  /** @returns undefined for one that replicates from nobody */
  replicaOf(rows: readonly Told[], receiver: Told | undefined): ReplicaTold | undefined;
}

/** A column, where the server tells it; else nothing. */
export function textIn(row: Told, column: string): string {
  const value = row[column];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
