import { expect, test } from 'vitest';
import { ProbeInterval } from '../../../driver/cluster/probe-interval.js';

const MIDDLE = 0.5;

test('servers are looked at more often while there is no primary, and less often while nobody uses the pool', () => {
  const interval = new ProbeInterval(1_000);
  expect(interval.next(true, 0, MIDDLE)).toBe(1_000);
  interval.isUsed = true;
  expect(interval.next(false, 1_000, MIDDLE)).toBe(100);
  expect(interval.next(true, 2_000, MIDDLE)).toBe(1_000);
  expect(interval.next(true, 12_000, MIDDLE)).toBe(5_000);
  expect(interval.next(false, 17_000, MIDDLE)).toBe(5_000);
  interval.isUsed = true;
  expect(interval.next(true, 22_000, MIDDLE)).toBe(1_000);
});

test('processes that were started together do not look at the same moment for ever', () => {
  const pauses = [0, 0.5, 1].map((chance) => new ProbeInterval(1_000).next(true, 0, chance));
  expect(pauses.map(Math.round)).toEqual([900, 1_000, 1_100]);
});
