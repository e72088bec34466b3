import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runSchedule } from './schedule.js';
import { simulate } from './simulate.js';

const HELP = `npm run simulate -- [options]

Histories of clusters whose servers, network, proxies and leases fail at any moment, under the real failover and switchover: nothing that was
acknowledged is lost, no two servers acknowledge writes, and clients can write again, or it is said why not. Ends with 1 where one fails.

  --schedules N   (10000)
  --seed N        of the first; each further one has the next
  --trace SEED         only this one, with all that happens in it
  --failures N    (1) ends after so many that fail
`;

/** What `npm run simulate` runs. @returns the exit code */
export function main(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      schedules: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      failures: { type: 'string', default: '1' },
      trace: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const numbers = [values.schedules, values.seed, values.failures, values.trace ?? '0'].map(Number);
  const [schedules = 0, seed = 0, maxFailures = 1, traced = 0] = numbers;
  if (values.help === true || numbers.some((it) => !Number.isInteger(it))) {
    process.stdout.write(HELP);
    return values.help === true ? 0 : 2;
  }
  if (values.trace !== undefined) {
    const { trace, violations, end, reason } = runSchedule(traced, undefined, true);
    process.stdout.write(`${trace.join('\n')}\n${end}${reason && `: ${reason}`}\n`);
    return violations.length > 0 ? 1 : 0;
  }
  // Histories are short-lived: most of the time would go into collecting them.
  setFlagsFromString('--max-semi-space-size=64');
  const onProgress = (done: number): void => void process.stderr.write(`${done} schedules\n`);
  const report = simulate(schedules, seed, { maxFailures, onProgress });
  for (const { seed: failed, violations } of report.failures) {
    process.stdout.write(`${violations.join('\n')}\n  again: npm run simulate -- --trace ${failed}\n`);
  }
  const { counts, ends, events, seconds, cpuSeconds, acknowledged } = report;
  process.stdout.write(
    `seeds ${seed} to ${seed + report.schedules - 1}: ${report.schedules} schedules in ${seconds.toFixed(1)} s ` +
      `(${(report.schedules / cpuSeconds).toFixed(0)} schedules and ${(events / cpuSeconds / 1_000).toFixed(0)}k events per second of one core), ${report.failures.length} failures; ` +
      `${acknowledged} writes acknowledged, ${counts.failovers} failovers, ${counts.switchovers} switchovers, ${counts.givenUp} given up, ` +
      `${counts.stuck} stuck, ${counts.deposed} deposed; ended writable ${ends.writable}, with a reason ${ends.reasoned}\n`,
  );
  return report.failures.length > 0 ? 1 : 0;
}
