import type { Classification, LexMode } from './classification.js';
import { classify } from './classify.js';
import type { KnownFunctions } from './statement-scan.js';

/** What a stored statement takes beside its text, roughly: the map's entry and the string's header. */
const ENTRY_BYTES = 96;

const CHARSETS: Readonly<Record<LexMode['charset'], number>> = {
  other: 0,
  gbk: 1,
  sjis: 2,
  cp932: 3,
  big5: 4,
  gb18030: 5,
};

export interface StatementCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Statements too long to be kept. */
  readonly skipped: number;
  readonly statements: number;
  readonly sizeBytes: number;
}

type Generation = Map<number, Map<string, Classification>>;

/**
 * Remembers the classes of statements by their full text and mode. Two generations: when the young one has half of the
 * bytes it becomes the old one, and the old one is dropped; a hit in the old one moves the statement to the young one. So
 * what is asked for stays, in bounded memory, at the cost of a map's lookup.
 */
export class StatementCache {
  readonly #generationBytes: number;
  readonly #maxStatementBytes: number;
  readonly #functions: KnownFunctions | undefined;
  #young: Generation = new Map();
  #old: Generation = new Map();
  #youngBytes = 0;
  #oldBytes = 0;
  #hits = 0;
  #misses = 0;
  #skipped = 0;

  /**
   * @param options.maxBytes of all statements kept
   * @param options.maxStatementBytes longer ones are classified each time: their classification costs less than their text
   */
  constructor(options: { maxBytes: number; maxStatementBytes: number; functions?: KnownFunctions }) {
    this.#generationBytes = Math.floor(options.maxBytes / 2);
    this.#maxStatementBytes = Math.min(options.maxStatementBytes, this.#generationBytes - ENTRY_BYTES);
    this.#functions = options.functions;
  }

  classify(sql: Buffer, start: number, end: number, mode: LexMode): Classification {
    if (end - start > this.#maxStatementBytes) {
      this.#skipped += 1;
      return classify(sql, start, end, mode, this.#functions);
    }
    const modeKey = modeNumber(mode);
    const text = sql.toString('latin1', start, end);
    const young = this.#young.get(modeKey)?.get(text);
    if (young !== undefined) {
      this.#hits += 1;
      return young;
    }
    const old = this.#old.get(modeKey)?.get(text);
    if (old === undefined) this.#misses += 1;
    else this.#hits += 1;
    const found = old ?? classify(sql, start, end, mode, this.#functions);
    this.#store(modeKey, text, found);
    return found;
  }

  /** Forgets all: to be called when the set of known functions has changed. */
  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#youngBytes = 0;
    this.#oldBytes = 0;
  }

  get stats(): StatementCacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      skipped: this.#skipped,
      statements: countStatements(this.#young) + countStatements(this.#old),
      sizeBytes: this.#youngBytes + this.#oldBytes,
    };
  }

  #store(modeKey: number, text: string, found: Classification): void {
    const size = text.length + ENTRY_BYTES;
    if (this.#youngBytes + size > this.#generationBytes) {
      this.#old = this.#young;
      this.#oldBytes = this.#youngBytes;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    let statements = this.#young.get(modeKey);
    if (statements === undefined) {
      statements = new Map();
      this.#young.set(modeKey, statements);
    }
    statements.set(text, found);
    this.#youngBytes += size;
  }
}

/** A number that no two different modes share. */
function modeNumber(mode: LexMode): number {
  const flags =
    (mode.ansiQuotes ? 1 : 0) +
    (mode.noBackslashEscapes ? 2 : 0) +
    (mode.ignoreSpace === true ? 4 : 0) +
    (mode.mariadb ? 8 : 0) +
    CHARSETS[mode.charset] * 16;
  return mode.serverVersion * 128 + flags;
}

function countStatements(generation: Generation): number {
  let count = 0;
  for (const statements of generation.values()) count += statements.size;
  return count;
}
