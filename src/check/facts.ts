import type { Policy } from '../failover/durability.js';
import type { SemiSyncState } from '../failover/view.js';

/** How somebody came in on a node. */
export interface LoginFacts {
  readonly user: string;
  /** Why not; undefined where the login succeeded. */
  readonly refusal: string | undefined;
  /** What `SHOW GRANTS` says. */
  readonly grants: readonly string[];
}

/** What a replica says of how it replicates. */
export interface ReplicaFacts {
  readonly source: string;
  readonly sourceUuid: string;
  readonly receives: boolean;
  readonly applies: boolean;
  readonly error: string;
  /** It asks its source for what it lacks, by GTIDs. */
  readonly autoPosition: boolean;
  readonly retryCount: number;
  /** undefined where it does not tell. */
  readonly heartbeatMs: number | undefined;
}

/** One server, as it was found. */
export interface NodeFacts {
  readonly name: string;
  readonly monitor: LoginFacts;
  /** Undefined where nobody promotes, or it is the monitor's account. */
  readonly failover: LoginFacts | undefined;
  /** Those whose passwords are known. */
  readonly apps: readonly LoginFacts[];
  /** Of the replicas' account; undefined where it is not known. */
  readonly replication: LoginFacts | undefined;
  /** Undefined where nobody could look. */
  readonly server: ServerFacts | undefined;
}

export interface ServerFacts {
  readonly make: 'mysql' | 'mariadb';
  readonly version: string;
  readonly uuid: string;
  /** `SHOW GLOBAL VARIABLES`. */
  readonly variables: ReadonlyMap<string, string>;
  /** Variables that were set while it runs: what they are after a restart is not said by what they are now. */
  readonly dynamic: ReadonlySet<string> | undefined;
  /** What is persisted, and counts from the next start on; undefined where it is not told. */
  readonly persisted: ReadonlyMap<string, string> | undefined;
  readonly replica: ReplicaFacts | undefined;
  /** Undefined where its plugins are not loaded. */
  readonly semiSync: SemiSyncState | undefined;
  readonly hasClonePlugin: boolean;
  /** Why it does not tell of changes of sessions; undefined where it does. */
  readonly trackerRefusal: string | undefined;
  /** The server tells who else is logged in, and with which attributes. */
  readonly tellsAttributes: boolean;
}

/** What the configuration says. */
export interface CheckSettings {
  readonly coordinator: 'follow' | 'alone' | 'etcd' | 'mysql-locks';
  readonly policy: Policy;
  readonly rebuilds: boolean;
  /** Servers that it names: others were found. */
  readonly named: readonly string[];
  /** The replicas' account is named in it. */
  readonly namesReplication: boolean;
}

/** A cluster at one moment. */
export interface ClusterFacts {
  readonly settings: CheckSettings;
  readonly nodes: readonly NodeFacts[];
}
