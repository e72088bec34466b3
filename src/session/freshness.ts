import { GtidSet } from '../topology/gtid-set.js';
import type { Node, Snapshot } from '../topology/snapshot.js';
import { Commits } from './commits.js';
import type { Consistency } from './consistency.js';
import type { KnownPosition } from './known-positions.js';
import type { Untold } from './untold-commits.js';

/** Whether a node may serve a read, and what has to be there before. */
export type Fitness =
  | { readonly kind: 'fits' }
  | Waits
  /** What the session has read before, or what was committed, is not known yet: only the primary is certain to have it. */
  | { readonly kind: 'unfit' };

/** With how many commits of the session, and of all, the set has. */
export interface Waits {
  readonly kind: 'waits';
  readonly for: GtidSet;
  readonly own: number;
  readonly all: number;
}

export const FITS: Fitness = { kind: 'fits' };
const UNFIT: Fitness = { kind: 'unfit' };

/** What of its writes, and others', a session has found a node to have. */
interface Seen {
  position: KnownPosition;
  own: number;
  all: number;
}

/**
 * How fresh a session's reads have to be: its level, what it wrote, what it was told by a token, and where it has read last.
 *
 * A read's bound is a set that was asked after it ended, of the primary or of the node where it ran: all that it saw is in there.
 */
export class Freshness {
  /** Replicas that are later serve no read of the session; undefined where only the bound of all counts. */
  readonly maxLagMs: number | undefined;
  readonly #ofUser: Consistency;
  #chosen: Consistency | undefined;
  readonly #committed: Commits;
  readonly #own = new Commits();
  #told = GtidSet.EMPTY;
  readonly #seenBy = new Map<string, Seen>();
  #hasRead = false;
  /** Where it read last; undefined where reads were on several nodes, whose order is not known. */
  #readAt: KnownPosition | undefined;
  #readEndedAtMs = 0;

  /** @param committed by all sessions, this one too */
  constructor(ofUser: Consistency, committed: Commits, maxLagMs?: number) {
    this.#ofUser = ofUser;
    this.#committed = committed;
    this.maxLagMs = maxLagMs;
  }

  get level(): Consistency {
    return this.#chosen ?? this.#ofUser;
  }

  /** @param level undefined for the configuration's */
  choose(level: Consistency | undefined): void {
    this.#chosen = level;
  }

  wrote(gtids: string): void {
    this.#own.add(gtids);
    this.#committed.add(gtids);
  }

  /**
   * Something was committed, or may have been, and the answer does not tell what: until the primary has been looked at again, only that
   * is certain to have it.
   * @param untold whose reads have to see it
   */
  wroteUntold(untold: Untold, nowMs: number): void {
    this.#own.untold(nowMs);
    if (untold === 'all') this.#committed.untold(nowMs);
  }

  /** Another session's token: from now on, reads see that as well. */
  mustSee(set: GtidSet): void {
    this.#told = this.#told.union(set);
    this.#seenBy.clear();
  }

  /** A read ended. @param level it was held to */
  readEnded(position: KnownPosition, level: Consistency, isPrimary: boolean, nowMs: number): void {
    const keeps = isPrimary || level === 'monotonic' || !this.#hasRead || this.#readAt === position;
    this.#hasRead = true;
    this.#readAt = keeps ? position : undefined;
    this.#readEndedAtMs = nowMs;
  }

  /** The node to stay at: where it read last. */
  get readAt(): KnownPosition | undefined {
    return this.#readAt;
  }

