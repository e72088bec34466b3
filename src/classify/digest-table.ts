import type { Digest } from './digest.js';

/** How often statements of a digest ran on a node for a reason. */
export interface DigestCount {
  readonly node: string;
  readonly target: string;
  readonly reason: string;
  statements: number;
  /** How many of them the node refused because they write. */
  refused: number;
}

/** What became of the statements of one digest. */
export class DigestEntry implements Digest {
  readonly hash: string;
  readonly text: string;
  /** As many as there are nodes and reasons: few enough that a search is a glance. */
  readonly #counts: DigestCount[] = [];
  /** A replica refused one of them: they go to the primary. */
  refusedByReplica = false;

  constructor({ hash, text }: Digest) {
    this.hash = hash;
    this.text = text;
  }

  get counts(): readonly DigestCount[] {
    return this.#counts;
  }

  ran(node: string, target: string, reason: string): void {
    this.#count(node, target, reason).statements++;
  }

  refused(node: string, target: string, reason: string): void {
    this.#count(node, target, reason).refused++;
  }

  #count(node: string, target: string, reason: string): DigestCount {
    for (const count of this.#counts) {
      if (count.reason === reason && count.node === node && count.target === target) return count;
    }
    const count = { node, target, reason, statements: 0, refused: 0 };
    this.#counts.push(count);
    return count;
  }
}

/** One entry for each digest, up to a number of them; those that come later share one. Entries stay: what was handed out counts on. */
export class DigestTable {
  readonly #max: number;
  readonly #byHash = new Map<string, DigestEntry>();
  readonly #others = new DigestEntry({ hash: '', text: '(others)' });

  constructor(max: number) {
    this.#max = max;
  }

  entryOf(digest: Digest): DigestEntry {
    const found = this.#byHash.get(digest.hash);
    if (found !== undefined) return found;
    if (this.#byHash.size >= this.#max) return this.#others;
    const entry = new DigestEntry(digest);
    this.#byHash.set(digest.hash, entry);
    return entry;
  }

  /** Whether the entry stands for a single digest. What is true of one of the others is not true of them all. */
  isSingle(entry: DigestEntry): boolean {
    return entry !== this.#others;
  }

  /** Each digest with each of its counts, most frequent first. */
  rows(): { readonly digest: Digest; readonly count: DigestCount }[] {
    return [...this.#byHash.values(), this.#others]
      .flatMap((digest) => digest.counts.map((count) => ({ digest, count })))
      .sort((a, b) => b.count.statements - a.count.statements);
  }
}
