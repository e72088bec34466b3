import { describe, expect, test } from 'vitest';
import { CircuitBreaker } from '../../../src/runtime/circuit-breaker.js';
import { PreparedBudget, PreparedCache, type ServerStatement } from '../../../src/runtime/prepared-cache.js';

describe('a node that cannot be reached', () => {
  const failure = new Error('refused');

  test('is tried again after pauses that double up to a bound, by one attempt at a time', () => {
    const breaker = new CircuitBreaker(50, 400);
    let now = 1000;
    expect(breaker.refusal(now)).toBeUndefined();
    for (const pause of [50, 100, 200, 400, 400]) {
      breaker.failed(now, failure);
      expect(breaker.refusal(now)).toBe(failure);
      expect(breaker.refusal(now + pause - 1)).toBe(failure);
      expect(breaker.refusal(now + pause)).toBeUndefined();
      for (let i = 0; i < 3; i++) expect(breaker.refusal(now + pause + 1000)).toBe(failure);
      now += pause;
    }
  });

  test('is not waited for the longer, the more attempts were under way when it went', () => {
    const breaker = new CircuitBreaker(50, 400);
    for (let i = 0; i < 100; i++) breaker.failed(1000 + i, failure);
    expect(breaker.refusal(1050)).toBeUndefined();
  });

  test('is as good as new once it was reached', () => {
    const breaker = new CircuitBreaker(50, 400);
    breaker.failed(0, failure);
    for (let now = 50; now < 10_000; now += 400) {
      breaker.refusal(now);
      breaker.failed(now, failure);
    }
    breaker.refusal(20_000);
    breaker.succeeded();
    for (let i = 0; i < 3; i++) expect(breaker.refusal(20_000)).toBeUndefined();
    breaker.failed(20_000, failure);
    expect(breaker.refusal(20_050)).toBeUndefined();
  });
});

describe('the statements that a connection has prepared', () => {
  function statement(id: number): ServerStatement {
    return { id, boundTypes: undefined };
  }

  test('are bounded: the one that was not used for longest is closed', () => {
    const cache = new PreparedCache(3);
    for (const id of [1, 2, 3]) expect(cache.add(`k${id}`, statement(id))).toEqual([]);
    cache.get('k1');
    expect(cache.add('k4', statement(4)).map(({ id }) => id)).toEqual([2]);
    expect(cache.add('k5', statement(5)).map(({ id }) => id)).toEqual([3]);
    expect(cache.size).toBe(3);
    expect(cache.get('k1')?.id).toBe(1);
  });

  test('that are replaced are closed', () => {
    const cache = new PreparedCache(3);
    cache.add('k', statement(1));
    expect(cache.add('k', statement(2)).map(({ id }) => id)).toEqual([1]);
    expect([cache.size, cache.get('k')?.id]).toEqual([1, 2]);
  });

  test('of all connections to a node are bounded together, but for the one that is to run', () => {
    const budget = new PreparedBudget(4);
    const [a, b] = [new PreparedCache(3), new PreparedCache(3)];
    for (const cache of [a, b]) cache.share(budget);
    for (const id of [1, 2, 3]) a.add(`k${id}`, statement(id));
    expect(b.add('k4', statement(4))).toEqual([]);
    expect(b.add('k5', statement(5)).map(({ id }) => id)).toEqual([4]);
    expect(b.add('k6', statement(6)).map(({ id }) => id)).toEqual([5]);
    expect([budget.count, a.size, b.size]).toEqual([4, 3, 1]);
    a.rename('k1', 'k7');
    a.clear();
    expect([budget.count, b.get('k6')?.id]).toEqual([1, 6]);
  });

  test('in which a cursor is open stay until it is closed', () => {
    const cache = new PreparedCache(2);
    const owner = { bound: true };
    cache.add('cursor', { ...statement(1), owner });
    cache.add('k2', statement(2));
    expect(cache.add('k3', statement(3)).map(({ id }) => id)).toEqual([2]);
    owner.bound = false;
    expect(cache.add('k4', statement(4)).map(({ id }) => id)).toEqual([1]);
  });

  test('are all forgotten when the connection was reset', () => {
    const cache = new PreparedCache(3);
    cache.add('k', statement(1));
    cache.clear();
    expect([cache.size, cache.get('k')]).toEqual([0, undefined]);
  });
});
