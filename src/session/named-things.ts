import type { Classification, ClassReason, LexMode, PinReason } from '../classify/classification.js';
import { classify } from '../classify/classify.js';

/** Pins whose causes have names, and end when each of them has been ended by its name. */
const NAMED = ['named-lock', 'handler', 'text-prepared-statement'] as const satisfies readonly PinReason[];
type NamedPin = (typeof NAMED)[number];

/** The class of a statement that may end one of them. */
const ENDED_BY: Readonly<Record<NamedPin, ClassReason>> = {
  'named-lock': 'lock-function',
  handler: 'session-state',
  'text-prepared-statement': 'text-prepared-statement',
};

const NAME = '([\\w$]+|`[^`]+`)';
const STRING = `'([^'\\\\]*)'`;
/** Only the plainest forms are understood. A text of any other form leaves its pin to last. */
const GET_LOCK = new RegExp(
  `^\\s*(?:SELECT|DO)\\s+GET_LOCK\\s*\\(\\s*${STRING}\\s*,\\s*-?[\\d.]+\\s*\\)\\s*;?\\s*$`,
  'i',
);
const RELEASE_LOCK = new RegExp(`^\\s*(?:SELECT|DO)\\s+RELEASE_LOCK\\s*\\(\\s*${STRING}\\s*\\)\\s*;?\\s*$`, 'i');
const OPEN = new RegExp(`^\\s*HANDLER\\s+(?:${NAME}\\.)?${NAME}\\s+OPEN(?:\\s+(?:AS\\s+)?${NAME})?\\s*;?\\s*$`, 'i');
const CLOSE = new RegExp(`^\\s*HANDLER\\s+${NAME}\\s+CLOSE\\s*;?\\s*$`, 'i');
const PREPARE = new RegExp(`^\\s*PREPARE\\s+${NAME}\\s+FROM\\s+${STRING}\\s*;?\\s*$`, 'i');
const EXECUTE = new RegExp(`^\\s*EXECUTE\\s+${NAME}\\s*(?:USING\\s[^;]*)?;?\\s*$`, 'i');
const DEALLOCATE = new RegExp(`^\\s*(?:DEALLOCATE|DROP)\\s+PREPARE\\s+${NAME}\\s*;?\\s*$`, 'i');

/** What a statement that was prepared by text may be for its execution to leave nothing behind. */
const LEAVES_NOTHING: ReadonlySet<ClassReason> = new Set(['read', 'write', 'locking-read']);

/** Whether {@link NamedThings.ran} is to be told of a statement. @param held the session's pins */
export function concernsNamed({ pins, reason }: Classification, held: ReadonlySet<string>): boolean {
  if (pins.length === 0 && held.size === 0) return false;
  return NAMED.some((pin) => pins.includes(pin) || (held.has(pin) && ENDED_BY[pin] === reason));
}

function plainName(name: string): string {
  return (name.startsWith('`') ? name.slice(1, -1) : name).toLowerCase();
}

/**
 * Named locks, handlers and text-prepared statements of a session, as far as they are known by name: when the last one of a kind has
 * been released, closed or deallocated, its pin ends. Counted is what may be there, never less: a lock that was not got, but asked
 * for, is one until it is released.
 */
export class NamedThings {
  readonly #counts: Readonly<Record<NamedPin, Map<string, number>>> = {
    'named-lock': new Map(),
    handler: new Map(),
    'text-prepared-statement': new Map(),
  };
  /** There may be more than is known by name. */
  readonly #uncertain = new Set<NamedPin>();
  /** Texts of prepared statements that leave something behind when they are executed. */
  readonly #leaving = new Set<string>();

  /**
   * A statement ran on the session's connection.
   * @param text undefined where it is not known
   * @returns the pins that have no cause any more
   */
  ran(text: string | undefined, { pins, reason }: Classification, failed: boolean, mode: LexMode): NamedPin[] {
    if (text === undefined || !this.#understands(text, failed, mode)) {
      for (const pin of NAMED) {
        // What only ends some of them, in words that are not understood, leaves it at that.
        if (pins.includes(pin) || (pin === 'text-prepared-statement' && reason === pin)) this.#uncertain.add(pin);
      }
    }
    return NAMED.filter((pin) => !this.#uncertain.has(pin) && this.#counts[pin].size === 0);
  }

  /** The pin has ended for another reason: nothing of its kind is left. */
  ended(pin: PinReason): void {
    const named = NAMED.find((it) => it === pin);
    if (named === undefined) return;
    this.#counts[named].clear();
    this.#uncertain.delete(named);
  }

  #understands(text: string, failed: boolean, mode: LexMode): boolean {
    const lock = GET_LOCK.exec(text)?.[1];
    if (lock !== undefined) {
      if (!failed) this.#add('named-lock', lock.toLowerCase());
      return true;
    }
    const released = RELEASE_LOCK.exec(text)?.[1];
    if (released !== undefined) {
      if (!failed) this.#remove('named-lock', released.toLowerCase());
      return true;
    }
    return this.#understandsHandler(text, failed) || this.#understandsPrepared(text, failed, mode);
  }

  #understandsHandler(text: string, failed: boolean): boolean {
    const [, , table, alias] = OPEN.exec(text) ?? [];
    if (table !== undefined) {
      if (!failed) this.#add('handler', plainName(alias ?? table));
      return true;
    }
    const closed = CLOSE.exec(text)?.[1];
    if (closed !== undefined && !failed) this.#remove('handler', plainName(closed));
    return closed !== undefined;
  }

  #understandsPrepared(text: string, failed: boolean, mode: LexMode): boolean {
    const [, prepared, inner] = PREPARE.exec(text) ?? [];
    if (prepared !== undefined && inner !== undefined) {
      // It takes the place of one of the same name, also when it fails.
      this.#counts['text-prepared-statement'].delete(plainName(prepared));
      if (failed) return true;
      this.#add('text-prepared-statement', plainName(prepared));
      this.#note(plainName(prepared), inner, mode);
      return true;
    }
    const executed = EXECUTE.exec(text)?.[1];
    // What it leaves behind has pins of its own for none of it: the one of the statement has to stay.
    if (executed !== undefined) return !this.#leaving.has(plainName(executed));
    const deallocated = DEALLOCATE.exec(text)?.[1];
    if (deallocated !== undefined && !failed) this.#remove('text-prepared-statement', plainName(deallocated));
    return deallocated !== undefined;
  }

  #note(name: string, inner: string, mode: LexMode): void {
    const sql = Buffer.from(inner, 'latin1');
    const { reason, pins } = classify(sql, 0, sql.length, mode);
    if (LEAVES_NOTHING.has(reason) && pins.length === 0) this.#leaving.delete(name);
    else this.#leaving.add(name);
  }

  #add(pin: NamedPin, name: string): void {
    const counts = this.#counts[pin];
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  #remove(pin: NamedPin, name: string): void {
    const counts = this.#counts[pin];
    const left = (counts.get(name) ?? 0) - 1;
    if (left > 0) counts.set(name, left);
    else counts.delete(name);
  }
}
