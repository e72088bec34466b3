import { GtidSet } from '../topology/gtid-set.js';
import { QUIET_MS, quietLimitMs, type DiagnosisKind } from './diagnosis.js';
import type { Command, Task } from './task.js';
import {
  BUDGETS,
  disarmTask,
  fenceTask,
  forgetTask,
  freezeTask,
  openFirstTask,
  rejoinTask,
  repointTask,
  unfreezeTask,
} from './tasks.js';
import { follows, positionOf, type ClusterView, type NodeState } from './view.js';

/** What a leader remembers beside what it sees. */
export interface Memory {
  /** Server ids of those that have been the primary. */
  readonly formerPrimaries: ReadonlySet<string>;
  /** Replicas that a failover has stopped, or a restart, which may not have been started again. */
  readonly frozen: ReadonlySet<string>;
  /** The record says that the primary is to be opened, whoever leads: it is not known whether that was done. */
  readonly promoting?: { readonly gtids: GtidSet; readonly epoch: number } | undefined;
  /** How many acknowledgements each transaction had; 0 where it never had any. */
  readonly acknowledgements: number;
  /** The primary has been started anew since it took writes last. */
  readonly primaryRestarted: boolean;
  /** By command nothing is done with these. */
  readonly leftAlone: ReadonlySet<string>;
}

/** What is to be done so that the cluster is whole again. */
export interface Upkeep {
  readonly tasks: readonly Task[];
  /** Nodes with transactions that the primary does not have: as replicas they would diverge without a word. */
  readonly errant: ReadonlyMap<string, GtidSet>;
  /** Nodes whose data are being made anew: it is not known yet from where on they are to replicate. */
  readonly blank?: readonly string[];
  /** Why the primary is left closed; undefined where it is not. */
  readonly leftClosed?: string | undefined;
}

/**
 * What a leader does while the primary is well:
 *
 * | a node | |
 * |---|---|
 * | has been the primary, and takes writes | is fenced |
 * | has been the primary, is closed, has nothing of its own | replicates from the primary |
 * | has been the primary, is closed, has transactions of its own | is left alone, and told of |
 * | has been the primary, is closed, knows of nothing that it made | is left alone: its data are being made anew |
 * | replicates from a former primary | is stopped; then it replicates from the primary, where it has nothing of its own |
 * | has been the primary, replicates from the primary, and still waits for acknowledgements | waits for none |
 * | was stopped by a failover that came to nothing | receives again |
 * | is the primary, and waits for fewer acknowledgements than there were | waits for as many again |
 * | stands still while writes wait for its acknowledgement | receives again |
 * | is the primary, closed since it was started anew | takes writes again, unless it has lost what it made itself |
 * | is to be the primary, by the record | takes writes, and what was said to it before is void |
 * | is the primary, and has a source | forgets it |
 *
 * A node that has never been the primary and replicates from nobody is none of its business: it may be another cluster's.
 */
export function upkeepOf({ primary, others }: ClusterView, memory: Memory): Upkeep {
  const tasks: Task[] = [];
  const errant = new Map<string, GtidSet>();
  const blank: string[] = [];
  if (primary?.reach !== 'answers') return { tasks, errant };
  const { promoting } = memory;
  if (primary.readOnly && promoting === undefined) {
    // Who closes a primary by hand wants it closed; one that was started anew is closed by its configuration.
    const leftClosed = memory.primaryRestarted ? whatItLost(primary, others) : undefined;
    if (leftClosed !== undefined) return { tasks, errant, leftClosed };
    const sound = others.filter((it) => ownOf(it, primary)?.isEmpty !== false);
    if (memory.primaryRestarted) tasks.push(openAgainTask(primary, countFor(primary, sound, memory)));
    return { tasks, errant };
  }
  for (const node of others) {
    if (node.reach !== 'answers' || memory.leftAlone.has(node.name)) continue;
    const own = ownOf(node, primary);
    const task = upkeepOfNode(node, primary, others, own, memory);
    if (task === 'errant') errant.set(node.name, own ?? GtidSet.EMPTY);
    else if (task === 'blank') blank.push(node.name);
    else if (task !== undefined) tasks.push(task);
  }
  if (promoting !== undefined) {
    // Of those that have yet to be compared, one is hoped for: more than there turn out to be would hold up all writes.
    const stopped = tasks.filter(({ name }) => name === 'freeze');
    const isUnsure = ({ name }: NodeState): boolean => errant.has(name) || stopped.some(({ node }) => node === name);
    const isSure = (it: NodeState): boolean =>
      it.reach === 'answers' && !isUnsure(it) && (follows(it, primary) || ownOf(it, primary)?.isEmpty === true);
    const sure = others.filter((it) => isSure(it));
    const acknowledgements = countFor(primary, sure, memory) || Math.min(memory.acknowledgements, stopped.length, 1);
    tasks.push(openFirstTask(primary, { ...promoting, acknowledgements }));
    return { tasks, errant, blank };
  }
  if (primary.replica?.receiver === 'off' && !primary.replica.applies) tasks.push(forgetTask(primary.name));
  const acks = acknowledgementsDue(primary, others, memory);
  if (acks !== undefined) tasks.push(acks);
  return { tasks, errant, blank };
}

