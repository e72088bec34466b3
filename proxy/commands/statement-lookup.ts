import type { Classification } from '../../src/classify/classification.js';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { namesIn } from '../../src/classify/names.js';
import type { StatementCache } from '../../src/classify/statement-cache.js';
import type { KnownRoutines } from '../../src/classify/known-routines.js';
import { isRuled, type Rules } from '../../src/routing/rules.js';
import type { Session } from '../../src/session/session.js';
import { COMMAND_CLASS } from '../command-classes.js';

/** With what a client's statements are looked up. */
export interface LookupContext {
  readonly user: string;
  readonly statements: StatementCache;
  readonly rules: Rules;
  /** Stored functions that are known may read a temporary table unseen. */
  readonly routines: KnownRoutines;
}

/** What a session's statements are: by their text, the rules for it, and the session's temporary tables. */
export class StatementLookup {
  readonly #session: Session;
  readonly #user: string;
  readonly #cache: StatementCache;
  readonly #rules: Rules;
  readonly #routines: KnownRoutines;

  constructor(session: Session, { user, statements, rules, routines }: LookupContext) {
    this.#session = session;
    this.#user = user;
    this.#cache = statements;
    this.#rules = rules;
    this.#routines = routines;
  }

  /** @param hint of an attribute: it counts as a comment before the text does */
  find(payload: Buffer, start: number, hint = ''): KnownStatement {
    const { lexMode } = this.#session;
    if (hint !== '') return this.#findHinted(payload, start, hint);
    const known = this.#cache.lookup(payload, start, payload.length, lexMode);
    if (this.#rules.isEmpty || !isRuled(known.classification)) return known;
    return this.#applyRules(known, payload, start);
  }

  /** A read of a temporary table of the session is none of its class: the table is on one connection. */
  minded(classification: Classification, body: Buffer, start = 0): Classification {
    const { temporaryTables, lexMode } = this.#session;
    if (temporaryTables.isEmpty || classification.target !== 'replica') return classification;
    return temporaryTables.isNamedIn(body.subarray(start), lexMode, this.#routines)
      ? COMMAND_CLASS.temporaryTable
      : classification;
  }

  #findHinted(payload: Buffer, start: number, hint: string): KnownStatement {
    const text = Buffer.concat([Buffer.from(`/* rwsplit: ${hint} */`, 'utf8'), payload.subarray(start)]);
    return this.#cache.lookup(text, 0, text.length, this.#session.lexMode);
  }

  #applyRules(known: KnownStatement, payload: Buffer, start: number): KnownStatement {
    const { lexMode, state } = this.#session;
    const to = this.#rules.find({
      user: this.#user,
      schema: state.schema,
      digest: known.digest?.hash,
      names: () => namesIn(payload, start, payload.length, lexMode),
    });
    if (to === undefined) return known;
    const hinted = this.#findHinted(payload, start, to);
    if (!hinted.classification.reason.startsWith('hint-')) return hinted;
    return { ...hinted, classification: { ...hinted.classification, reason: 'rule' } };
  }
}
