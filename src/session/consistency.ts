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