/**
 * What it has and the primary lacks, applied or not: what waits in its relay log is applied whomever it follows. Of what the primary itself made
 * it may have what waits there for acknowledgements, and counts as executed only behind them.
 * @returns undefined where it was asked after the primary was: what came between says nothing
 */
function ownOf(node: NodeState, primary: NodeState): GtidSet | undefined {
  const { readOnly, replica } = primary;
  const standsStill = readOnly && (replica === undefined || replica.receiver === 'off');
  if (primary.seenAtMs < node.seenAtMs && !standsStill) return undefined;
  const has = standsStill ? positionOf(primary) : primary.executed;
  return positionOf(node).subtract(has).withoutSource(primary.serverUuid);
}

/**
 * A crash may take what was not written through (sync_binlog), and MariaDB's recovery what it takes for unacknowledged (init_rpl_role = SLAVE).
 * Open, it would use those numbers again, for other transactions.
 */
function whatItLost(primary: NodeState, others: readonly NodeState[]): string | undefined {
  for (const node of others) {
    const lost = follows(node, primary)
      ? positionOf(node).subtract(primary.executed).ofServer(primary.serverUuid)
      : undefined;
    if (lost === undefined || lost.isEmpty) continue;
    return (
      `${primary.name} came back without transactions that it made, and ${node.name} has (${lost.toString()}): it is left closed; ` +
      `end its server, so that ${node.name} is promoted`
    );
  }
  return undefined;
}

function upkeepOfNode(
  node: NodeState,
  primary: NodeState,
  others: readonly NodeState[],
  own: GtidSet | undefined,
  { formerPrimaries, frozen, acknowledgements }: Memory,
): Task | 'errant' | 'blank' | undefined {
  const { replica } = node;
  if (replica === undefined) {
    if (!formerPrimaries.has(node.serverUuid)) return undefined;
    if (!node.readOnly) return fenceTask(node);
    if (own === undefined) return undefined;
    if (isBlank(node, primary)) return 'blank';
    if (!own.isEmpty) return 'errant';
    // By the time that it is told, what hung there may have come through.
    return rejoinTask(node, primary, primary.executed.union(positionOf(node)));
  }
  if (follows(node, primary)) {
    if (node.semiSync?.sourceEnabled === true && formerPrimaries.has(node.serverUuid)) return disarmTask(node);
    const isStopped = replica.receiver === 'off' || (!replica.applies && replica.applierError === '');
    return isStopped && (frozen.has(node.name) || isLocked(primary))
      ? startTask(node, acknowledgements > 0)
      : undefined;
  }
  const isLeft =
    formerPrimaries.has(replica.sourceUuid) ||
    others.some((it) => follows(node, it) && formerPrimaries.has(it.serverUuid));
  if (!isLeft) return undefined;
  // A former primary that comes back may send it what nobody else has: what it has is compared when that is over.
  if (replica.receiver !== 'off') return freezeTask(node);
  if (own === undefined) return undefined;
  return own.isEmpty ? repointTask(node, primary) : 'errant';
}

/**
 * It has been the primary, and knows of nothing that it made: its data are from elsewhere, and it has not been told yet from which place on it is to
 * replicate. From any other place it would get what it has once more. MySQL's GTIDs come along with data.
 */
function isBlank({ logged, serverUuid }: NodeState, primary: NodeState): boolean {
  if (logged === undefined) return false;
  return logged.ofServer(serverUuid).isEmpty && !primary.executed.ofServer(serverUuid).isEmpty;
}

/** Each of its transactions waits for acknowledgements that nobody gives. */
function isLocked({ semiSync }: NodeState): boolean {
  return semiSync?.sourceActive === true && semiSync.waiting > 0 && semiSync.clients < semiSync.acknowledgements;
}

/** For how many acknowledgements it is to wait: as many as there were, as far as there is who gives them; never for fewer than it does. */
function countFor(
  primary: NodeState,
  others: readonly NodeState[],
  { acknowledgements, formerPrimaries }: Memory,
): number {
  const { semiSync } = primary;
  const isReplica = (it: NodeState): boolean =>
    it.semiSync !== undefined && (follows(it, primary) || formerPrimaries.has(it.replica?.sourceUuid ?? ''));
  const count = Math.min(acknowledgements, others.filter(isReplica).length);
  return Math.max(count, semiSync?.sourceEnabled === true ? semiSync.acknowledgements : 0);
}

