import { GtidSet } from '../topology/gtid-set.js';

/** Of each source: Group Replication leaves gaps between its members' blocks, and nobody is to wait for what is in those. */
const MAX_INTERVALS = 16;

const UUID = /^[\da-f]{8}-[\da-f]{4}-/;

interface Range {
  first: number;
  last: number;
}

/**
 * The transactions that a session, or all of them, have committed. Where those of others lie in between so often that the set would
 * grow without end, the narrowest gap is taken in: who has it all has these too.
 */
export class Commits {
  /** By source, ascending. */
  readonly #ranges = new Map<string, Range[]>();
  #version = 0;
  #set: GtidSet | undefined;
  #lost = GtidSet.EMPTY;
  #untoldAtMs: number | undefined;

  /** @param gtids as an OK packet reports them: a set, for a procedure may commit several times, and others in between */
  add(gtids: string): void {
    const added = GtidSet.parse(gtids);
    if (added !== undefined) this.addAll(added);
  }

  addAll(added: GtidSet): void {
    if (added.isEmpty) return;
    for (const source of added.sources()) {
      for (const { first, last } of added.intervals(source)) this.#insert(source, first, last);
    }
    this.#version++;
    this.#set = undefined;
  }

  /** Until then something was committed, or may have been, and no answer told what. undefined where all is told, or learned. */
  get untoldAtMs(): number | undefined {
    return this.#untoldAtMs;
  }

  untold(nowMs: number): void {
    this.#untoldAtMs = nowMs;
  }

  /** @param visible what the primary had after that */
  learned(visible: GtidSet): void {
    this.#untoldAtMs = undefined;
    this.addAll(visible);
  }

  /** Grows with each commit; 0 while there are none. */
  get version(): number {
    return this.#version;
  }

  /** What no server has any more that is asked for it: nobody is to wait for that. */
  get lost(): GtidSet {
    return this.#lost;
  }

  /**
   * Another server has become the primary.
   * @param primary its server_uuid: what it has committed itself is not looked at
   * @param position what it had by then
   */
  promoted(primary: string, position: GtidSet): void {
    // MariaDB's transactions do not tell who made them.
    const ofOthers = this.set.withoutSource(primary).subtract(position);
    const ofServers = new GtidSet(
      new Map([...ofOthers.sources()].filter((it) => UUID.test(it)).map((it) => [it, ofOthers.intervals(it)])),
    );
    this.#lost = this.#lost.union(ofServers);
  }

  get set(): GtidSet {
    this.#set ??= new GtidSet(new Map([...this.#ranges].map(([source, it]) => [source, it.map((r) => ({ ...r }))])));
    return this.#set;
  }

  #insert(source: string, first: number, last: number): void {
    const ranges = this.#ranges.get(source);
    if (ranges === undefined) {
      this.#ranges.set(source, [{ first, last }]);
      return;
    }
    let at = ranges.length;
    while (at > 0 && (ranges[at - 1]?.first ?? 0) > first) at--;
    ranges.splice(at, 0, { first, last });
    joinTouching(ranges);
    while (ranges.length > MAX_INTERVALS) joinNarrowest(ranges);
  }
}

function joinTouching(ranges: Range[]): void {
  for (let at = ranges.length - 1; at > 0; at--) {
    const [before, range] = [ranges[at - 1], ranges[at]];
    if (before !== undefined && range !== undefined && range.first <= before.last + 1) joinAt(ranges, at);
  }
}

function joinNarrowest(ranges: Range[]): void {
  let narrowest = 1;
  for (let at = 2; at < ranges.length; at++) if (gapAt(ranges, at) < gapAt(ranges, narrowest)) narrowest = at;
  joinAt(ranges, narrowest);
}

function gapAt(ranges: readonly Range[], at: number): number {
  return (ranges[at]?.first ?? 0) - (ranges[at - 1]?.last ?? 0);
}

/** Makes one of the range at `at` and the one before. */
function joinAt(ranges: Range[], at: number): void {
  const [range] = ranges.splice(at, 1);
  const before = ranges[at - 1];
  if (range !== undefined && before !== undefined) before.last = Math.max(before.last, range.last);
}
