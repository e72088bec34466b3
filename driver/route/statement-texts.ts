import type { LexMode } from '../../src/classify/classification.js';
import { DigestTable } from '../../src/classify/digest-table.js';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { StatementCache } from '../../src/classify/statement-cache.js';
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

  /** @param trustsTemplates values are put in as mysql2 does it, not by a function of the application's */
  constructor(format: Format, trustsTemplates: boolean) {
    this.#format = format;
    this.#trustsTemplates = trustsTemplates;
    this.#cache = new StatementCache({
      maxBytes: DEFAULTS.statementCacheBytes,
      maxStatementBytes: DEFAULTS.statementCacheEntryBytes,
      digests: this.digests,
    });
  }

  /** @param values that go into the text; undefined where they go apart from it, or there are none */
  find(sql: string, values: unknown, namedPlaceholders: boolean, mode: LexMode): KnownStatement {
    const template = this.#template(sql, mode);
    if (values === undefined && !namedPlaceholders) return template.known;
    if (!namedPlaceholders || Array.isArray(values)) {
      if (template.isPlain && isPlain(values)) return template.known;
    } else if (template.isPlain) {
      if (!NAMED.test(sql)) return template.known;
      if (isPlainRecord(values)) return this.#template(sql.replace(EVERY_NAMED, '?'), mode).known;
    }
    return this.#read(this.#format(sql, values, namedPlaceholders), mode);
  }

  /** One that is prepared: its values never are part of it. */
  findPrepared(sql: string, namedPlaceholders: boolean, mode: LexMode): KnownStatement {
    const template = this.#template(sql, mode);
    if (!namedPlaceholders || !NAMED.test(sql)) return template.known;
    return this.#template(sql.replace(EVERY_NAMED, '?'), mode).known;
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
    return this.#cache.lookup(bytes, 0, bytes.length, ofText);
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
