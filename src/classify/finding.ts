import type { PinReason } from './classification.js';
import * as outcome from './outcome.js';

/** What was met in a statement's body: a bit each. The lowest one found decides about a statement that begins as a read. */
export const READS_LAST_INSERT_ID = 1 << 0;
export const READS_ROW_COUNT = 1 << 1;
export const WRITES = 1 << 2;
export const LOCKS_ROWS = 1 << 3;
export const SELECTS_INTO = 1 << 4;
export const ASSIGNS_VARIABLE = 1 << 5;
export const TAKES_NAMED_LOCK = 1 << 6;
export const TAKES_SERVICE_LOCK = 1 << 7;
export const CALLS_LOCK_FUNCTION = 1 << 8;
export const HAS_SIDE_EFFECT = 1 << 9;
export const SETS_LAST_INSERT_ID = 1 << 10;
export const COUNTS_FOUND_ROWS = 1 << 11;
export const CALLS_STORED_FUNCTION = 1 << 12;
export const READS_VARIABLE = 1 << 13;
export const READS_CONNECTION_ID = 1 << 14;
export const READS_FOUND_ROWS = 1 << 15;
export const READS_DIAGNOSTICS = 1 << 16;
export const IS_SERVER_SPECIFIC = 1 << 17;
/** A stored function that is known to write, and to leave nothing on its connection. */
export const CALLS_KNOWN_WRITER = 1 << 18;

/** These decide about writes too: they are right on one connection only, and that is one to the primary. */
export const BOUND_TO_CONNECTION = READS_LAST_INSERT_ID | READS_ROW_COUNT;
/** A hint can send a read with one of these to a replica: the user knows the function, or means that server. */
export const DOUBTS = CALLS_STORED_FUNCTION | IS_SERVER_SPECIFIC;

interface Finding {
  readonly bit: number;
  readonly outcome: outcome.Outcome;
  readonly pin?: PinReason;
}

const FINDINGS: readonly Finding[] = [
  { bit: READS_LAST_INSERT_ID, outcome: outcome.LAST_INSERT_ID },
  { bit: READS_ROW_COUNT, outcome: outcome.ROW_COUNT },
  { bit: WRITES, outcome: outcome.WRITE },
  { bit: LOCKS_ROWS, outcome: outcome.LOCKING_READ },
  { bit: SELECTS_INTO, outcome: outcome.SELECT_INTO },
  { bit: ASSIGNS_VARIABLE, outcome: outcome.USER_VARIABLE, pin: 'user-variable' },
  { bit: TAKES_NAMED_LOCK, outcome: outcome.LOCK_FUNCTION, pin: 'named-lock' },
  { bit: TAKES_SERVICE_LOCK, outcome: outcome.SIDE_EFFECT_FUNCTION, pin: 'service-lock' },
  { bit: CALLS_LOCK_FUNCTION, outcome: outcome.LOCK_FUNCTION },
  { bit: HAS_SIDE_EFFECT, outcome: outcome.SIDE_EFFECT_FUNCTION },
  { bit: SETS_LAST_INSERT_ID, outcome: outcome.SETS_LAST_INSERT_ID },
  { bit: COUNTS_FOUND_ROWS, outcome: outcome.CALC_FOUND_ROWS, pin: 'found-rows' },
  { bit: CALLS_STORED_FUNCTION, outcome: outcome.STORED_FUNCTION, pin: 'stored-function' },
  { bit: CALLS_KNOWN_WRITER, outcome: outcome.KNOWN_FUNCTION },
  { bit: READS_VARIABLE, outcome: outcome.USER_VARIABLE },
  { bit: READS_CONNECTION_ID, outcome: outcome.CONNECTION_ID, pin: 'connection-id' },
  { bit: READS_FOUND_ROWS, outcome: outcome.FOUND_ROWS },
  { bit: READS_DIAGNOSTICS, outcome: outcome.DIAGNOSTICS },
  { bit: IS_SERVER_SPECIFIC, outcome: outcome.SERVER_SPECIFIC },
];

/** The outcome of the first finding in a set; that of a plain read if there is none. */
export function outcomeOf(found: number): outcome.Outcome {
  if (found === 0) return outcome.READ;
  return FINDINGS.find(({ bit }) => (found & bit) !== 0)?.outcome ?? outcome.READ;
}

/** The pins of a set of findings, as PIN_BITS. */
export function pinsOf(found: number): number {
  if (found === 0) return 0;
  let pins = 0;
  // Where another finding decides, nothing else would say that it may write.
  if ((found & CALLS_KNOWN_WRITER) !== 0 && outcomeOf(found) !== outcome.KNOWN_FUNCTION) {
    pins |= outcome.PIN_BITS['stored-function'];
  }
  for (const { bit, pin } of FINDINGS) {
    if (pin !== undefined && (found & bit) !== 0) pins |= outcome.PIN_BITS[pin];
  }
  return pins;
}
