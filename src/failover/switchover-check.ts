import { errantOf } from './candidate.js';
import { acknowledgementsFor, type Policy } from './durability.js';
import { follows, type ClusterView, type NodeState } from './view.js';
import { wordsOf } from './words.js';

export interface SwitchoverSettings {
  readonly policy: Policy;
  /** Of the new primary in the journal: larger than all before. */
  readonly epoch: number;
  /** Transactions that the candidate may lack to begin with. */
  readonly maxLagTransactions: number;
  /** For the candidate to have what the primary had, before anything is held. */
  readonly catchUpTimeoutMs: number;
  /** For transactions that run to end, while new ones are held. */
  readonly holdTimeoutMs: number;
  readonly drainTimeoutMs: number;
  /** What is done with those that do not: the switchover is given up, or they are ended. */
  readonly stragglers: 'abort' | 'kill';
}

/** The other replicas that are to follow the new primary. One with transactions of its own would do so without a word, and differ. */
export function siblingsOf(candidate: NodeState, primary: NodeState, others: readonly NodeState[]): NodeState[] {
  return others.filter(
    (it) => it !== candidate && it.reach === 'answers' && follows(it, primary) && errantOf(it, primary, others).isEmpty,
  );
}

/** Why a switchover would not end well; all of it, for a human to read. Empty for no reason. */
export function refusalsOf(view: ClusterView, to: string, settings: SwitchoverSettings): string[] {
  const { primary, others } = view;
  if (primary === undefined) return ['no primary is known'];
  if (to === primary.name) return [`${to} is the primary`];
  const candidate = others.find(({ name }) => name === to);
  if (candidate === undefined) return [`${to} is no node of the cluster`];
  return [
    ...ofPrimary(primary),
    ...ofCandidate(candidate, primary, others),
    ...(candidate.reach === 'answers' ? ofAcknowledgements(candidate, primary, others, settings) : []),
    ...ofLag(candidate, primary, settings),
  ];
}

function ofPrimary({ name, reach, why, readOnly }: NodeState): string[] {
  if (reach !== 'answers') return [`${name} does not answer (${why}): this would be a failover`];
  return readOnly ? [`${name} takes no writes as it is`] : [];
}

function ofCandidate(candidate: NodeState, primary: NodeState, others: readonly NodeState[]): string[] {
  const { name, reach, why, replica, canBeSource, preference } = candidate;
  if (reach !== 'answers') return [`${name} does not answer (${why})`];
  const reasons: string[] = [];
  if (preference === 'must-not') reasons.push(`${name} must not become the primary, by the configuration`);
  if (!canBeSource) reasons.push(`${name} cannot be a source: ${wordsOf(candidate.version).source} have to be ON`);
  if (!candidate.readOnly) reasons.push(`${name} takes writes as it is`);
  if (replica === undefined || !follows(candidate, primary)) {
    reasons.push(`${name} does not replicate from ${primary.name}`);
    return reasons;
  }
  if (replica.receiver !== 'on') reasons.push(`${name} receives nothing from ${primary.name}`);
  if (!replica.applies) {
    reasons.push(`${name} does not apply what it receives: ${replica.applierError || 'its applier is stopped'}`);
  }
  if (replica.delayS > 0) reasons.push(`${name} is ${replica.delayS} s behind on purpose (SOURCE_DELAY)`);
  const errant = errantOf(candidate, primary, others);
  if (!errant.isEmpty) reasons.push(`${name} has transactions of its own: ${errant.toString()}`);
  return reasons;
}

/** What is promised of acknowledged transactions now is to hold behind it, too. */
function ofAcknowledgements(
  candidate: NodeState,
  primary: NodeState,
  others: readonly NodeState[],
  { policy }: SwitchoverSettings,
): string[] {
  const { semiSync } = primary;
  if (semiSync?.sourceEnabled !== true) return [];
  if (candidate.semiSync === undefined) return [`${candidate.name} has no semi-synchronous replication`];
  if (policy !== 'lossless') return [];
  const left = siblingsOf(candidate, primary, others);
  const count = acknowledgementsFor(primary, [...left, primary]);
  if (count >= semiSync.acknowledgements) return [];
  return [
    `${primary.name} waits for ${semiSync.acknowledgements} acknowledgements, and ${candidate.name} would have ${count} nodes that give them`,
  ];
}

function ofLag(candidate: NodeState, primary: NodeState, { maxLagTransactions }: SwitchoverSettings): string[] {
  const { count } = primary.executed.subtract(candidate.executed);
  return count > maxLagTransactions
    ? [`${candidate.name} lacks ${count} transactions of ${primary.name}, and may lack ${maxLagTransactions}`]
    : [];
}
