import type { GtidSet } from '../topology/gtid-set.js';
import type { NodeState } from './view.js';
import { wordsOf, type Words } from './words.js';

/** What may be given up for a failover: nothing, or transactions that only the old primary had. */
export const POLICIES = ['lossless', 'availability'] as const;
export type Policy = (typeof POLICIES)[number];

/** Under a shorter time-out the primary may have gone on without acknowledgements before anybody noticed. */
const MIN_TIMEOUT_MS = 3_600_000;

/** Whether every acknowledged transaction has to be on one of the nodes that were reached. */
export type Durability = { readonly kind: 'certain' } | { readonly kind: 'uncertain'; readonly why: string };

/**
 * With N replicas that acknowledge, and k acknowledgements for each transaction, N − k + 1 of them are needed: then one of them has every
 * transaction that was acknowledged, and those that were not reached are too few to acknowledge another one.
 * @param primary as it was when it answered last
 * @param ackers replicas that acknowledged then
 * @param reached replicas that receive nothing any more
 */
export function durabilityOf(
  primary: NodeState,
  ackers: readonly NodeState[],
  reached: ReadonlySet<string>,
): Durability {
  const { semiSync, name, version } = primary;
  const lacks =
    semiSync === undefined ? 'it has no semi-synchronous replication' : whatLacks(semiSync, wordsOf(version));
  if (semiSync === undefined || lacks !== undefined) {
    return { kind: 'uncertain', why: `${name} may have acknowledged what no replica has: ${lacks}` };
  }
  // Others may acknowledge that we know nothing of.
  const count = Math.max(ackers.length, semiSync.clients);
  const needed = count - semiSync.acknowledgements + 1;
  const found = ackers.filter((it) => reached.has(it.name)).length;
  if (found >= needed && found > 0) return { kind: 'certain' };
  const why =
    `${found} of ${count} replicas that acknowledge the transactions of ${name} are reached, and it takes ${Math.max(needed, 1)} ` +
    `to know of everything that ${semiSync.acknowledgements} of them have acknowledged`;
  return { kind: 'uncertain', why };
}

/** What has to be changed so that nothing acknowledged can be lost; undefined where nothing has. */
export function whatLacks(semiSync: NonNullable<NodeState['semiSync']>, words: Words): string | undefined {
  const { semiSyncSource, replica } = words;
  if (!semiSync.sourceEnabled) return `${semiSyncSource}_enabled is OFF`;
  if (!semiSync.sourceActive)
    return `it has fallen back to asynchronous replication (the status ${semiSyncSource}_status is OFF)`;
  if (!semiSync.waitsAfterSync) return `${semiSyncSource}_wait_point is not AFTER_SYNC`;
  if (!semiSync.waitsWithoutReplicas) return `${semiSyncSource}_wait_no_${replica} is OFF`;
  if (semiSync.timeoutMs < MIN_TIMEOUT_MS) {
    return `${semiSyncSource}_timeout is ${semiSync.timeoutMs} ms: set 4294967295, or it goes on without acknowledgements`;
  }
  return undefined;
}

/** What is lost when a node with `position` follows: what the old primary is known to have had, and it has not. */
export function gapOf(primary: NodeState, position: GtidSet): GtidSet {
  return (primary.acknowledged ?? primary.executed).subtract(position);
}

/** How many acknowledgements a new primary is to wait for: as many as the old one did, as far as there is who gives them. */
export function acknowledgementsFor({ semiSync }: NodeState, replicas: readonly NodeState[]): number {
  if (semiSync?.sourceEnabled !== true) return 0;
  return Math.min(semiSync.acknowledgements, replicas.filter((it) => it.semiSync !== undefined).length);
}
