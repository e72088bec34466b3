import { setTimeout as pause } from 'node:timers/promises';
import { longestSilence, longestSilences } from '../faults/silences.js';
import { partOf } from './median.js';
import { nextOf } from './failover-round.js';
import { WRITERS, type FailoverSite } from './failover-site.js';

/** What still belongs to a switchover when it has been answered. */
const AFTER_MS = 50;

/** One after another, from node to node, under the same writers. @returns whether no client had an error, and nothing was lost */
export async function planned(site: FailoverSite, count: number): Promise<boolean> {
  await site.untilWhole();
  const ledger = await site.write();
  const silences: number[] = [];
  const ofEach: number[] = [];
  let refused = 0;
  for (let i = 0; i < count; i++) {
    await site.untilWhole();
    const fromMs = ledger.nowMs;
    try {
      await site.switchOver(nextOf(site.cluster, await site.primary()));
    } catch (error) {
      refused++;
      process.stdout.write(`  refused: ${String(error)}\n`);
    }
    await pause(AFTER_MS);
    silences.push(longestSilence(ledger.entries, fromMs, ledger.nowMs));
    ofEach.push(...longestSilences(ledger.entries, fromMs, ledger.nowMs));
  }
  await ledger.stop();
  const { lost } = await site.judge(ledger);
  const errors = ledger.entries.filter(({ fate }) => fate !== 'acknowledged');
  process.stdout.write(
    `${count} planned switchovers under ${WRITERS} writers: ${refused} refused, ${errors.length} errors of clients, ${lost} of ${ledger.acknowledgedSince(0)} lost; ` +
      `longest time without an acknowledged write p50 ${partOf(silences, 0.5)} ms, p99 ${partOf(silences, 0.99)} ms, at most ${partOf(silences, 1)} ms; ` +
      `of each writer p50 ${partOf(ofEach, 0.5)} ms, p99 ${partOf(ofEach, 0.99)} ms\n`,
  );
  for (const { error } of errors.slice(0, 5)) process.stdout.write(`  ${error}\n`);
  return errors.length === 0 && lost === 0 && refused === 0;
}
