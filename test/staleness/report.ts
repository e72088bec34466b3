import { CONSISTENCY_LEVELS } from '../../src/session/consistency.js';
import type { Tally } from './run.js';
import type { StaleReads } from './stale-reads.js';

const HEAD = [
  'level',
  'reads',
  'violations',
  'by replicas',
  'behind own writes',
  'behind own reads',
  'behind any write',
];
const WIDTHS = [12, 9, 11, 12, 18, 17, 17];

/** What was found, in words. */
export function report({ run, bare, disturbances }: StaleReads): string {
  const rows = CONSISTENCY_LEVELS.map((level) => [level, ...cellsOf(run.tallies[level])]);
  const without = bare.tallies.eventual;
  // It promises nothing: what it gives is held to what an application would expect.
  const bareRow = ['bare', ...cellsOf({ ...without, violations: without.behindOwn })];
  return [
    line(HEAD),
    ...rows.map(line),
    line(bareRow),
    '',
    `disturbances: ${listed(disturbances)}`,
    `steps: ${listed(run.steps)}`,
    `errors that clients have to expect: ${listed(run.errors) || 'none'}`,
    ...run.violations.map((it) => `VIOLATION ${JSON.stringify(it)}`),
    '',
  ].join('\n');
}

function cellsOf(tally: Tally): string[] {
  const share = tally.reads === 0 ? 0 : tally.onReplica / tally.reads;
  return [
    String(tally.reads),
    String(tally.violations),
    `${(share * 100).toFixed(1)} %`,
    String(tally.behindOwn),
    String(tally.behindSeen),
    String(tally.behindAll),
  ];
}

function line(cells: readonly string[]): string {
  return cells.map((cell, at) => (at === 0 ? cell.padEnd(WIDTHS[0] ?? 0) : cell.padStart(WIDTHS[at] ?? 0))).join('');
}

function listed(counts: ReadonlyMap<string | number, number>): string {
  return [...counts].map(([name, times]) => `${name} ${times}`).join(', ');
}
