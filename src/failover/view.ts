import type { GtidSet } from '../topology/gtid-set.js';

/** Whether a node may become the primary: what its operator thinks of it. */
export const PREFERENCES = ['prefer', 'neutral', 'prefer-not', 'must-not'] as const;
export type Preference = (typeof PREFERENCES)[number];

/** How its last look ended. `full`: it is there, but lets nobody in. `refused`: nothing listens there. */
export type Reach = 'answers' | 'full' | 'silent' | 'refused';

/** A node as a replica. */
export interface ReplicaState {
  readonly sourceHost: string;
  readonly sourcePort: number;
  readonly sourceUuid: string;
  /** What has come from its source, applied or not, since it follows it. */
  readonly received: GtidSet;
  readonly receiver: 'on' | 'connecting' | 'off';
  /** Of the receiver's last failure; 0 for none. */
  readonly receiverErrno: number;
  /** For so long nothing has come from its source, heartbeats among it. */
  readonly quietForMs: number;
  /** When it has certainly heard of its source, at the least: `quietForMs` counts from when that was seen. */
  readonly heardAtMs: number;
  readonly heartbeatMs: number;
  readonly applies: boolean;
  /** Why it does not apply; '' for no error. */
  readonly applierError: string;
  /** SOURCE_DELAY. */
  readonly delayS: number;
}

/** What it says of semi-synchronous replication. */
export interface SemiSyncState {
  readonly sourceEnabled: boolean;
  /** It waits for acknowledgements now: it has not fallen back to asynchronous replication. */
  readonly sourceActive: boolean;
  /** AFTER_SYNC: nobody sees a transaction before it is acknowledged. */
  readonly waitsAfterSync: boolean;
  /** It goes on waiting while too few replicas are connected. */
  readonly waitsWithoutReplicas: boolean;
  readonly timeoutMs: number;
  /** So many replicas have to acknowledge a transaction. */
  readonly acknowledgements: number;
  /** Replicas that are connected and acknowledge. */
  readonly clients: number;
  /** Transactions that wait for acknowledgements now. */
  readonly waiting: number;
  readonly replicaEnabled: boolean;
}

/** What is known of a node for the sake of a failover. */
export interface NodeState {
  readonly name: string;
  /** By which other servers reach it, as far as that is known: `source-address.ts`. */
  readonly host: string;
  readonly port: number;
  /** What it says itself of that (`report_host`); undefined where it says nothing. */
  readonly reported?: { readonly host: string; readonly port: number } | undefined;
  readonly reach: Reach;
  /** Why it does not answer; '' where it does. */
  readonly why: string;
  /** Since when it has not answered; undefined where it does. */
  readonly failingSinceMs: number | undefined;
  /** It may have been told from whom to receive since it answered last: whom it follows by now is not known. */
  readonly isOutdated?: boolean | undefined;
  /** When it answered last. What follows is from then. */
  readonly seenAtMs: number;
  readonly serverUuid: string;
  readonly version: string;
  readonly readOnly: boolean;
  readonly offline: boolean;
  readonly executed: GtidSet;
  /** Where data from a backup tell of less than the server's own binary log: what that knows of. */
  readonly logged?: GtidSet | undefined;
  /** Where what waits for its acknowledgement counts as executed: what of it was certainly acknowledged. */
  readonly acknowledged?: GtidSet | undefined;
  readonly replica: ReplicaState | undefined;
  readonly semiSync: SemiSyncState | undefined;
  /** It can be a source: `words.ts` has what it takes. */
  readonly canBeSource: boolean;
  readonly preference: Preference;
}

/** The cluster at one moment, as one party sees it. Immutable. */
export interface ClusterView {
  readonly nowMs: number;
  /** Who is the primary, by all that is known; its state is what it was when it answered last. */
  readonly primary: NodeState | undefined;
  /** All others that have ever answered. */
  readonly others: readonly NodeState[];
}

/** What a node has of the cluster's transactions, applied or not. */
export function positionOf({ executed, replica }: Pick<NodeState, 'executed' | 'replica'>): GtidSet {
  return replica === undefined ? executed : executed.union(replica.received);
}

/** Whether a node replicates directly from another. */
export function follows({ replica }: NodeState, source: NodeState): boolean {
  if (replica === undefined) return false;
  if (replica.sourceUuid !== '') return replica.sourceUuid === source.serverUuid;
  return [source, source.reported].some((it) => replica.sourceHost === it?.host && replica.sourcePort === it.port);
}