/** A failover stops what it receives; a restart, with skip_replica_start, all of it. */
function startTask({ name, replica, semiSync }: NodeState, acknowledges: boolean): Task {
  const { commands, ...task } = unfreezeTask(name);
  const isStopped = replica?.applies === false && replica.applierError === '';
  const acks: Command[] =
    acknowledges && semiSync?.replicaEnabled === false ? [{ kind: 'semi-sync-replica', on: true }] : [];
  return { ...task, commands: [...acks, ...(isStopped ? [{ kind: 'start-replica' } as const] : commands)] };
}

/** A new primary may have had nobody to acknowledge its transactions. */
function acknowledgementsDue(primary: NodeState, others: readonly NodeState[], memory: Memory): Task | undefined {
  const { semiSync } = primary;
  if (semiSync === undefined || memory.acknowledgements === 0) return undefined;
  const ready = others.filter((it) => it.reach === 'answers' && follows(it, primary) && it.semiSync?.replicaEnabled);
  const wanted = Math.min(memory.acknowledgements, ready.length);
  const has = semiSync.sourceEnabled ? semiSync.acknowledgements : 0;
  return wanted > has ? semiSyncSource(primary, wanted) : undefined;
}

function semiSyncSource({ name }: NodeState, acknowledgements: number): Task {
  return {
    name: 'acknowledge',
    node: name,
    budgetMs: BUDGETS.statementMs,
    why: 'replicas are there again that acknowledge its transactions',
    commands: [{ kind: 'semi-sync-source', on: true, acknowledgements }],
  };
}

/** It waits for acknowledgements before anybody can write. */
function openAgainTask({ name, semiSync }: NodeState, acknowledgements: number): Task {
  const acks: Command[] =
    semiSync === undefined || acknowledgements === 0 ? [] : [{ kind: 'semi-sync-source', on: true, acknowledgements }];
  return {
    name: 'open-again',
    node: name,
    budgetMs: BUDGETS.statementMs,
    why: 'it is the primary, and came back closed',
    commands: [...acks, { kind: 'open-for-writes' }],
  };
}

/** What replicas are asked to do so that they can tell whether they hear of their source. */
export function askAnewOf({ primary, others }: ClusterView, diagnosis: DiagnosisKind): Task[] {
  if (primary === undefined) return [];
  const replicas = others.filter((it) => it.reach === 'answers' && follows(it, primary));
  if (diagnosis === 'refuses-here') {
    const receiving = replicas.filter(({ replica }) => replica?.receiver === 'on');
    return receiving.some((it) => hasHeardSince(it, primary)) ? receiving.map((it) => askAnewTask(it)) : [];
  }
  // A leader that came to its end, or its term, may have stopped them.
  return diagnosis === 'suspect'
    ? replicas.filter(({ replica }) => replica?.receiver === 'off').map(({ name }) => unfreezeTask(name))
    : [];
}

/**
 * Its source has sent something since it refuses us. Where nothing comes, it may be cut off from it, too: that shows in a moment, and to stop a
 * receiver takes 2 s while it connects to what gives no answer.
 */
function hasHeardSince({ replica, seenAtMs }: NodeState, { failingSinceMs = Infinity }: NodeState): boolean {
  if (replica === undefined) return false;
  // Where heartbeats are rare, its silence takes too long to show.
  const isRare = quietLimitMs(replica) > QUIET_MS;
  return replica.heardAtMs > failingSinceMs || (isRare && seenAtMs >= failingSinceMs + QUIET_MS);
}

/**
 * A primary that is going down refuses us, and goes on sending to its replicas for seconds: who connects anew finds out. It costs a moment
 * without acknowledgements.
 */
export function askAnewTask({ name }: NodeState): Task {
  return {
    name: 'ask-anew',
    node: name,
    budgetMs: BUDGETS.statementMs,
    why: 'it is to find out whether its source still lets anybody in',
    commands: [{ kind: 'stop-receiving' }, { kind: 'start-receiving' }],
  };
}

/** So that a proxy that starts after a failover knows who is the primary, however many take writes by then. */
export function journalTask({ name, serverUuid }: NodeState, epoch: number): Task {
  return {
    name: 'journal',
    node: name,
    budgetMs: BUDGETS.statementMs,
    why: `it is the primary of epoch ${epoch}`,
    commands: [{ kind: 'journal', epoch, serverUuid, node: name }],
  };
}

/** A node whose data differ from the primary's gets those of the primary. Its own are gone then. */
export function rebuildTask({ name }: NodeState, { name: source, host, port }: NodeState): Task {
  return {
    name: 'rebuild',
    node: name,
    budgetMs: BUDGETS.statementMs,
    why: `it gets the data of ${source}`,
    commands: [{ kind: 'clone', host, port }],
  };
}

/** To be replaced it takes writes: where that came to nothing, it is not to go on so. */
export function closeAgainTask({ name }: NodeState): Task {
  return {
    name: 'fence',
    node: name,
    budgetMs: BUDGETS.closeS * 1000 + BUDGETS.statementMs,
    why: 'it is no primary, and was opened for a copy of all data',
    commands: [{ kind: 'close-for-writes', waitS: BUDGETS.closeS }],
  };
}
