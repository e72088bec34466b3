import type { GtidSet } from '../../topology/gtid-set.js';
import type { DiagnosisKind } from '../../failover/diagnosis.js';
import type { Snapshot } from '../../topology/snapshot.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { Decision } from './decisions.js';

/** The proxy's view of the cluster, which follows what a failover decides. */
export interface SupervisedCluster {
  snapshot(): Snapshot;
  /**
   * From now on this server, and no other one, is the primary while it takes writes. Resolves when it was looked at.
   * @param left the old primary, where it has not come to its end: what runs there does not end by itself
   */
  appoint(serverUuid: string, left: string | undefined): Promise<void>;
  /** It was opened, with these transactions: what another one has acknowledged beyond them is lost. */
  opened(serverUuid: string, gtids: GtidSet): void;
  /** By command nothing is done with these. */
  leftAlone(): ReadonlySet<string>;
  /** New statements for the primary wait. @returns how many sessions have not come to an end there in the time they had */
  hold(node: string, waitMs: number): Promise<number>;
  /** What waits goes on. */
  release(): void;
}

/** For those who watch. */
export interface FailoverStatus {
  readonly coordinator: Coordinator['kind'];
  readonly leads: boolean;
  /** As it calls itself; '' while nobody is known to lead. */
  readonly leader: string;
  /** The largest that is known of. */
  readonly epoch: number;
  readonly primary: string;
  readonly diagnosis: DiagnosisKind;
  /** Why nobody would be promoted here if the primary died now. */
  readonly objection: string | undefined;
  /** Why the last attempt came to nothing; '' for none since the primary was well. */
  readonly lastFailure: string;
  /** The last ones, the oldest first. */
  readonly decisions: readonly Decision[];
}
