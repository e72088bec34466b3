import { parseArgs } from 'node:util';
import { fuzz, problemOf, type FuzzFailure } from './fuzz.js';
import { TARGETS } from './targets.js';

const HELP = `npm run fuzz -- [options]

All that reads a peer's bytes, on mutated forms of valid ones: nothing throws, everything ends, what comes out does not depend on where
chunks are cut, and memory does not grow. Ends with 1 where something is wrong, and says how to run just that again.

  --seconds N     (60)
  --seed N             to do a run again
  --target NAME        only this one: ${Object.keys(TARGETS).join(', ')}
  --hex BYTES          only these bytes, for the target, with --seed
`;
/** Code that is compiled and caches that fill take some; what leaks takes many times as much in so many cases. */
const MAX_GROWTH_BYTES = 16 * 1024 * 1024;

/** What `npm run fuzz` runs. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      target: { type: 'string' },
      hex: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const chosen = values.target === undefined ? undefined : TARGETS[values.target];
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const seconds = Number(values.seconds);
  const wrong = Number.isNaN(seed) || Number.isNaN(seconds) || (values.target !== undefined && chosen === undefined);
  if (values.help === true || wrong || (values.hex !== undefined && chosen === undefined)) {
    process.stdout.write(HELP);
    return values.help === true ? 0 : 2;
  }
  if (values.hex !== undefined && values.target !== undefined && chosen !== undefined) {
    const one = { target: values.target, seed, bytes: Buffer.from(values.hex, 'hex') };
    const problem = problemOf(chosen, one);
    process.stdout.write(problem === undefined ? 'nothing wrong\n' : `${problem}\n`);
    return problem === undefined ? 0 : 1;
  }
  const targets = values.target !== undefined && chosen !== undefined ? { [values.target]: chosen } : TARGETS;
  const report = await fuzz(targets, seed, { seconds, cases: Number.MAX_SAFE_INTEGER });
  const { cases, failures, grownBytes } = report;
  for (const failure of failures) process.stdout.write(describe(failure));
  const grew = grownBytes > MAX_GROWTH_BYTES;
  process.stdout.write(
    `seed ${seed}: ${cases} cases of ${Object.keys(targets).length} targets, ${failures.length} failures; ` +
      `memory grew by ${(grownBytes / 1024).toFixed(0)} kB${grew ? ', which is too much' : ''}\n`,
  );
  return failures.length > 0 || grew ? 1 : 0;
}

function describe({ target, seed, bytes, problem }: FuzzFailure): string {
  const hex = bytes.toString('hex');
  return `${target}: ${problem}\n  again: npm run fuzz -- --target ${target} --seed ${seed} --hex ${hex === '' ? "''" : hex}\n`;
}
