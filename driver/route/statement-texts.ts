import type { LexMode } from '../../src/classify/classification.js';
import { DigestTable } from '../../src/classify/digest-table.js';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { StatementCache } from '../../src/classify/statement-cache.js';
import { isRuled, type Rules } from '../../src/routing/rules.js';
import type { Session } from '../../src/session/session.js';
import type { KnownRoutines } from '../../src/classify/known-routines.js';
import { namesIn } from '../../src/classify/names.js';
import { DEFAULTS } from '../../src/defaults.js';

/** Where a value that is put in could be read as something else: in a text, a comment or a name. */
const NOT_PLAIN = /['"`#\\]|--|\/\*|\?\?/;
const NAMED = /:[a-z]\w*/i;
const EVERY_NAMED = /:[a-z]\w*/gi;

interface Template {
  readonly known: KnownStatement;
  /** Whatever plain values are put in, each is one literal: the class stays. */
  readonly isPlain: boolean;
}

/** A session, as far as it says what a statement in it is. */
export type TextSession = Pick<Session, 'lexMode' | 'state'>;

/** What of a pool says what its statements are. */
export interface TextSettings {
  readonly user: string;
  readonly rules: Rules;
  readonly routines: KnownRoutines;
  /** A stored routine is called. */
  onCall(): void;
}

/** Puts the values into a text, as the connection would. */
export type Format = (sql: string, values: unknown, namedPlaceholders: boolean) => string;

/**
 * What statements are, by the text that the application wrote: with placeholders, if their values are plain ones, so that it is read
 * once, however many values follow.
 */
export class StatementTexts {
  readonly digests = new DigestTable(DEFAULTS.digests);
  readonly #cache: StatementCache;
  readonly #format: Format;
  readonly #trustsTemplates: boolean;
  #mode: LexMode | undefined;
  #young = new Map<string, Template>();
  #old = new Map<string, Template>();
  readonly #settings: TextSettings;
  /** What rules have made of a statement, in the schema where it was asked for last. */
  #ruled = new WeakMap<KnownStatement, { readonly schema: string; readonly known: KnownStatement }>();

  /** @param trustsTemplates values are put in as mysql2 does it, not by a function of the application's */
  constructor(format: Format, trustsTemplates: boolean, settings: TextSettings) {
    this.#settings = settings;
    this.#format = format;
    this.#trustsTemplates = trustsTemplates;
    this.#cache = new StatementCache({
      maxBytes: DEFAULTS.statementCacheBytes,
      maxStatementBytes: DEFAULTS.statementCacheEntryBytes,
      digests: this.digests,
      routines: settings.routines,
    });
  }

  /** @param values that go into the text; undefined where they go apart from it, or there are none */
  find(sql: string, values: unknown, namedPlaceholders: boolean, session: TextSession): KnownStatement {
    const template = this.#template(sql, session.lexMode);
    if (values === undefined && !namedPlaceholders) return this.#minded(template.known, sql, session);
    if (!namedPlaceholders || Array.isArray(values)) {
      if (template.isPlain && isPlain(values)) return this.#minded(template.known, sql, session);
    } else if (template.isPlain) {
      if (!NAMED.test(sql)) return this.#minded(template.known, sql, session);
      if (isPlainRecord(values)) return this.#unnamed(sql, session);
    }
    const text = this.#format(sql, values, namedPlaceholders);
    return this.#minded(this.#read(text, session.lexMode), text, session);
  }

  /** One that is prepared: its values never are part of it. */
  findPrepared(sql: string, namedPlaceholders: boolean, session: TextSession): KnownStatement {
    if (namedPlaceholders && NAMED.test(sql)) return this.#unnamed(sql, session);
    return this.#minded(this.#template(sql, session.lexMode).known, sql, session);
  }

  /** What is known of stored routines has changed. */
  clear(): void {
    this.#cache.clear();
    this.#young.clear();
    this.#old.clear();
    this.#ruled = new WeakMap();
  }

  #unnamed(sql: string, session: TextSession): KnownStatement {
    const text = sql.replace(EVERY_NAMED, '?');
    return this.#minded(this.#template(text, session.lexMode).known, text, session);
  }

  /** As the rules want it. */
  #minded(known: KnownStatement, sql: string, session: TextSession): KnownStatement {
    const { user, rules } = this.#settings;
    if (rules.isEmpty || !isRuled(known.classification)) return known;
    const { schema } = session.state;
    const before = this.#ruled.get(known);
    if (before?.schema === schema) return before.known;
    const names = (): ReadonlySet<string> => {
      const bytes = Buffer.from(sql, 'utf8');
      return namesIn(bytes, 0, bytes.length, session.lexMode);
    };
    const to = rules.find({ user, schema, digest: known.digest?.hash, names });
    const hinted = to === undefined ? known : this.#read(`/* rwsplit: ${to} */ ${sql}`, session.lexMode);
    const { classification } = hinted;
    const isHint = to !== undefined && classification.reason.startsWith('hint-');
    const ruled = isHint ? { ...hinted, classification: { ...classification, reason: 'rule' as const } } : hinted;
    this.#ruled.set(known, { schema, known: ruled });
    return ruled;
  }

  #template(given: string, mode: LexMode): Template {
    // What is no text at all is mysql2's to complain of.
    const sql = typeof given === 'string' ? given : String(given);
    if (mode !== this.#mode) this.#begin(mode);
    const young = this.#young.get(sql);
    if (young !== undefined) return young;
    const old = this.#old.get(sql);
    const template = old ?? { known: this.#read(sql, mode), isPlain: this.#trustsTemplates && !NOT_PLAIN.test(sql) };
    if (sql.length > DEFAULTS.statementCacheEntryBytes) return template;
    if (this.#young.size >= DEFAULTS.driverTemplates) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(sql, template);
    return template;
  }

  #begin(mode: LexMode): void {
    const known = this.#mode;
    this.#mode = mode;
    if (known !== undefined && sameMode(known, mode)) return;
    this.#young.clear();
    this.#old.clear();
  }

  #read(sql: string, mode: LexMode): KnownStatement {
    const bytes = Buffer.from(sql, 'utf8');
    // mysql2 writes a text in the session's character set: there it has the same characters, whatever bytes those are.
    const ofText = mode.charset === 'other' ? mode : { ...mode, charset: 'other' as const };
    const known = this.#cache.lookup(bytes, 0, bytes.length, ofText);
    const { reason } = known.classification;
    if (reason === 'stored-function' || reason === 'procedure-call') this.#settings.onCall();
    return known;
  }
}

export function sameMode(left: LexMode, right: LexMode): boolean {
  return (
    left === right ||
    (left.ansiQuotes === right.ansiQuotes &&
      left.noBackslashEscapes === right.noBackslashEscapes &&
      left.ignoreSpace === right.ignoreSpace &&
      left.serverVersion === right.serverVersion &&
      left.mariadb === right.mariadb)
  );
}

function isPlain(values: unknown): boolean {
  if (!Array.isArray(values)) return isPlainValue(values);
  for (const value of values) if (!isPlainValue(value)) return false;
  return true;
}

function isPlainRecord(values: unknown): boolean {
  if (typeof values !== 'object' || values === null) return values === undefined;
  return Object.values(values).every(isPlainValue);
}

/** What is put in as one literal. */
function isPlainValue(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
    case 'undefined':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      return value === null || value instanceof Date || Buffer.isBuffer(value);
    default:
      return false;
  }
}
