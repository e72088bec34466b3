import { describe, expect, test } from 'vitest';
import { CONSISTENCY_LEVELS, type Consistency } from '../../../src/session/consistency.js';
import { History, isViolation, type Read } from '../../staleness/history.js';

const [A, B] = [1, 2];
const KEY = 7;

function write(history: History, session: number, value: number, key = KEY): void {
  history.sent(key, value);
  history.acknowledged(session, key, value);
}

/** Under which levels a read would have broken what they promise. */
function broken(history: History, read: Omit<Read, 'level' | 'key' | 'since'> & Partial<Read>): Consistency[] {
  const whole = { level: 'eventual' as const, key: KEY, since: history.now, ...read };
  const verdict = history.read(whole);
  return CONSISTENCY_LEVELS.filter((level) => isViolation({ ...whole, level }, verdict));
}

test("a session's read that is older than its own write breaks all levels but eventual", () => {
  const history = new History();
  write(history, A, 1);
  write(history, A, 2);
  expect(broken(history, { session: A, value: 2 })).toEqual([]);
  expect(broken(history, { session: A, value: 1 })).toEqual(['session', 'monotonic', 'global', 'primary']);
});

test("a read that is older than another session's write breaks global and primary", () => {
  const history = new History();
  write(history, A, 1);
  expect(broken(history, { session: B, value: 0 })).toEqual(['global', 'primary']);
});

test('a write that was acknowledged after a read was sent is not missed by that read', () => {
  const history = new History();
  const since = history.now;
  write(history, A, 1);
  expect(broken(history, { session: B, value: 0, since })).toEqual([]);
  expect(broken(history, { session: B, value: 0 })).toEqual(['global', 'primary']);
});

test('a write that nobody has been told of may be seen, and then not be gone again', () => {
  const history = new History();
  history.sent(KEY, 1);
  expect(broken(history, { session: B, value: 1 })).toEqual([]);
  expect(broken(history, { session: B, value: 0 })).toEqual(['monotonic', 'primary']);
});

test('keys do not mix', () => {
  const history = new History();
  write(history, A, 5, 8);
  expect(broken(history, { session: A, value: 0 })).toEqual([]);
});

describe('a value that nobody wrote breaks every level', () => {
  test('where it was never sent', () => {
    expect(broken(new History(), { session: A, value: 1 })).toEqual([...CONSISTENCY_LEVELS]);
  });

  test('where it was rolled back', () => {
    const history = new History();
    history.rolledBack(KEY, 1);
    write(history, A, 2);
    expect(broken(history, { session: B, value: 1 })).toEqual([...CONSISTENCY_LEVELS]);
  });

  test('where its transaction is open, in all sessions but its own', () => {
    const history = new History();
    expect(broken(history, { session: A, value: 1, pending: 1 })).toEqual([]);
    expect(broken(history, { session: B, value: 1 })).toEqual([...CONSISTENCY_LEVELS]);
  });
});

test('a transaction that does not see its own write breaks all levels but eventual', () => {
  const history = new History();
  expect(broken(history, { session: A, value: 0, pending: 1 })).toEqual(['session', 'monotonic', 'global', 'primary']);
});

test('what a transaction has read of itself and rolled back need not be read again', () => {
  const history = new History();
  broken(history, { session: A, value: 1, pending: 1 });
  history.rolledBack(KEY, 1);
  expect(broken(history, { session: A, value: 0 })).toEqual([]);
});

describe('a token', () => {
  test('takes what its session wrote to another one, and no more', () => {
    const history = new History();
    write(history, A, 1);
    const token = history.token(A, 'session', history.now);
    write(history, A, 2);
    history.took(B, token);
    expect(broken(history, { session: B, value: 1 })).toEqual(['global', 'primary']);
    expect(broken(history, { session: B, value: 0 })).toContain('session');
  });

  test('of a session under monotonic has what that has read', () => {
    const history = new History();
    history.sent(KEY, 1);
    broken(history, { session: A, value: 1 });
    const [under, over] = [history.token(A, 'session', history.now), history.token(A, 'monotonic', history.now)];
    history.took(B, under);
    expect(broken(history, { session: B, value: 0 })).toEqual([]);
    history.took(B, over);
    expect(broken(history, { session: B, value: 0 })).toContain('session');
  });

  test('of a session under global has what all had written before it was asked for, and goes on from hand to hand', () => {
    const history = new History();
    write(history, A, 1);
    const since = history.now;
    write(history, A, 2);
    const C = 3;
    history.took(B, history.token(C, 'global', since));
    history.took(C, history.token(B, 'session', history.now));
    expect(broken(history, { session: C, value: 1 })).toEqual(['global', 'primary']);
    expect(broken(history, { session: C, value: 0 })).toContain('session');
  });
});
