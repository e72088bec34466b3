/**
 * `SOURCE_UUID[:TAG]`, then intervals. Source: MySQL's manual, "GTID Sets". A number is a domain of MariaDB, two are one server in it: see
 * `flavour/mariadb.ts`, `flavour/mariadb-gtids.ts`.
 */
const SOURCE = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(?:-\d+)?)$/;
const TAG = /^[a-z_][a-z0-9_]*$/;
const INTERVAL = /^(\d+)(?:-(\d+))?$/;

/** Numbers from `first` to `last`, both among them. */
export interface Interval {
  readonly first: number;
  readonly last: number;
}

const NONE: readonly Interval[] = [];

/** A set of transactions, by their global ids. Immutable. */
export class GtidSet {
  static readonly EMPTY = new GtidSet(new Map());

  /** By source, with the tag where there is one: ascending, apart from each other. */
  readonly #bySource: ReadonlyMap<string, readonly Interval[]>;

  constructor(bySource: ReadonlyMap<string, readonly Interval[]>) {
    this.#bySource = bySource;
  }

  /** @param text as servers tell it, line feeds among it. @returns undefined for what is no set of GTIDs */
  static parse(text: string): GtidSet | undefined {
    const bySource = new Map<string, Interval[]>();
    for (const part of text.toLowerCase().split(',')) {
      const [source = '', ...rest] = part.split(':').map((it) => it.trim());
      if (source === '' && rest.length === 0) continue;
      if (!SOURCE.test(source)) return undefined;
      let key = source;
      for (const item of rest) {
        const match = INTERVAL.exec(item);
        if (match === null) {
          if (!TAG.test(item)) return undefined;
          key = `${source}:${item}`;
          continue;
        }
        const first = Number(match[1]);
        const last = Number(match[2] ?? match[1]);
        const intervals = bySource.get(key);
        if (first > last) return undefined;
        if (intervals === undefined) bySource.set(key, [{ first, last }]);
        else intervals.push({ first, last });
      }
    }
    return new GtidSet(new Map([...bySource].map(([key, intervals]) => [key, joined(intervals)])));
  }

  get isEmpty(): boolean {
    return this.#bySource.size === 0;
  }

  /** How many transactions there are. */
  get count(): number {
    let count = 0;
    for (const intervals of this.#bySource.values()) for (const { first, last } of intervals) count += last - first + 1;
    return count;
  }

  /** Whose transactions there are, with the tags where there are any. */
  sources(): IterableIterator<string> {
    return this.#bySource.keys();
  }

  intervals(source: string): readonly Interval[] {
    return this.#bySource.get(source) ?? NONE;
  }

  /** Whether all of `other` is in here. */
  contains(other: GtidSet): boolean {
    for (const [source, wanted] of other.#bySource) {
      const own = this.intervals(source);
      let at = 0;
      for (const { first, last } of wanted) {
        while (at < own.length && (own[at]?.last ?? 0) < first) at++;
        const interval = own[at];
        if (interval === undefined || interval.first > first || interval.last < last) return false;
      }
    }
    return true;
  }

  union(other: GtidSet): GtidSet {
    if (other.isEmpty) return this;
    if (this.isEmpty) return other;
    const bySource = new Map(this.#bySource);
    for (const [source, intervals] of other.#bySource) {
      bySource.set(source, joined([...this.intervals(source), ...intervals]));
    }
    return new GtidSet(bySource);
  }

  /** What is in here and not in `other`. */
  subtract(other: GtidSet): GtidSet {
    const bySource = new Map<string, readonly Interval[]>();
    for (const [source, intervals] of this.#bySource) {
      const rest = without(intervals, other.intervals(source));
      if (rest.length > 0) bySource.set(source, rest);
    }
    return new GtidSet(bySource);
  }

  /** What is in here, but for the transactions that one source made, whatever their tags. */
  withoutSource(source: string): GtidSet {
    const isOther = ([key]: [string, unknown]): boolean => key !== source && !key.startsWith(`${source}:`);
    return new GtidSet(new Map([...this.#bySource].filter(isOther)));
  }

  /** What is in here of the transactions that one server made, by what its make calls it: MariaDB's begin with the number in its GTIDs. */
  ofServer(serverUuid: string): GtidSet {
    const [, number] = /^(\d+)@/.exec(serverUuid) ?? [];
    if (number === undefined) return this.subtract(this.withoutSource(serverUuid));
    return new GtidSet(new Map([...this.#bySource].filter(([source]) => source.endsWith(`-${number}`))));
  }

  /** Whether the two have had a source in common: a cluster's servers have. */
  sharesSourceWith(other: GtidSet): boolean {
    for (const source of this.#bySource.keys()) if (other.#bySource.has(source)) return true;
    return false;
  }

  toString(): string {
    return [...this.#bySource]
      .map(([source, intervals]) => {
        const numbers = intervals.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`));
        return `${source}:${numbers.join(':')}`;
      })
      .join(',');
  }
}

/** The same numbers in ascending intervals that do not touch. */
function joined(intervals: readonly Interval[]): readonly Interval[] {
  const sorted = intervals.toSorted((a, b) => a.first - b.first);
  const result: Interval[] = [];
  for (const interval of sorted) {
    const before = result.at(-1);
    if (before === undefined || interval.first > before.last + 1) result.push(interval);
    else if (interval.last > before.last) result[result.length - 1] = { first: before.first, last: interval.last };
  }
  return result;
}

function without(intervals: readonly Interval[], taken: readonly Interval[]): readonly Interval[] {
  const result: Interval[] = [];
  for (const { first, last } of intervals) {
    let from = first;
    for (const hole of taken) {
      if (hole.last < from || hole.first > last) continue;
      if (hole.first > from) result.push({ first: from, last: hole.first - 1 });
      from = hole.last + 1;
    }
    if (from <= last) result.push({ first: from, last });
  }
  return result;
}
