import type { Classification } from '../classify/classification.js';
import type { Consistency } from '../session/consistency.js';
import { FITS, type Fitness, type Freshness, type Waits } from '../session/freshness.js';
import type { KnownPosition, KnownPositions } from '../session/known-positions.js';
import type { Node, Snapshot } from '../topology/snapshot.js';

/** What is known of the cluster when a read is to be placed. */
export interface ReplicaChoices {
  readonly snapshot: Snapshot;
  readonly positions: KnownPositions;
  /** The replica whose turn it is, of those not in `except`, and no later than that. @returns undefined for the primary */
  nextReplica(except: ReadonlySet<string>, maxLagMs?: number): Node | undefined;
}

/** A read, and what it asks for. */
export interface PlacedRead {
  readonly classification: Classification;
  readonly level: Consistency;
  readonly freshness: Freshness;
  /** Nodes that have failed it. */
  readonly failed: ReadonlySet<string>;
}

/** Where a read goes, and for what it has to wait there. */
export interface ChosenReplica {
  readonly node: Node;
  readonly position: KnownPosition;
  readonly waits: Waits | undefined;
}

/**
 * Of the replicas, or the one that is named: the next in turn, but where waits have failed there, one that has what the read has to see.
 * @returns undefined where the primary is to answer it after all
 */
export function chooseReplica(choices: ReplicaChoices, read: PlacedRead): ChosenReplica | undefined {
  const { primary, replicas } = choices.snapshot;
  const { classification, level, freshness, failed } = read;
  const { node: name, maxLagMs } = classification;
  if (name !== undefined && name === primary?.address.name) return undefined;
  // A node that is named and cannot be had is no reason to refuse a read.
  const named = name === undefined ? undefined : replicas.find((it) => it.address.name === name && mayServe(it, read));
  if (named !== undefined) return take(choices, named, fitnessOf(choices, named, read));
  const stays = level === 'monotonic' ? replicaAt(choices, freshness.readAt, read) : undefined;
  const first = stays ?? choices.nextReplica(failed, maxLagMs);
  if (first === undefined) return undefined;
  const fitness = fitnessOf(choices, first, read);
  // A wait is short where nothing is wrong: the turn stays even.
  const waits = fitness.kind === 'waits' && !choices.positions.of(first).isLate;
  if (fitness.kind === 'fits' || waits || stays !== undefined) return take(choices, first, fitness);
  const fits = replicas.find((node) => mayServe(node, read) && fitnessOf(choices, node, read).kind === 'fits');
  return fits === undefined ? take(choices, first, fitness) : take(choices, fits, FITS);
}

/** It has not failed, and is not later than the read allows. */
function mayServe({ address, lagMs }: Node, { failed, classification: { maxLagMs = Infinity } }: PlacedRead): boolean {
  return !failed.has(address.name) && lagMs <= maxLagMs;
}

function fitnessOf({ positions, snapshot }: ReplicaChoices, node: Node, { freshness, level }: PlacedRead): Fitness {
  return freshness.fitness(positions.of(node), level, snapshot);
}

function take({ positions }: ReplicaChoices, node: Node, fitness: Fitness): ChosenReplica | undefined {
  if (fitness.kind === 'unfit') return undefined;
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
