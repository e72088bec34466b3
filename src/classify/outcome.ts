import type { Classification, ClassReason, PinReason, Target, TransactionPart } from './classification.js';

/** Each pin as a bit, so that a set of pins is a number while a statement is read. */
export const PIN_BITS: Readonly<Record<PinReason, number>> = {
  'temporary-table': 1 << 0,
  'table-lock': 1 << 1,
  'instance-lock': 1 << 2,
  'named-lock': 1 << 3,
  'service-lock': 1 << 4,
  'user-variable': 1 << 5,
  'text-prepared-statement': 1 << 6,
  handler: 1 << 7,
  xa: 1 << 8,
  'found-rows': 1 << 9,
  'stored-function': 1 << 10,
  'next-transaction': 1 << 11,
  'one-shot-variable': 1 << 12,
  role: 1 << 13,
  'resource-group': 1 << 14,
  'unknown-statement': 1 << 15,
  'connection-id': 1 << 16,
};
const PINS: readonly PinReason[] = Object.keys(PIN_BITS).filter(isPin);
/** One more than the largest set of pins. */
const PIN_SETS = 1 << PINS.length;
/** Sets of pins that are kept for sharing, for each outcome: far more than ever occur, unless on purpose. */
const MAX_VARIANTS = 256;

function isPin(name: string): name is PinReason {
  return name in PIN_BITS;
}

function pinsOf(bits: number): readonly PinReason[] {
  return Object.freeze(PINS.filter((pin) => (bits & PIN_BITS[pin]) !== 0));
}

/** A target and its reason. Its classifications are frozen and shared. */
export class Outcome {
  readonly target: Target;
  readonly reason: ClassReason;
  readonly transaction: TransactionPart | undefined;
  readonly #leavesNothing: boolean;
  readonly #plain: Classification;
  readonly #variants = new Map<number, Classification>();

  constructor(target: Target, reason: ClassReason, transaction?: TransactionPart, leavesNothing = false) {
    this.target = target;
    this.reason = reason;
    this.transaction = transaction;
    this.#leavesNothing = leavesNothing;
    this.#plain = this.#make(0, 0);
  }

  /** @param pins and `unpins`: sets of PIN_BITS */
  classification(pins: number, unpins: number): Classification {
    if (pins === 0 && unpins === 0) return this.#plain;
    const key = pins * PIN_SETS + unpins;
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    const made = this.#make(pins, unpins);
    if (this.#variants.size < MAX_VARIANTS) this.#variants.set(key, made);
    return made;
  }

  #make(pins: number, unpins: number): Classification {
    const { target, reason, transaction } = this;
    const found: Classification = {
      target,
      reason,
      pins: pinsOf(pins),
      unpins: pinsOf(unpins),
      ...(transaction === undefined ? undefined : { transaction }),
      ...(this.#leavesNothing ? { leavesNothing: true } : undefined),
    };
    return Object.freeze(found);
  }
}

export const READ = new Outcome('replica', 'read');
export const HINT_REPLICA = new Outcome('replica', 'hint-replica');
export const READ_ONLY_TRANSACTION = new Outcome('primary', 'read-only-transaction', 'opens-read-only');
export const TRANSACTION_BEGIN = new Outcome('primary', 'transaction-control', 'opens');
export const READ_WRITE_TRANSACTION = new Outcome('primary', 'transaction-control', 'opens-read-write');
export const WITHIN_TRANSACTION = new Outcome('primary', 'transaction-control', 'within');
export const NEXT_READ_ONLY = new Outcome('primary', 'transaction-control', 'next-read-only');
export const NEXT_READ_WRITE = new Outcome('primary', 'transaction-control', 'next-read-write');
export const NEXT_ISOLATION = new Outcome('primary', 'transaction-control', 'next-isolation');
export const DIAGNOSTICS = new Outcome('last', 'diagnostics');
export const LAST_INSERT_ID = new Outcome('last', 'last-insert-id');
export const ROW_COUNT = new Outcome('last', 'row-count');
export const FOUND_ROWS = new Outcome('last', 'found-rows');
export const CALC_FOUND_ROWS = new Outcome('primary', 'found-rows');
export const SETS_LAST_INSERT_ID = new Outcome('primary', 'last-insert-id');
export const WRITE = new Outcome('primary', 'write');
export const DDL = new Outcome('primary', 'ddl');
export const LOCKING_READ = new Outcome('primary', 'locking-read');
export const SELECT_INTO = new Outcome('primary', 'select-into');
export const TRANSACTION_CONTROL = new Outcome('primary', 'transaction-control');
export const SESSION_STATE = new Outcome('primary', 'session-state');
export const SETS_AUTOCOMMIT = new Outcome('primary', 'session-state', 'sets-autocommit');
export const USER_VARIABLE = new Outcome('primary', 'user-variable');
export const LOCK_FUNCTION = new Outcome('primary', 'lock-function');
export const CONNECTION_ID = new Outcome('primary', 'connection-id');
export const STORED_FUNCTION = new Outcome('primary', 'stored-function');
export const SIDE_EFFECT_FUNCTION = new Outcome('primary', 'side-effect-function');
export const KNOWN_FUNCTION = new Outcome('primary', 'stored-function', undefined, true);
export const PROCEDURE_CALL = new Outcome('primary', 'procedure-call');
export const KNOWN_PROCEDURE = new Outcome('primary', 'procedure-call', undefined, true);
export const TEXT_PREPARED_STATEMENT = new Outcome('primary', 'text-prepared-statement');
export const MULTI_STATEMENT = new Outcome('primary', 'multi-statement');
export const SERVER_SPECIFIC = new Outcome('primary', 'server-specific');
export const ADMINISTRATION = new Outcome('primary', 'administration');
export const EXPLAIN_OF_WRITE = new Outcome('primary', 'explain-of-write');
export const EXPLAIN_ANALYZE = new Outcome('primary', 'explain-analyze');
export const TEMPORARY_TABLE = new Outcome('primary', 'temporary-table');
export const HINT_PRIMARY = new Outcome('primary', 'hint-primary');
export const UNKNOWN_STATEMENT = new Outcome('primary', 'unknown-statement');
export const UNPARSABLE = new Outcome('primary', 'unparsable');
