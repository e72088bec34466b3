import * as fc from 'fast-check';
import mysql2 from 'mysql2';
import { expect, test } from 'vitest';
import { seenAs } from '../../../driver/mysql2/seen-as.js';
import { StatementTexts } from '../../../driver/route/statement-texts.js';
import { Session } from '../../../src/session/session.js';

const baseline = new Map([['sql_mode', 'IGNORE_SPACE,STRICT_TRANS_TABLES']]);
const mode = new Session('', baseline, '9.7.4').lexMode;

/** As mysql2 does it; named ones are put in by their order here. */
function format(sql: string, values: unknown): string {
  return mysql2.format(sql, seenAs<never>(values));
}

const trusting = new StatementTexts(format, true);
const careful = new StatementTexts(format, false);

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
      const { classification } = trusting.find(sql, values, false, mode);
      expect(classification).toEqual(careful.find(sql, values, false, mode).classification);
    }),
    { numRuns: 3_000 },
  );
});

test('a statement with raw text, a name or an object in it is read with that in it', () => {
  const reasonOf = (sql: string, values: unknown): string =>
    trusting.find(sql, values, false, mode).classification.reason;
  expect(reasonOf('SELECT ?', [mysql2.raw('GET_LOCK(1, 1)')])).toBe('lock-function');
  expect(reasonOf('SELECT * FROM ??', ['performance_schema.threads'])).toBe('server-specific');
  expect(reasonOf('SELECT * FROM ??', ['t'])).toBe('read');
});

test('named placeholders are literals, too', () => {
  const named = new StatementTexts((sql) => sql.replace(/:\w+/g, '1'), true);
  expect(named.find('SELECT * FROM t WHERE a = :a', { a: 1 }, true, mode).classification.target).toBe('replica');
  expect(named.findPrepared('SELECT * FROM t WHERE a = :a', true, mode).classification.target).toBe('replica');
  expect(named.find('SELECT ? FROM t', [1], true, mode).classification.target).toBe('replica');
});

test('a text is read as the characters that it has, in whichever character set it is sent', () => {
  const gbk = new Session('', new Map([['character_set_client', 'gbk']]), '9.7.4').lexMode;
  // The last byte of the sign in UTF-8 and the backslash would be one character of GBK.
  const sql = String.raw`SELECT '€\' FOR UPDATE -- '`;
  expect(gbk.charset).toBe('gbk');
  expect(trusting.find(sql, undefined, false, gbk).classification.reason).toBe('read');
});
