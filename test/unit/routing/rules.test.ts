import { describe, expect, test } from 'vitest';
import { namesIn } from '../../../src/classify/names.js';
import { isRuled, Rules, type Rule } from '../../../src/routing/rules.js';
import { classOf, MYSQL } from '../classify/modes.js';

function find(rules: readonly Rule[], sql: string, schema = 'shop', user = 'app'): string | undefined {
  const bytes = Buffer.from(sql);
  return new Rules(rules).find({ user, schema, digest: 'd1', names: () => namesIn(bytes, 0, bytes.length, MYSQL) });
}

describe('rules', () => {
  test('fit where all that they say fits, the first one first', () => {
    const rules = [
      { user: 'app', schema: 'other', to: 'primary' },
      { user: 'app', digest: 'd1', to: 'node=a:1' },
      { user: 'app', to: 'replica' },
    ];
    expect(find(rules, 'SELECT 1')).toBe('node=a:1');
    expect(find(rules, 'SELECT 1', 'other')).toBe('primary');
    expect(find(rules, 'SELECT 1', 'shop', 'somebody')).toBeUndefined();
  });

  test.each([
    ['cart', 'SELECT * FROM cart', true],
    ['cart', 'SELECT * FROM `Cart` c', true],
    ['cart', 'SELECT * FROM (SELECT id FROM other.x JOIN cart) AS d', true],
    ['cart', "SELECT 'cart' /* cart */ -- cart", false],
    ['cart', 'SELECT * FROM carts', false],
    ['shop.cart', 'SELECT * FROM cart', true],
    ['shop.cart', 'SELECT * FROM shop . cart', true],
    ['shop.cart', 'SELECT * FROM other.cart', false],
    ['other.cart', 'SELECT * FROM cart', false],
    ['größe', 'SELECT * FROM größe', true],
  ])('for the table %s: %s', (table, sql, fits) => {
    expect(find([{ table, to: 'primary' }], sql)).toBe(fits ? 'primary' : undefined);
  });

  test.each([
    ['SELECT 1', true],
    ['SELECT f(1)', true],
    ['SHOW PROCESSLIST', true],
    ['START TRANSACTION READ ONLY', true],
    ['SELECT 1 /* rwsplit: replica */', false],
    ['UPDATE t SET a = 1', false],
    ['SELECT 1 FOR UPDATE', false],
    ['SELECT LAST_INSERT_ID()', false],
  ])('say something of reads only: %s', (sql, ruled) => {
    expect(isRuled(classOf(sql))).toBe(ruled);
  });
});
