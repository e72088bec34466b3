/** Where the servers of a cluster come from. */
export const PROVIDERS = ['container', 'mysqld', 'debian'] as const;
export type ProviderName = (typeof PROVIDERS)[number];

export interface Account {
  readonly user: string;
  readonly password: string;
}

export interface ClusterAccounts {
  /** Everything, also on a server that is read-only to everybody else. */
  readonly root: Account;
  /** What a prober needs to see a server's role and its replication. */
  readonly monitor: Account;
  /** Reads and writes all schemas; bound by `read_only`, as an application's account has to be. */
  readonly app: Account;
  /** Whoever promotes replicas: may change replication and read_only, and writes the journal of primaries. */
  readonly failover: Account;
}

export interface ClusterNode {
  /** `node-1`, `node-2`, … */
  readonly name: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly serverId: number;
  /** SIGKILL: what a power cut is to the clients. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers, what a partition or a hung disk is to the clients. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Starts the server again on the same data, killing it before if it runs. Resolves when it takes logins. */
  restart(): Promise<void>;
  /** The last lines of the server's log. */
  log(): Promise<string>;
}

export interface Cluster {
  readonly provider: ProviderName;
  /** As `SELECT VERSION()` says it. */
  readonly version: string;
  /** The first is the primary at the start, the others its replicas. */
  readonly nodes: readonly [ClusterNode, ...ClusterNode[]];
  readonly accounts: ClusterAccounts;
  /** Takes down all that was started and removes the data. Resolves when the processes are gone. */
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** 2 when absent. */
  readonly replicaCount?: number | undefined;
  /** One for each server, the primary's first; free ones are taken when absent. */
  readonly ports?: readonly number[] | undefined;
  /** Gives up durability for speed: a power cut may lose transactions, a killed server does not. */
  readonly fast?: boolean | undefined;
  /** Every transaction waits until a replica has it: nothing that was acknowledged can be lost with the primary. */
  readonly semiSync?: boolean | undefined;
  /** Only this provider is tried; `RWSPLIT_PROVIDER` says the same from outside. */
  readonly provider?: ProviderName | undefined;
  /** Ends a start that is under way; a cluster that is up is ended by `stop()`. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}
