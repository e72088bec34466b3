import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterNode } from '../../docker/cluster/cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import type { Entry, Ledger } from '../faults/ledger.js';
import { prepareFault, type Fault, type PreparedFault } from '../faults/primary-faults.js';
import { backAfter } from '../faults/silences.js';
import { StrayWriter } from '../faults/stray-writer.js';
import { TABLE, TIMEOUT_MS, WRITERS, type FailoverSite } from './failover-site.js';

/** For so long only the proxy does not reach the primary. */
const UNREACHABLE_MS = 3_000;

/** What clients were told other than that their write was done. */
export interface ToldError {
  readonly text: string;
  /** Nobody had to tell a client: the statement had not been sent to a server that could have executed it. */
  readonly isSpared: boolean;
}

export interface Round {
  /** Of each writer: from the fault, or its end where only the proxy was cut off, to the next write that was acknowledged. */
  readonly backMs: readonly number[];
  readonly acknowledged: number;
  readonly lost: number;
  /** Rows that clients were told not to have been written, and that are there. */
  readonly wrong: number;
  /** Writes that the old primary acknowledged to clients that went past the proxy, and that are lost. */
  readonly strays: number;
  readonly promotions: number;
  /** Transactions that waited: to be acknowledged, or to be applied. */
  readonly waiting: number;
  readonly errors: readonly ToldError[];
}

/** One fault under writers, until each of them writes again. */
export async function faultRound(site: FailoverSite, fault: Fault): Promise<Round> {
  await site.untilWhole();
  const primary = await site.primary();
  const way = site.ways[site.cluster.nodes.indexOf(primary)];
  const prepared = await prepareFault(fault, { cluster: site.cluster, primary, table: TABLE, way });
  const stray = fault === 'frozen' ? await StrayWriter.connect(site.cluster, primary, TABLE) : undefined;
  const ledger = await site.write();
  try {
    const { changes } = await site.judge(ledger);
    const { struckAtMs, goneAtMs, waiting } = await strike(ledger, fault, prepared);
    const writing = stray?.writeOnce();
    await pause(fault === 'unreachable' ? UNREACHABLE_MS : 0);
    if (fault !== 'unreachable') await site.otherPrimaryThan(primary);
    else await prepared.undo();
    const backFromMs = fault === 'unreachable' ? ledger.nowMs : struckAtMs;
    await untilAllWrite(ledger, ledger.nowMs);
    if (stray !== undefined) {
      await prepared.undo();
      await Promise.all([writing, stray.writeUntilRefused()]);
    }
    await ledger.stop();
    const judged = await site.judge(ledger, stray);
    return {
      backMs: backAfter(ledger.entries, backFromMs),
      acknowledged: ledger.acknowledgedSince(0),
      lost: judged.lost,
      wrong: judged.wrong,
      strays: judged.strays,
      promotions: judged.changes - changes,
      waiting,
      errors: ledger.entries.filter((it) => it.fate !== 'acknowledged').map((it) => told(it, goneAtMs)),
    };
  } finally {
    await Promise.all([ledger.stop(), prepared.undo()]);
  }
}

interface Struck {
  readonly struckAtMs: number;
  /** Since then no statement that was sent can have been executed; undefined where it is not known. */
  readonly goneAtMs: number | undefined;
  readonly waiting: number;
}

async function strike(ledger: Ledger, fault: Fault, prepared: PreparedFault): Promise<Struck> {
  let struckAtMs = ledger.nowMs;
  const waiting = await prepared.strike(() => {
    struckAtMs = ledger.nowMs;
  });
  const isGone = fault !== 'frozen' && fault !== 'unreachable';
  return { struckAtMs, goneAtMs: isGone ? ledger.nowMs : undefined, waiting };
}

async function untilAllWrite(ledger: Ledger, sinceMs: number): Promise<void> {
  await waitUntil('all writers writing', TIMEOUT_MS, async () => {
    const back = ledger.entries.filter((it) => it.fate === 'acknowledged' && it.sentMs >= sinceMs);
    return Promise.resolve(new Set(back.map(({ writer }) => writer)).size === WRITERS || undefined);
  });
}

/** Where it is not known what became of a statement that was under way, nobody could have said anything else. */
function told({ error, sentMs }: Entry, goneAtMs: number | undefined): ToldError {
  const isUnknown = error.includes('whether the statement was executed is not known') || error.endsWith('(unknown)');
  return { text: error.replaceAll(/\d+/g, 'N'), isSpared: !isUnknown || sentMs > (goneAtMs ?? Infinity) };
}

/** Names of nodes go from one to the next. */
export function nextOf({ nodes }: { readonly nodes: readonly ClusterNode[] }, node: ClusterNode): ClusterNode {
  return nodes[(nodes.indexOf(node) + 1) % nodes.length] ?? node;
}
