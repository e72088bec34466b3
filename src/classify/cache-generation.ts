import type { KnownStatement } from './known-statement.js';

/** What an entry takes beside its text, roughly. */
const ENTRY_BYTES = 128;

interface Entry {
  readonly mode: number;
  /** Of its text in the arena. */
  readonly start: number;
  readonly stop: number;
  readonly found: KnownStatement;
}

/**
 * Statements with their texts in one buffer, found by a hash of the text and compared byte by byte. Two texts of one hash
 * do not stand beside each other: the later one takes the place, so that no choice of texts makes a search long.
 */
export class CacheGeneration {
  readonly #maxBytes: number;
  readonly #entries = new Map<number, Entry>();
  #arena: Buffer | undefined;
  #textBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get statements(): number {
    return this.#entries.size;
  }

  get sizeBytes(): number {
    return this.#textBytes + this.#entries.size * ENTRY_BYTES;
  }

  find(hash: number, mode: number, sql: Buffer, start: number, end: number): KnownStatement | undefined {
    const entry = this.#entries.get(hash);
    if (entry === undefined || entry.mode !== mode || this.#arena === undefined) return undefined;
    return this.#arena.compare(sql, start, end, entry.start, entry.stop) === 0 ? entry.found : undefined;
  }

  /** Returns whether there was room. */
  add(hash: number, mode: number, sql: Buffer, start: number, end: number, found: KnownStatement): boolean {
    if (this.sizeBytes + end - start + ENTRY_BYTES > this.#maxBytes) return false;
    this.#arena ??= Buffer.allocUnsafeSlow(this.#maxBytes);
    const at = this.#textBytes;
    this.#textBytes += sql.copy(this.#arena, at, start, end);
    this.#entries.set(hash, { mode, start: at, stop: this.#textBytes, found });
    return true;
  }

  /** Keeps the buffer for what comes. */
  clear(): void {
    this.#entries.clear();
    this.#textBytes = 0;
  }
}

/** Of all bytes. */
export function hashText(seed: number, sql: Uint8Array, start: number, end: number): number {
  let hash = seed | 0;
  let pos = start;
  for (; pos + 4 <= end; pos += 4) {
    const four =
      (sql[pos] ?? 0) | ((sql[pos + 1] ?? 0) << 8) | ((sql[pos + 2] ?? 0) << 16) | ((sql[pos + 3] ?? 0) << 24);
    hash = (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) + four) | 0;
  }
  for (; pos < end; pos += 1) hash = (Math.imul(hash, 0x297a2d39) + (sql[pos] ?? 0)) | 0;
  return hash;
}
