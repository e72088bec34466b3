import { expect, test } from 'vitest';
import { fuzz, problemOf } from '../../fuzz/fuzz.js';
import { TARGETS } from '../../fuzz/targets.js';

const SEED = 20_250_601;

test('whatever reads bytes of a peer takes mutated ones without throwing, at its ease, wherever they are cut', async () => {
  // `npm run fuzz` does the same for as long as one likes.
  const { cases, failures, grownBytes } = await fuzz(TARGETS, SEED, { seconds: Infinity, cases: 6_000 });
  expect(failures.map(({ target, problem, bytes }) => `${target}: ${problem}: ${bytes.toString('hex')}`)).toEqual([]);
  expect(cases).toBe(6_000);
  expect(grownBytes).toBeLessThan(16 * 1024 * 1024);
});

test.each(Object.entries(TARGETS))('valid bytes are nothing to complain of: %s', (name, target) => {
  for (const bytes of target.samples) expect(problemOf(target, { target: name, seed: SEED, bytes })).toBeUndefined();
});
