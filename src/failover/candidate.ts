import { GtidSet } from '../topology/gtid-set.js';
import { positionOf, type NodeState, type Preference } from './view.js';
import { wordsOf } from './words.js';

/** Who is to be the primary. */
export interface Choice {
  readonly candidate: NodeState;
  /** From whom it has to get what it lacks first; undefined where it has everything. */
  readonly ahead: NodeState | undefined;
  /** All that is to be kept. */
  readonly position: GtidSet;
  /** Why it is this one. */
  readonly why: string;
  /** Why others are not. */
  readonly excluded: ReadonlyMap<string, string>;
  /** Nodes with transactions that nobody else has: these do not follow the new primary. */
  readonly errant: ReadonlyMap<string, GtidSet>;
  /** What only these have of the cluster's own transactions, acknowledged ones perhaps: nobody can get it from them without the rest. */
  readonly unreachable: GtidSet;
}

export type Choosing =
  { readonly kind: 'chosen'; readonly choice: Choice } | { readonly kind: 'nobody'; readonly why: string };

const RANK: Readonly<Record<Preference, number>> = { prefer: 0, neutral: 1, 'prefer-not': 2, 'must-not': 3 };

/**
 * By what each has received, applied or not: what a replica has acknowledged may wait in its relay log.
 * @param primary the old one, as it was when it answered last
 * @param reached its former replicas; they receive nothing any more
 */
export function chooseCandidate(primary: NodeState, reached: readonly NodeState[]): Choosing {
  const errant = new Map<string, GtidSet>();
  for (const node of reached) {
    const own = errantOf(node, primary, reached);
    if (!own.isEmpty) errant.set(node.name, own);
  }
  const sound = reached.filter((it) => !errant.has(it.name));
  const ahead = sound.find((it) => sound.every((other) => positionOf(it).contains(positionOf(other))));
  if (ahead === undefined) {
    if (sound.length === 0) return { kind: 'nobody', why: nobodyIsSound(reached, errant) };
    const names = sound.map(({ name }) => name).join(' and ');
    return {
      kind: 'nobody',
      why: `each of ${names} has transactions that the others lack: this is for a human to decide`,
    };
  }
  const position = positionOf(ahead);
  let unreachable = GtidSet.EMPTY;
  for (const node of reached) {
    const own = errant.get(node.name);
    if (own !== undefined) unreachable = unreachable.union(positionOf(node).subtract(own).subtract(position));
  }
  const excluded = new Map(
    [...errant].map(([name, set]) => [name, `it has transactions of its own: ${set.toString()}`]),
  );
  const eligible: NodeState[] = [];
  for (const node of sound) {
    const why = unfitBecause(node);
    if (why === undefined) eligible.push(node);
    else excluded.set(node.name, why);
  }
  const [candidate] = eligible.toSorted((a, b) => compare(a, b, position));
  if (candidate === undefined) {
    const reasons = [...excluded].map(([name, why]) => `${name}: ${why}`).join('; ');
    return { kind: 'nobody', why: `no replica can become the primary (${reasons})` };
  }
  const isComplete = positionOf(candidate).contains(position);
  const choice: Choice = {
    candidate,
    ahead: isComplete ? undefined : ahead,
    position,
    why: isComplete ? 'it has everything that any replica has' : `it is to have everything, from ${ahead.name}`,
    excluded,
    errant,
    unreachable,
  };
  return { kind: 'chosen', choice };
}

/** Transactions that came from none of the cluster's primaries: executed there, received from nobody, and known to nobody else. */
export function errantOf(node: NodeState, primary: NodeState, all: readonly NodeState[]): GtidSet {
  let known = primary.executed;
  if (node.replica !== undefined) known = known.union(node.replica.received);
  for (const other of all) if (other !== node) known = known.union(positionOf(other));
  // Only the primary itself makes transactions under its own id.
  return node.executed.subtract(known).withoutSource(primary.serverUuid);
}

function nobodyIsSound(reached: readonly NodeState[], errant: ReadonlyMap<string, GtidSet>): string {
  if (reached.length === 0) return 'no replica is reached';
  const reasons = [...errant].map(([name, set]) => `${name}: ${set.toString()}`).join('; ');
  return `all replicas that are reached have transactions of their own (${reasons})`;
}

function unfitBecause({ canBeSource, replica, preference, version }: NodeState): string | undefined {
  if (preference === 'must-not') return 'it must not become the primary, by the configuration';
  if (!canBeSource) return `it cannot be a source: ${wordsOf(version).source} have to be ON`;
  if (replica === undefined) return 'it is no replica';
  if (!replica.applies)
    return `it does not apply what it has received: ${replica.applierError || 'its applier is stopped'}`;
  if (replica.delayS > 0) return `it is ${replica.delayS} s behind on purpose (SOURCE_DELAY)`;
  return undefined;
}

/** Older versions first: a replica may be newer than its source, not the other way round. Then what its operator prefers, then who is done first. */
function compare(a: NodeState, b: NodeState, position: GtidSet): number {
  const byVersion = compareVersions(a.version, b.version);
  if (byVersion !== 0) return byVersion;
  const byPreference = RANK[a.preference] - RANK[b.preference];
  if (byPreference !== 0) return byPreference;
  const complete = (it: NodeState): number => (positionOf(it).contains(position) ? 0 : 1);
  const lacks = (it: NodeState): number => position.subtract(it.executed).count;
  return complete(a) - complete(b) || lacks(a) - lacks(b) || (a.name < b.name ? -1 : 1);
}

/** By release series: patch releases replicate both ways. */
function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}
