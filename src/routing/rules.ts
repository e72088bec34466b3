import type { Classification } from '../classify/classification.js';
import { CONSISTENCY_LEVELS } from '../session/consistency.js';

const RULE_PART = `(?:primary|replica|node=[\\w.:-]+|consistency=(?:${CONSISTENCY_LEVELS.join('|')})|max_lag_ms=\\d{1,9})`;
/** What a rule may say: a hint's words. */
export const RULE_TARGET = new RegExp(`^${RULE_PART}(?:,${RULE_PART})*$`);

/** What a user says of where reads go: all that is given has to fit. */
export interface Rule {
  /** Who is logged in. */
  readonly user?: string | undefined;
  /** The session's default schema. */
  readonly schema?: string | undefined;
  /** `table` or `schema.table`: a name that the statement has in it. */
  readonly table?: string | undefined;
  /** As `rwsplit explain` and SHOW RWSPLIT DIGESTS tell it. */
  readonly digest?: string | undefined;
  /** In the words of a hint. */
  readonly to: string;
}

/** A statement, as rules look at it. */
export interface Ruled {
  readonly user: string;
  readonly schema: string;
  readonly digest: string | undefined;
  /** All names in it, in lower case; asked for only where a rule is about a table. */
  names(): ReadonlySet<string>;
}

/** The user's own rules, in order. They are hints that nobody had to write into the statements: like those, they move no write. */
export class Rules {
  readonly #rules: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    // Names in statements are bytes.
    this.#rules = rules.map((rule) => ({
      ...rule,
      table: rule.table === undefined ? undefined : Buffer.from(rule.table, 'utf8').toString('latin1').toLowerCase(),
    }));
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** @returns what the first rule that fits asks for */
  find(ruled: Ruled): string | undefined {
    return this.#rules.find((rule) => fits(rule, ruled))?.to;
  }
}

/** Whether a rule may say anything of a statement. What it says itself, in a hint, outweighs every rule. */
export function isRuled({ target, reason, transaction, consistency, maxLagMs }: Classification): boolean {
  if (reason.startsWith('hint-') || consistency !== undefined || maxLagMs !== undefined) return false;
  if (transaction === 'opens' || transaction === 'opens-read-only') return true;
  return target === 'replica' || reason === 'stored-function' || reason === 'server-specific';
}

function fits({ user, schema, table, digest }: Rule, ruled: Ruled): boolean {
  if (user !== undefined && user !== ruled.user) return false;
  if (schema !== undefined && schema !== ruled.schema) return false;
  if (digest !== undefined && digest !== ruled.digest) return false;
  return table === undefined || namesTable(table, ruled);
}

function namesTable(table: string, ruled: Ruled): boolean {
  const names = ruled.names();
  if (names.has(table)) return true;
  const dot = table.indexOf('.');
  return dot > 0 && table.slice(0, dot) === ruled.schema.toLowerCase() && names.has(table.slice(dot + 1));
}
