/** How fresh reads are, at the least. */
export const CONSISTENCY_LEVELS = [
  /** As fresh as the replica whose turn it is. */
  'eventual',
  /** With all that the session itself has written. */
  'session',
  /** The same, and never older than what the session has read before. */
  'monotonic',
  /** With all that any session of this proxy had written before the read began. */
  'global',
  /** As the primary has it. */
  'primary',
] as const;
export type Consistency = (typeof CONSISTENCY_LEVELS)[number];

export function isConsistency(text: string): text is Consistency {
  return CONSISTENCY_LEVELS.some((level) => level === text);
}

/**
 * A statement that succeeds once the server has all of a GTID set, and fails when it has not in time: so that a read can be sent right
 * behind it, and its answer dropped.
 */
export function awaitGtids(gtidSet: string, timeoutMs: number): string {
  return `DO IF(WAIT_FOR_EXECUTED_GTID_SET('${gtidSet}',${timeoutMs / 1000})=0,0,(SELECT 1 UNION SELECT 2))`;
}
