import { CacheGeneration, hashText } from './cache-generation.js';
import type { Classification, LexMode } from './classification.js';
import { classify } from './classify.js';
import { connectionStatementOf, MAX_CONNECTION_STATEMENT, type ConnectionStatement } from './connection-statement.js';
import { digestOf } from './digest.js';
import type { DigestTable } from './digest-table.js';
import type { KnownStatement } from './known-statement.js';
import { mayBeSetting, ownStatementOf } from './own-statement.js';
import type { KnownRoutines } from './known-routines.js';
import { latin1Text } from './text.js';

const CHARSETS: Readonly<Record<LexMode['charset'], number>> = {
  other: 0,
  gbk: 1,
  sjis: 2,
  cp932: 3,
  big5: 4,
  gb18030: 5,
};

/** What comes later in a statement is rarely more than further rows; MySQL's own digests stop earlier. */
const DIGESTED_BYTES = 4096;

export interface StatementCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Statements too long to be kept. */
  readonly skipped: number;
  readonly statements: number;
  readonly sizeBytes: number;
}

/**
 * Remembers the classes and digests of statements by their full text and mode. When the young one of two generations is full, the old
 * one is emptied and becomes the young one; a statement found in the old one is taken over into the young one. So what is
 * asked for stays, in bounded memory.
 */
export class StatementCache {
  readonly #maxStatementBytes: number;
  readonly #routines: KnownRoutines | undefined;
  readonly #digests: DigestTable;
  #young: CacheGeneration;
  #old: CacheGeneration;
  #hits = 0;
  #misses = 0;
  #skipped = 0;

  /**
   * @param options.maxBytes of all statements kept
   * @param options.maxStatementBytes longer ones are classified each time
   * @param options.digests where each statement that is asked for gets an entry
   * @param options.routines stored routines of which it is known what they do
   */
  constructor(options: {
    maxBytes: number;
    maxStatementBytes: number;
    digests: DigestTable;
    routines?: KnownRoutines;
  }) {
    const generationBytes = Math.floor(options.maxBytes / 2);
    this.#young = new CacheGeneration(generationBytes);
    this.#old = new CacheGeneration(generationBytes);
    this.#maxStatementBytes = options.maxStatementBytes;
    this.#routines = options.routines;
    this.#digests = options.digests;
  }

  lookup(sql: Buffer, start: number, end: number, mode: LexMode): KnownStatement {
    if (end - start > this.#maxStatementBytes) {
      this.#skipped += 1;
      return this.#read(sql, start, end, mode);
    }
    const modeKey = modeNumber(mode);
    const hash = hashText(modeKey, sql, start, end);
    const young = this.#young.find(hash, modeKey, sql, start, end);
    if (young !== undefined) {
      this.#hits += 1;
      return young;
    }
    const old = this.#old.find(hash, modeKey, sql, start, end);
    if (old === undefined) this.#misses += 1;
    else this.#hits += 1;
    const found = old ?? this.#read(sql, start, end, mode);
    if (!this.#young.add(hash, modeKey, sql, start, end, found)) {
      this.#renew();
      this.#young.add(hash, modeKey, sql, start, end, found);
    }
    return found;
  }

  /** Forgets all: to be called when the known routines have changed. */
  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }

  get stats(): StatementCacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      skipped: this.#skipped,
      statements: this.#young.statements + this.#old.statements,
      sizeBytes: this.#young.sizeBytes + this.#old.sizeBytes,
    };
  }

  #read(sql: Buffer, start: number, end: number, mode: LexMode): KnownStatement {
    const classification = classify(sql, start, end, mode, this.#routines);
    const stop = Math.min(end, start + DIGESTED_BYTES);
    const digest = digestOf(sql, start, stop, mode, stop < end);
    // A token may be long.
    const text = stop < end && mayBeSetting(sql, start, end) ? digestOf(sql, start, end, mode).text : digest.text;
    const own = ownStatementOf(text, sql, start, end, mode);
    return {
      classification,
      digest: own === undefined ? this.#digests.entryOf(digest) : undefined,
      own,
      ofConnection: ofConnection(classification, sql, start, end, mode),
    };
  }

  #renew(): void {
    const emptied = this.#old;
    emptied.clear();
    this.#old = this.#young;
    this.#young = emptied;
  }
}

function ofConnection(
  { reason }: Classification,
  sql: Buffer,
  start: number,
  end: number,
  mode: LexMode,
): ConnectionStatement | undefined {
  if (reason !== 'connection-id' && reason !== 'administration') return undefined;
  return end - start > MAX_CONNECTION_STATEMENT ? undefined : connectionStatementOf(latin1Text(sql, start, end), mode);
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
