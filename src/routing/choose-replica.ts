import type { Consistency } from '../session/consistency.js';
import { FITS, type Fitness, type Freshness, type Waits } from '../session/freshness.js';
import type { KnownPosition, KnownPositions } from '../session/known-positions.js';
import type { ReadWish } from '../topology/read-balance.js';
import type { Node, Snapshot } from '../topology/snapshot.js';
import type { Diversion } from './route.js';

/** What is known of the cluster when a read is to be placed. */
export interface ReplicaChoices {
  readonly snapshot: Snapshot;
  readonly positions: KnownPositions;
  /** The replica whose turn it is, of those that may have the read. @returns undefined for the primary */
  nextReplica(wish: ReadWish): Node | undefined;
}

/** A read, and what it asks for. */
export interface PlacedRead extends ReadWish {
  /** The node that a hint names. */
  readonly node: string | undefined;
  readonly level: Consistency;
  readonly freshness: Freshness;
}

/** Where a read goes, and for what it has to wait there. */
export interface ChosenReplica {
  readonly node: Node;
  readonly position: KnownPosition;
  readonly waits: Waits | undefined;
}

/**
 * Of the replicas, or the one that is named: the next in turn, but where waits have failed there, one that has what the read has to see.
 * @returns `primary` where it is the primary's turn; why the primary is to answer it where no replica can
 */
export function chooseReplica(choices: ReplicaChoices, read: PlacedRead): ChosenReplica | 'primary' | Diversion {
  const { primary, replicas } = choices.snapshot;
  const { node: name, level, freshness, failed } = read;
  if (name !== undefined && name === primary?.address.name && !failed.has(name)) return 'primary';
  // A node that is named and cannot be had is no reason to refuse a read.
  const named = name === undefined ? undefined : replicas.find((it) => it.address.name === name && mayServe(it, read));
  if (named !== undefined) return take(choices, named, fitnessOf(choices, named, read));
  const stays = level === 'monotonic' ? replicaAt(choices, freshness.readAt, read) : undefined;
  const first = stays ?? choices.nextReplica(read);
  if (first === undefined) return whyNone(choices.snapshot, read);
  const fitness = fitnessOf(choices, first, read);
  // A wait is short where nothing is wrong: the turn stays even.
  const waits = fitness.kind === 'waits' && !choices.positions.of(first).isLate;
  if (fitness.kind === 'fits' || waits || stays !== undefined) return take(choices, first, fitness);
  const fits = replicas.find((node) => mayServe(node, read) && fitnessOf(choices, node, read).kind === 'fits');
  return fits === undefined ? take(choices, first, fitness) : take(choices, fits, FITS);
}

/** None of the replicas is to have the read. */
function whyNone({ nodes, replicas }: Snapshot, read: PlacedRead): 'primary' | Diversion {
  if (replicas.some((it) => mayServe(it, read))) return 'primary';
  const isLate =
    nodes.some((it) => it.health === 'lagging') || replicas.some((it) => !read.failed.has(it.address.name));
  return isLate ? 'replica-lag' : 'no-replica';
}

/** It has not failed, and is not later than the read allows. */
function mayServe({ address, lagMs }: Node, { failed, maxLagMs }: PlacedRead): boolean {
  return !failed.has(address.name) && (maxLagMs === undefined || lagMs <= maxLagMs);
}

function fitnessOf({ positions, snapshot }: ReplicaChoices, node: Node, { freshness, level }: PlacedRead): Fitness {
  return freshness.fitness(positions.of(node), level, snapshot);
}

function take({ positions }: ReplicaChoices, node: Node, fitness: Fitness): ChosenReplica | 'consistency' {
  if (fitness.kind === 'unfit') return 'consistency';
  return { node, position: positions.of(node), waits: fitness.kind === 'waits' ? fitness : undefined };
}

/** Where the session is to stay, if that still is the replica that it was. */
function replicaAt(
  { snapshot, positions }: ReplicaChoices,
  position: KnownPosition | undefined,
  read: PlacedRead,
): Node | undefined {
  if (position === undefined) return undefined;
  const node = snapshot.replicas.find((it) => it.address.name === position.node && mayServe(it, read));
  return node !== undefined && positions.of(node) === position ? node : undefined;
}
