import { runSchedule, type ScheduleResult } from './schedule.js';
import { REAL, type UnderTest } from './under-test.js';

export interface SimulationReport {
  readonly schedules: number;
  readonly failures: readonly ScheduleResult[];
  readonly seconds: number;
  /** Of one core: others may have had it, too. */
  readonly cpuSeconds: number;
  readonly events: number;
  readonly acknowledged: number;
  readonly ends: Readonly<Record<ScheduleResult['end'], number>>;
  readonly counts: Readonly<Record<keyof ScheduleResult['counts'], number>>;
}

/** Seeds from `seed` on, until so many have failed. */
export function simulate(
  schedules: number,
  seed: number,
  {
    code = REAL,
    maxFailures = 1,
    onProgress = () => {},
  }: {
    readonly code?: UnderTest;
    readonly maxFailures?: number;
    readonly onProgress?: (done: number) => void;
  } = {},
): SimulationReport {
  const beganAtMs = Date.now();
  const cpu = process.cpuUsage();
  const failures: ScheduleResult[] = [];
  const ends = { writable: 0, reasoned: 0, stalled: 0 };
  const counts = { failovers: 0, switchovers: 0, givenUp: 0, stuck: 0, deposed: 0 };
  let done = 0;
  let events = 0;
  let acknowledged = 0;
  for (; done < schedules && failures.length < maxFailures; done++) {
    const result = runSchedule(seed + done, code);
    ends[result.end]++;
    events += result.events;
    acknowledged += result.acknowledged;
    for (const key of ['failovers', 'switchovers', 'givenUp', 'stuck', 'deposed'] as const)
      counts[key] += result.counts[key];
    if (result.violations.length > 0) failures.push(result);
    if (done % 10_000 === 9_999) onProgress(done + 1);
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (Date.now() - beganAtMs) / 1_000;
  const cpuSeconds = (user + system) / 1_000_000;
  return { schedules: done, failures, seconds, cpuSeconds, events, acknowledged, ends, counts };
}
