import type { SessionChange } from '../protocol/session-changes.js';
import type { GtidSet } from '../topology/gtid-set.js';

/**
 * In what servers of one make differ from those of another. Positions are sets of GTIDs everywhere but in what servers are told and
 * tell: of MariaDB's domains each counts as a source, whose transactions are numbered without holes.
 */
export interface Flavour {
  /**
   * Asks the server to tell every change of the session, and makes it tell what a fresh connection has
   * of the variables that clients set most, so that setting them back is recognised.
   */
  readonly trackSession: string;
  /**
   * A statement that succeeds once the server has all of a GTID set, and fails when it has not in time: so that a read can be sent
   * right behind it, and its answer dropped.
   */
  awaitGtids(gtidSet: string, timeoutMs: number): string;
  /** What a change tells of transactions that were committed: GTIDs, with commas. */
  commitsOf(change: SessionChange): string | undefined;
  /**
   * One row: what the server is called, its `version`, whether it is `readOnly`, what it has `executed`; and before that, where servers
   * tell it, what is being `committed` at that moment.
   */
  readonly askNode: string;
  /** @param text what {@link askNode} gives as `executed` */
  parseExecuted(text: string): GtidSet | undefined;
  /** @param text what {@link askNode} gives as `committed` */
  parseCommitted(text: string): GtidSet | undefined;
}

/** What to set to itself, so that the server tells its value. */
export function toItself(...variables: readonly string[]): string {
  return variables.map((name) => `@@session.${name}=@@session.${name}`).join(',');
}

/** Of these the values of a fresh connection are asked for on all servers. */
export const ASKED_FOR = [
  // Setting these two to DEFAULT turns them off, whatever their default is: their value has to be known.
  'foreign_key_checks',
  'unique_checks',
  'autocommit',
  'sql_mode',
  'time_zone',
  'wait_timeout',
  'character_set_client',
  'character_set_results',
  'character_set_connection',
  'collation_connection',
] as const;
