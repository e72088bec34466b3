import * as fc from 'fast-check';
import mysql2 from 'mysql2';
import { expect, test } from 'vitest';
import { seenAs } from '../../../driver/mysql2/seen-as.js';
import { StatementTexts } from '../../../driver/route/statement-texts.js';
import { Rules } from '../../../src/routing/rules.js';
import { Session } from '../../../src/session/session.js';

const baseline = new Map([['sql_mode', 'IGNORE_SPACE,STRICT_TRANS_TABLES']]);
const session = new Session('shop', baseline, '9.7.4');
const settings = { user: 'app', rules: new Rules([]), routines: new Map(), onCall: (): void => {} };

/** As mysql2 does it; named ones are put in by their order here. */
function format(sql: string, values: unknown): string {
  return mysql2.format(sql, seenAs<never>(values));
}

const trusting = new StatementTexts(format, true, settings);
const careful = new StatementTexts(format, false, settings);

const TEMPLATES = [
  'SELECT * FROM t WHERE id = ?',
  'SELECT ?',
  'SELECT a-? FROM t WHERE b = -? LIMIT ?',
  'SELECT * FROM t WHERE a = ? FOR UPDATE',
  'SELECT * FROM ?? WHERE ?? = ?',
  "SELECT 'it''s ?' , ? FROM t",
  'SELECT /* ? */ a FROM t WHERE b = ?',
  'SELECT a FROM t -- ?\nWHERE b = ?',
  'INSERT INTO t (a, b) VALUES (?, ?)',
  'INSERT INTO t SET ?',
  'UPDATE t SET a = ? WHERE ?',
  'SET @a = ?',
  'SELECT f(?)',
  'SELECT COUNT (?) FROM t',
  'DO ?; SELECT ?',
  'CALL p(?, ?)',
] as const;

const PLAIN = fc.oneof(
  fc.string(),
  fc.constantFrom(
    "' OR 1; -- ",
    '*/ FOR UPDATE',
    '/* rwsplit: primary */',
    '\\',
    '`',
    '"',
    '; DELETE FROM t',
    'mysql.user',
  ),
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.date({ noInvalidDate: true }),
  fc.constant(null),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);
const VALUE = fc.oneof(
  PLAIN,
  fc.array(PLAIN, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('a', 'b', 'mysql.user'), PLAIN, { minKeys: 1, maxKeys: 2, noNullPrototype: true }),
  fc.constantFrom('SLEEP(1)', 'a FOR UPDATE', 'GET_LOCK(1, 1)', '1; DELETE FROM t').map((raw) => mysql2.raw(raw)),
);

test('whatever values are put in, a statement is taken for what the text is that the server gets', () => {
  fc.assert(
    fc.property(fc.constantFrom(...TEMPLATES), fc.array(VALUE, { maxLength: 4 }), (sql, values) => {
      const { classification } = trusting.find(sql, values, false, session);
      expect(classification).toEqual(careful.find(sql, values, false, session).classification);
    }),
    { numRuns: 3_000 },
  );
});

test('a statement with raw text, a name or an object in it is read with that in it', () => {
  const reasonOf = (sql: string, values: unknown): string =>
    trusting.find(sql, values, false, session).classification.reason;
  expect(reasonOf('SELECT ?', [mysql2.raw('GET_LOCK(1, 1)')])).toBe('lock-function');
  expect(reasonOf('SELECT * FROM ??', ['performance_schema.threads'])).toBe('server-specific');
  expect(reasonOf('SELECT * FROM ??', ['t'])).toBe('read');
});

test('named placeholders are literals, too', () => {
  const named = new StatementTexts((sql) => sql.replace(/:\w+/g, '1'), true, settings);
  expect(named.find('SELECT * FROM t WHERE a = :a', { a: 1 }, true, session).classification.target).toBe('replica');
  expect(named.findPrepared('SELECT * FROM t WHERE a = :a', true, session).classification.target).toBe('replica');
  expect(named.find('SELECT ? FROM t', [1], true, session).classification.target).toBe('replica');
});

test('a text is read as the characters that it has, in whichever character set it is sent', () => {
  const gbk = new Session('', new Map([['character_set_client', 'gbk']]), '9.7.4');
  // The last byte of the sign in UTF-8 and the backslash would be one character of GBK.
  const sql = String.raw`SELECT '€\' FOR UPDATE -- '`;
  expect(gbk.lexMode.charset).toBe('gbk');
  expect(trusting.find(sql, undefined, false, gbk).classification.reason).toBe('read');
});

test('a rule counts as a hint would, in the schema that it is for', () => {
  const rules = new Rules([
    { schema: 'shop', table: 'shop.cart', to: 'primary' },
    { user: 'app', table: 'cart', to: 'node=db2:3306' },
  ]);
  const ruled = new StatementTexts(format, true, { ...settings, rules });
  const other = new Session('other', baseline, '9.7.4');
  const sql = 'SELECT * FROM cart WHERE id = ?';
  for (let i = 0; i < 2; i++) {
    expect(ruled.find(sql, [i], false, session).classification).toMatchObject({ target: 'primary', reason: 'rule' });
    expect(ruled.findPrepared(sql, false, other).classification).toMatchObject({ target: 'replica', node: 'db2:3306' });
  }
  expect(ruled.find('SELECT * FROM ?? WHERE id = 1', ['cart'], false, session).classification.reason).toBe('rule');
  expect(ruled.find('SELECT * FROM item', undefined, false, session).classification.reason).toBe('read');
  expect(ruled.find('SELECT * FROM cart FOR UPDATE', undefined, false, other).classification.target).toBe('primary');
});
