import type { Classification, LexMode } from './classification.js';
import { boundsOf, type Hint } from './hint.js';
import { BOUND_TO_CONNECTION, CALLS_STORED_FUNCTION, DOUBTS, outcomeOf, pinsOf, WRITES } from './finding.js';
import { END, Lexer, SEPARATOR } from './lexer.js';
import {
  HINT_PRIMARY,
  HINT_REPLICA,
  MULTI_STATEMENT,
  type Outcome,
  PIN_BITS,
  READ,
  SESSION_STATE,
  UNKNOWN_STATEMENT,
  UNPARSABLE,
} from './outcome.js';
import type { KnownRoutines } from './known-routines.js';
import { StatementScan } from './statement-scan.js';
import { readVerb } from './verbs.js';

const PARENTHESIS = 0x28;

/**
 * Says where a text of one or more statements runs and what it leaves behind. Takes linear time and never throws.
 * @param sql holds the text from `start` to `end`, in the connection's character set
 * @param routines of which it is known what they do
 */
export function classify(
  sql: Uint8Array,
  start: number,
  end: number,
  mode: LexMode,
  routines?: KnownRoutines,
): Classification {
  const lexer = new Lexer(sql, start, end, mode);
  const first = readStatement(lexer, routines);
  if (first === undefined) return lexer.broken ? brokenText(0) : UNKNOWN_STATEMENT.classification(0, 0);
  let statements = 1;
  let pins = pinsIn(first);
  while (lexer.token !== END) {
    const scan = readStatement(lexer, routines);
    if (scan !== undefined) {
      statements += 1;
      pins |= pinsIn(scan);
    }
  }
  if (lexer.broken) return brokenText(pins);
  if (lexer.malformed) return UNPARSABLE.classification(pins, 0);
  // Which of several statements came to run cannot be told from here, so none of them ends a pin.
  if (statements > 1) return MULTI_STATEMENT.classification(pins, 0);
  if (first.asksOwnId) pins &= ~PIN_BITS['connection-id'];
  return lexer.hint === undefined ? resolve(first).classification(pins, first.unpins) : applyHint(first, lexer, pins);
}

/** Should the server take it all the same, it was misread here. */
function brokenText(pins: number): Classification {
  return UNPARSABLE.classification(pins | PIN_BITS['unknown-statement'], 0);
}

/** Reads to the end of the next statement; undefined where there is none before a separator or the end. */
function readStatement(lexer: Lexer, routines: KnownRoutines | undefined): StatementScan | undefined {
  lexer.next();
  const isBare = lexer.token === END || lexer.token === SEPARATOR;
  if (isBare && lexer.skipped === 0) return undefined;
  const scan = new StatementScan(lexer, routines);
  if (isBare || (lexer.before !== 0 && lexer.before !== PARENTHESIS)) {
    scan.outcome = UNKNOWN_STATEMENT;
    scan.takeRest();
    return scan;
  }
  readVerb(scan);
  if (scan.isPrefix) {
    readVerb(scan);
    if (scan.outcome === READ) scan.outcome = SESSION_STATE;
  }
  scan.takeRest();
  if ((scan.found & WRITES) !== 0) scan.found &= ~CALLS_STORED_FUNCTION;
  return scan;
}

function pinsIn(scan: StatementScan): number {
  return scan.pins | pinsOf(scan.found);
}

function resolve(scan: StatementScan): Outcome {
  const bound = scan.found & BOUND_TO_CONNECTION;
  if (bound !== 0) return outcomeOf(bound);
  return scan.outcome === READ ? outcomeOf(scan.found) : scan.outcome;
}

/** A hint moves reads only, and to a replica only those that are plain or doubtful. */
function applyHint(scan: StatementScan, lexer: Lexer, pins: number): Classification {
  const outcome = resolve(scan);
  const { hint } = lexer;
  const { transaction } = scan.outcome;
  if (hint !== undefined && transaction !== undefined && transaction !== 'sets-autocommit')
    return hintTransaction(scan, hint, pins);
  const isMovable = scan.outcome === READ && (scan.found & ~DOUBTS) === 0;
  if (hint === undefined || !isMovable) return outcome.classification(pins, scan.unpins);
  switch (hint.kind) {
    case 'primary':
      return outcome === READ ? HINT_PRIMARY.classification(0, 0) : outcome.classification(pins, scan.unpins);
    case 'replica':
      return bounded(HINT_REPLICA.classification(0, 0), hint);
    case 'any':
      return outcome === READ ? bounded(READ.classification(0, 0), hint) : outcome.classification(pins, scan.unpins);
    case 'node':
      return bounded({ target: 'replica', reason: 'hint-node', pins: NO_PINS, unpins: NO_PINS, node: hint.node }, hint);
  }
}

/** A read-only transaction may be asked to the primary, or to a replica of one's own choice. */
function hintTransaction(scan: StatementScan, hint: Hint, pins: number): Classification {
  const found = scan.outcome.classification(pins, scan.unpins);
  switch (hint.kind) {
    case 'primary':
      return HINT_PRIMARY.classification(pins, scan.unpins);
    case 'any':
    case 'replica':
      return bounded(found, hint);
    case 'node':
      return bounded({ ...found, node: hint.node }, hint);
  }
}

/** With what a hint holds it to. */
function bounded(classification: Classification, hint: Hint): Classification {
  return Object.freeze({ ...classification, ...boundsOf(hint) });
}

const NO_PINS: readonly never[] = Object.freeze([]);
