/** `error`: something that is promised does not hold. `warning`: it holds, and less well than it could. `hint`: good to know. */
export const SEVERITIES = ['error', 'warning', 'hint'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** For what it matters. */
export type Concern = 'proxy' | 'own-writes' | 'failover' | 'coordination';

/** One thing that is not as it should be. */
export interface Finding {
  readonly severity: Severity;
  readonly concern: Concern;
  /** '' for all of them. */
  readonly node: string;
  /** What is looked at: a variable of the server, a privilege, or a word. */
  readonly check: string;
  readonly is: string;
  readonly should: string;
  readonly why: string;
  /** The statement that mends it, or what else does; '' where there is nothing to be done. */
  readonly mend: string;
}
