import type { Command, Position } from '../failover/task.js';

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

/** Columns of an answer's first row. */
export type Told = Readonly<Record<string, unknown>>;

/** A statement, and what its first row has to say; or its rows are connections' ids, and these are ended. */
export interface HaStatement {
  /** May depend on what the statements of the same command before it have told. */
  readonly sql: string | ((told: Told) => string);
  /** Whether it says what it has to. Any will do when absent. */
  readonly holds?: (row: Told) => boolean;
  readonly endsClients?: true;
}

/** What a failover says to servers of one make. */
export interface FailoverStatements {
  /** Statements in their order, each sent when the one before has succeeded. @throws Error where it lacks the replication account */
  of(command: Command, accounts: HaAccounts): readonly HaStatement[];
  /** By the answers to `read-position`. @throws Error where it cannot be read */
  positionOf(told: Told): Position;
  /** Where no journal of primaries is yet. */
  readonly makeJournal: readonly string[];
  /** Asks a replica with which account it replicates. */
  readonly askAccount: string;
  accountOf(row: Told): ReplicationAccount;
  /** Why no node's data can be replaced by those of another one; undefined where they can. */
  readonly lacksClone: string | undefined;
}

/** In sessions whose SQL mode is empty. */
export function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
