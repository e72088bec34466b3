/** `SOURCE_UUID:NUMBER`; transactions with a tag have it between the two. MariaDB's have their domain's number as the source. */
const GTID = /^([0-9a-f-]{36}(?::[a-z_][a-z0-9_]*)?|\d+):(\d+)(?:-(\d+))?$/i;

/**
 * The transactions that a session has committed, and which nodes are known to have them: what it takes to see one's own writes.
 *
 * Of each source the numbers from the first to the last are kept, with those of other sessions in between: a replica that has them all
 * has the session's too, and the set stays small.
 */
export class OwnWrites {
  readonly #ranges = new Map<string, { first: number; last: number }>();
  #commits = 0;
  /** By node: how many of the commits it is known to have. */
  readonly #seenBy = new Map<string, number>();

  /** @param gtids as an OK packet reports them: one or several, with commas */
  add(gtids: string): void {
    for (const gtid of gtids.split(',')) {
      const match = GTID.exec(gtid.trim());
      if (match === null) continue;
      const [, source = '', from, to] = match;
      const first = Number(from);
      const last = Number(to ?? from);
      const range = this.#ranges.get(source);
      if (range === undefined) this.#ranges.set(source, { first, last });
      else {
        range.first = Math.min(range.first, first);
        range.last = Math.max(range.last, last);
      }
      this.#commits++;
    }
  }

  /** How many commits there have been. */
  get commits(): number {
    return this.#commits;
  }

  /** Whether a node is known to have them all. */
  isSeenBy(node: string): boolean {
    return this.#commits === 0 || this.#seenBy.get(node) === this.#commits;
  }

  /** A node has been found to have the first `commits` of them. */
  seenBy(node: string, commits: number): void {
    this.#seenBy.set(node, commits);
  }

  /** As a GTID set. */
  get gtidSet(): string {
    return [...this.#ranges].map(([source, { first, last }]) => `${source}:${first}-${last}`).join(',');
  }
}
