import { expect, test } from 'vitest';
import { Networks, parseNetwork } from '../../../proxy/listen/networks.js';

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.8', false],
  ['0.0.0.0/0', '203.0.113.9', true],
  ['2001:db8::/32', '2001:db8:1::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ['10.0.0.0/8', '', false],
])('of %s, %s is one: %s', (network, address, isIn) => {
  expect(new Networks([network]).has(address)).toBe(isIn);
});

test('no network has no address', () => {
  expect(new Networks([]).has('127.0.0.1')).toBe(false);
});

test.each(['', 'localhost', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '::/129', '10.0.0.0/x', '10.0.0'])(
  "'%s' is no network, and is refused",
  (text) => {
    expect(parseNetwork(text)).toBeUndefined();
    expect(() => new Networks([text])).toThrow(/is no network/);
  },
);