  /** Whether a node, whose position this is, may serve a read of that level. Allocates nothing where it has all that is asked for. */
  fitness(position: KnownPosition, level: Consistency, snapshot: Snapshot): Fitness {
    if (level === 'eventual') return FITS;
    if (!this.#isTold(level, snapshot)) return UNFIT;
    const written = this.#hasWritten(position, level);
    if (level !== 'monotonic' || !this.#hasRead || this.#readAt === position) {
      return written ? FITS : this.#waits(GtidSet.EMPTY, level);
    }
    const bound = this.#readBound(snapshot);
    if (bound === undefined) return UNFIT;
    if (written && position.executed.contains(bound)) return FITS;
    return this.#waits(bound, level);
  }

  /** A read's answer came from behind a wait for all that the level asked for. */
  seen(position: KnownPosition, own: number, all: number): void {
    const seen = this.#seenBy.get(position.node);
    if (seen === undefined) this.#seenBy.set(position.node, { position, own, all });
    else {
      if (seen.position !== position) seen.own = seen.all = 0;
      seen.position = position;
      seen.own = Math.max(seen.own, own);
      seen.all = Math.max(seen.all, all);
    }
  }

  /**
   * What a later read, of any session, has to contain to be no older than this one's.
   * @returns undefined where the primary has to be asked first, for what was read or written is not known yet
   */
  token(snapshot: Snapshot): GtidSet | undefined {
    const { level } = this;
    if (!this.#isTold(level, snapshot)) return undefined;
    const written = this.#mustHave(level);
    if (!this.#hasRead || (level !== 'monotonic' && level !== 'primary')) return written;
    return this.#readBound(snapshot)?.union(written);
  }

  /** The same, with what the primary has been found to have since the last read and the last write. */
  tokenWith(primary: Node): GtidSet {
    return visibleOn(primary).union(this.#mustHave(this.level));
  }

  /** The session begins anew. */
  reset(): void {
    this.#chosen = undefined;
    this.#told = GtidSet.EMPTY;
    this.#hasRead = false;
    this.#readAt = undefined;
    this.#readEndedAtMs = 0;
  }

  /** All that reads of the level have to see is known: what no answer told is learned from a look at the primary after that. */
  #isTold(level: Consistency, { primary }: Snapshot): boolean {
    const commits = level === 'global' ? this.#committed : this.#own;
    const { untoldAtMs } = commits;
    if (untoldAtMs === undefined) return true;
    if (primary === undefined || primary.askedAtMs <= untoldAtMs) return false;
    const visible = visibleOn(primary);
    commits.learned(visible);
    // What is lost with a primary is looked for among all.
    if (commits !== this.#committed) this.#committed.addAll(visible);
    return true;
  }

  #hasWritten(position: KnownPosition, level: Consistency): boolean {
    const isGlobal = level === 'global';
    const { version } = isGlobal ? this.#committed : this.#own;
    if (version === 0 && this.#told.isEmpty) return true;
    const seen = this.#seenBy.get(position.node);
    if (seen?.position === position && version === (isGlobal ? seen.all : seen.own)) return true;
    if (!position.executed.contains(this.#found(this.#told))) return false;
    if (!position.executed.contains(this.#found((isGlobal ? this.#committed : this.#own).set))) return false;
    this.seen(position, isGlobal ? 0 : version, isGlobal ? version : 0);
    return true;
  }

  #waits(bound: GtidSet, level: Consistency): Waits {
    const all = level === 'global' ? this.#committed.version : 0;
    return { kind: 'waits', for: bound.union(this.#mustHave(level)), own: this.#own.version, all };
  }

  #mustHave(level: Consistency): GtidSet {
    return this.#found((level === 'global' ? this.#committed : this.#own).set.union(this.#told));
  }

  /** Without what went with a primary that is none any more. */
  #found(set: GtidSet): GtidSet {
    const { lost } = this.#committed;
    return lost.isEmpty ? set : set.subtract(lost);
  }

  #readBound({ primary, nodes }: Snapshot): GtidSet | undefined {
    const isLater = (node: Node): boolean => node.askedAtMs > this.#readEndedAtMs;
    if (primary !== undefined && isLater(primary)) return visibleOn(primary);
    const at = this.#readAt;
    const known = nodes.find((node) => node.address.name === at?.node && node.serverUuid === at.serverUuid);
    return known !== undefined && isLater(known) ? visibleOn(known) : undefined;
  }
}

/** All that a read that had ended when the node was asked may have seen there. */
function visibleOn({ executed, committed = GtidSet.EMPTY }: Node): GtidSet {
  return executed.union(committed);
}
