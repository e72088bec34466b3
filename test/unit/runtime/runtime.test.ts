import { describe, expect, test } from 'vitest';
import { BackOff } from '../../../src/runtime/back-off.js';
import { PreparedCache, type ServerStatement } from '../../../src/runtime/prepared-cache.js';

describe('a node that cannot be reached', () => {
  const failure = new Error('refused');

  test('is tried again after times that double up to a bound', () => {
    const backOff = new BackOff(50, 400);
    let now = 1000;
    for (const wait of [50, 100, 200, 400, 400]) {
      backOff.failed(now, failure);
      expect(backOff.refusal(now)).toBe(failure);
      expect(backOff.refusal(now + wait - 1)).toBe(failure);
      expect(backOff.refusal(now + wait)).toBeUndefined();
      now += wait;
    }
  });

  test('is as good as new once it was reached', () => {
    const backOff = new BackOff(50, 400);
    for (let i = 0; i < 5; i++) backOff.failed(0, failure);
    backOff.succeeded();
    expect(backOff.refusal(0)).toBeUndefined();
    backOff.failed(1000, failure);
    expect(backOff.refusal(1050)).toBeUndefined();
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

  test('are all forgotten when the connection was reset', () => {
    const cache = new PreparedCache(3);
    cache.add('k', statement(1));
    cache.clear();
    expect([cache.size, cache.get('k')]).toEqual([0, undefined]);
  });
});
