import type { Command } from '../failover/task.js';

/** How a node is to come by what its new source has, where it has never been a replica. Secret. */
export interface ReplicationAccount {
  readonly user: string;
  readonly password: string;
  /** Replicas talk TLS to their sources. */
  readonly tls: boolean;
}

export interface HaAccounts {
  /** Who does all this: another node lets it in, too. Secret. */
  readonly own: { readonly user: string; readonly password: string };
  readonly replication: ReplicationAccount | undefined;
}

/** A statement, and what its first row has to say: any, or `ok` in its first column; or its rows are connections' ids, and these are ended. */
export interface HaStatement {
  readonly sql: string;
  readonly expectsOk?: true;
  readonly endsClients?: true;
}

/** What a failover says to servers of one make. */
export interface FailoverStatements {
  /** Statements in their order, each sent when the one before has succeeded. @throws Error where it lacks the replication account */
  of(command: Command, accounts: HaAccounts): readonly HaStatement[];
  /** Where no journal of primaries is yet. */
  readonly makeJournal: readonly string[];
}
