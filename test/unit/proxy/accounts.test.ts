import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Accounts } from '../../../proxy/accounts.js';
import { Users } from '../../../proxy/users.js';
import { DEFAULTS } from '../../../src/defaults.js';
import { CACHING_SHA2, scramble } from '../../../src/protocol/auth/caching-sha2.js';
import { NATIVE_PASSWORD, nativeScramble } from '../../../src/protocol/auth/native-password.js';

const NONCE = Buffer.from('abcdefghijklmnopqrst');
const PASSWORD = Buffer.from('geheim');

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a password is known as long as sessions need it and a while longer, then forgotten', () => {
  const accounts = new Accounts(new Users([]));
  const account = accounts.accepted('app', PASSWORD);
  account.entered();
  account.entered();
  vi.advanceTimersByTime(10 * DEFAULTS.unusedAccountMs);
  account.left();
  vi.advanceTimersByTime(10 * DEFAULTS.unusedAccountMs);
  expect(accounts.find('app')).toBe(account);
  account.left();
  vi.advanceTimersByTime(DEFAULTS.unusedAccountMs - 1);
  expect(accounts.find('app')).toBe(account);
  vi.advanceTimersByTime(1);
  expect(accounts.find('app')).toBeUndefined();
});

test('a server is asked again whether a password is right when that is some time ago', () => {
  const accounts = new Accounts(new Users([]));
  const account = accounts.accepted('app', PASSWORD);
  expect(account.checkedLately).toBe(true);
  account.entered();
  vi.advanceTimersByTime(DEFAULTS.verifierLifetimeMs + 1);
  expect(account.checkedLately).toBe(false);
  expect(accounts.accepted('app', PASSWORD)).toBe(account);
  expect(account.checkedLately).toBe(true);
});

test('proofs are by the password that a server accepted last, or the one of the configuration, and no other', () => {
  const accounts = new Accounts(new Users([{ name: 'listed', password: 'geheim' }, { name: 'unlisted' }]));
  const proves = (user: string, password: string): boolean[] => [
    accounts.prove(CACHING_SHA2, user, scramble(password, NONCE), NONCE),
    accounts.prove(NATIVE_PASSWORD, user, nativeScramble(password, NONCE), NONCE),
  ];
  expect(proves('app', 'geheim')).toEqual([false, false]);
  const first = accounts.accepted('app', PASSWORD);
  expect(proves('app', 'geheim')).toEqual([true, true]);
  expect(proves('app', 'falsch')).toEqual([false, false]);
  accounts.accepted('app', Buffer.from('neu'));
  expect(proves('app', 'geheim')).toEqual([false, false]);
  expect(proves('app', 'neu')).toEqual([true, true]);
  expect(proves('listed', 'geheim')).toEqual([true, true]);
  expect(accounts.find('listed')?.checkedLately).toBe(false);
  expect(proves('unlisted', '')).toEqual([false, false]);
  accounts.refused(accounts.accepted('app', Buffer.from('neu')));
  expect(proves('app', 'neu')).toEqual([false, false]);
  expect(first.checkedLately).toBe(true);
});
