import { FAULT_WORDS, type Fault } from '../faults/primary-faults.js';
import type { Round } from './failover-round.js';
import { partOf } from './median.js';

/** Nothing was lost, clients were told the truth, and there were as many promotions as there had to be. */
export function isKept(fault: Fault, rounds: readonly Round[]): boolean {
  const promotions = fault === 'unreachable' ? 0 : 1;
  return rounds.every((it) => it.lost === 0 && it.wrong === 0 && it.strays === 0 && it.promotions === promotions);
}

const HEAD = [
  'primary',
  'n',
  'acknowledged',
  'lost',
  'wrong',
  'strays',
  'unknown',
  'spared',
  'p50',
  'p95',
  'max',
  'promotions',
  'waiting',
];

/** What there is to know of each fault, and the errors that clients could have been spared. */
export function failoverTable(results: ReadonlyMap<Fault, readonly Round[]>, writers: number): string {
  const rows = [...results].map(([fault, rounds]) => rowOf(fault, rounds));
  const widths = HEAD.map((head, column) => Math.max(head.length, ...rows.map((it) => it[column]?.length ?? 0)));
  const lines = [HEAD, ...rows].map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  const errors = [...results].flatMap(([fault, rounds]) => errorsOf(fault, rounds));
  return `${lines.join('\n')}
${writers} writers; p50, p95, max: milliseconds from the fault to the next write that each of them was acknowledged (from its end, where only the
proxy was cut off). wrong: written in spite of an error. strays: acknowledged by the old primary, and lost. unknown: outcomes of statements that were under way.
spared: other errors, which nobody should have had. waiting: transactions, at most, that were not acknowledged or not applied yet.
${errors.map((it) => `  ${it}\n`).join('')}`;
}

function rowOf(fault: Fault, rounds: readonly Round[]): string[] {
  const sum = (of: (round: Round) => number): string => String(rounds.reduce((total, it) => total + of(it), 0));
  const back = rounds.flatMap(({ backMs }) => backMs);
  return [
    FAULT_WORDS[fault],
    String(rounds.length),
    sum((it) => it.acknowledged),
    sum((it) => it.lost),
    sum((it) => it.wrong),
    sum((it) => it.strays),
    sum(({ errors }) => errors.filter(({ isSpared }) => !isSpared).length),
    sum(({ errors }) => errors.filter(({ isSpared }) => isSpared).length),
    partOf(back, 0.5),
    partOf(back, 0.95),
    partOf(back, 1),
    sum((it) => it.promotions),
    String(Math.max(0, ...rounds.map(({ waiting }) => waiting))),
  ];
}

function errorsOf(fault: Fault, rounds: readonly Round[]): string[] {
  const counts = new Map<string, number>();
  for (const { text, isSpared } of rounds.flatMap(({ errors }) => errors)) {
    const what = `${isSpared ? 'could have been spared' : 'unknown'}: ${text}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${fault}: ${count} × ${what}`);
}
