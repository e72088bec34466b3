import { describe, expect, test } from 'vitest';
import type { LexMode } from '../../../src/classify/classification.js';
import { MARIADB, MYSQL, summary } from './modes.js';

const READ = 'replica read';
const LOCK = 'primary locking-read';
const MULTI = 'primary multi-statement';
const UNPARSABLE = 'primary unparsable +unknown-statement';
/** Not what the character set allows: the server may cut it otherwise. */
const MALFORMED = 'primary unparsable';

function bytes(...parts: ReadonlyArray<string | number>): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.of(part))));
}

function withMode(change: Partial<LexMode>): LexMode {
  return { ...MYSQL, ...change };
}

describe('sql_mode decides where strings end', () => {
  const ansi = withMode({ ansiQuotes: true });
  const plain = withMode({ noBackslashEscapes: true });
  test.each([
    ['a double quote begins a string', 'SELECT "a\\" FOR UPDATE -- "', MYSQL, READ],
    ['with ANSI_QUOTES it begins a name without escapes', 'SELECT "a\\" FOR UPDATE -- "', ansi, LOCK],
    [
      'with ANSI_QUOTES a quoted name can be a function',
      'SELECT "f"(1)',
      ansi,
      'primary stored-function +stored-function',
    ],
    ['with ANSI_QUOTES a schema can be quoted', 'SELECT * FROM "sys"."x"', ansi, 'primary server-specific'],
    [
      'a user variable in double quotes is one in both modes',
      'SELECT @"a" := 1',
      ansi,
      'primary user-variable +user-variable',
    ],
    ['a backslash hides a quote', "SELECT 'a\\' FOR UPDATE -- '", MYSQL, READ],
    ['with NO_BACKSLASH_ESCAPES it does not', "SELECT 'a\\' FOR UPDATE -- '", plain, LOCK],
    ['two backslashes hide nothing', "SELECT 'a\\\\' FOR UPDATE", MYSQL, LOCK],
    ['a doubled quote stands for itself', "SELECT 'a'' FOR UPDATE -- '", MYSQL, READ],
    ['a doubled backtick stands for itself', 'SELECT `a`` FOR UPDATE -- `', MYSQL, READ],
    ['a backtick knows no backslash', 'SELECT `a\\` FOR UPDATE', MYSQL, LOCK],
    ['one quote within the other says nothing', `SELECT '"', "'" FOR UPDATE`, MYSQL, LOCK],
    ['a quote within a comment says nothing', "SELECT /* ' */ 1 FOR UPDATE", MYSQL, LOCK],
    ['a long string ends at its quote', `SELECT '${'x'.repeat(500)}' FOR UPDATE -- '`, MYSQL, LOCK],
    ['a long string knows backslashes', `SELECT '${'x'.repeat(500)}\\' FOR UPDATE -- '`, MYSQL, READ],
    ['a long string knows rows of backslashes', `SELECT '${'x'.repeat(500)}\\\\\\\\' FOR UPDATE -- '`, MYSQL, LOCK],
    ['a long string knows doubled quotes', `SELECT '${'x'.repeat(500)}'' FOR UPDATE -- '`, MYSQL, READ],
    ['a string can end with the text', `SELECT '${'x'.repeat(500)}'`, MYSQL, READ],
    ['a long string can lack its end', `SELECT '${'x'.repeat(500)}`, MYSQL, UNPARSABLE],
  ])('%s', (_, sql, mode, expected) => {
    expect(summary(sql, mode)).toBe(expected);
  });
});

describe('a byte within a multi-byte character ends nothing', () => {
  test.each([
    ['gbk', 'a backslash as second byte', bytes("SELECT '", 0xbf, 0x5c, "' FOR UPDATE -- '"), LOCK, READ],
    ['sjis', 'a backslash as second byte', bytes("SELECT '", 0x83, 0x5c, "' FOR UPDATE -- '"), LOCK, READ],
    ['cp932', 'a backslash as second byte', bytes("SELECT '", 0xfa, 0x5c, "' FOR UPDATE -- '"), LOCK, READ],
    ['big5', 'a backslash as second byte', bytes("SELECT '", 0xa4, 0x5c, "' FOR UPDATE -- '"), LOCK, READ],
    ['gb18030', 'a backslash as second byte', bytes("SELECT '", 0x81, 0x5c, "' FOR UPDATE -- '"), LOCK, READ],
    ['gb18030', 'four bytes', bytes('SELECT 1 AS ', 0x81, 0x30, 0x81, 0x30, ' FOR UPDATE'), LOCK, MALFORMED],
    ['gbk', 'a backtick as second byte', bytes('SELECT `', 0x81, 0x60, ' FOR UPDATE -- `'), READ, MALFORMED],
    ['gbk', 'a quote that cannot be a second byte', bytes("SELECT '", 0xbf, "' FOR UPDATE -- '"), LOCK, LOCK],
    ['big5', 'a first byte that is none', bytes("SELECT '", 0x81, 0x5c, "' FOR UPDATE -- '"), READ, READ],
    [
      'sjis',
      'a half-width katakana, which is one byte',
      bytes("SELECT '", 0xb1, 0x5c, "' FOR UPDATE -- '"),
      READ,
      READ,
    ],
    ['sjis', 'a half-width katakana as a name', bytes('SELECT 1 AS ', 0xb1), READ, MALFORMED],
    ['gbk', 'a character at the very end', bytes("SELECT '", 0xbf), UNPARSABLE, UNPARSABLE],
  ] as const)('%s: %s', (charset, _, sql, expected, elsewhere) => {
    expect(summary(sql, withMode({ charset }))).toBe(expected);
    expect(summary(sql)).toBe(elsewhere);
  });

  test('a no-break space is white space in single-byte character sets, so it does not hide a lock', () => {
    expect(summary(bytes('SELECT 1', 0xa0, 'FOR', 0xa0, 'UPDATE'))).toBe(MALFORMED);
    expect(summary(bytes('SELECT 1 AS x', 0xa0, 'INTO @a'))).toBe(`${MALFORMED} +user-variable`);
    expect(summary(bytes('SELECT 5--', 0xa0, 'x'))).toBe(MALFORMED);
  });

  test('a name that is no UTF-8 goes to the primary and leaves nothing', () => {
    expect(summary(bytes('SELECT 1 AS pr', 0xe9, 'nom'))).toBe(MALFORMED);
    expect(summary(bytes('SELECT `pr', 0xe9, 'nom` FROM t'))).toBe(MALFORMED);
    expect(summary(bytes('SELECT ', 0xe9))).toBe(MALFORMED);
    expect(summary(bytes("SELECT 'pr", 0xe9, "nom'"))).toBe(READ);
  });
});

describe('an executable comment is code where its version applies', () => {
  test.each([
    ['without a version', 'SELECT 1 /*! FOR UPDATE */', LOCK],
    ['for an older server', 'SELECT 1 /*!80000 FOR UPDATE */', LOCK],
    ['for exactly this server', 'SELECT 1 /*!90704 FOR UPDATE */', LOCK],
    ['for a newer server', 'SELECT 1 /*!90705 FOR UPDATE */', READ],
    ['with six digits and a space', 'SELECT 1 /*!080000 FOR UPDATE */', LOCK],
    ['with six digits for a newer server', 'SELECT 1 /*!100000 FOR UPDATE */', READ],
    ['with six digits and no space, of which five count', 'SELECT 1 /*!8000099 FOR UPDATE */', LOCK],
    ['with four digits, which are code', 'SELECT 1 + /*!8000 FOR UPDATE */', LOCK],
    ['without a space after the version', 'SELECT 1 /*!80000FOR UPDATE */', LOCK],
    ['around the first word', '/*!80000 INSERT INTO t VALUES (1) */', 'primary write'],
    ['in pieces', 'SELECT 1 /*! FOR */ /*!80000 UPDATE */', LOCK],
    ['with a comment in it', 'SELECT 1 /*! FOR /* c */ UPDATE */', LOCK],
    ['skipped, with a comment in it', 'SELECT 1 /*!99999 /* */ FOR UPDATE */', READ],
    ['skipped, with an end in a quote', "SELECT 1 /*!99999 '*/ FOR UPDATE -- '", LOCK],
    ['with a quote around its end', "SELECT 1 /*! , '*/ FOR UPDATE ' */", READ],
    ['closed twice', 'SELECT 1 /*! + 1 */ */', READ],
    ['with a separator in it', 'SELECT 1 /*! ; DELETE FROM t */', MULTI],
    ['before a parenthesis', 'SELECT f/*! (1) */', 'primary stored-function +stored-function'],
    ["with MariaDB's mark", 'SELECT 1 /*M! FOR UPDATE */', READ],
    ['without an end', 'SELECT 1 /*! + 1', UNPARSABLE],
    ['skipped, without an end', 'SELECT 1 /*!99999 + 1 /* */', UNPARSABLE],
  ])('%s', (_, sql, expected) => {
    expect(summary(sql)).toBe(expected);
  });

  test('six digits are in doubt before MySQL 8.4', () => {
    expect(summary('SELECT 1 /*!080000 FOR UPDATE */', withMode({ serverVersion: 80036 }))).toBe(UNPARSABLE);
    expect(summary('SELECT 1 /*!999999 FOR UPDATE */', withMode({ serverVersion: 80036 }))).toBe(READ);
  });

  test.each([
    ['with its own mark', 'SELECT 1 /*M! FOR UPDATE */', LOCK],
    ['with its own mark and version', 'SELECT 1 /*M!100100 FOR UPDATE */', LOCK],
    ['with its own mark, for a newer server', 'SELECT 1 /*M!110100 FOR UPDATE */', READ],
    ['with six digits', 'SELECT 1 /*!100100 FOR UPDATE */', LOCK],
    ['with a version of old', 'SELECT 1 /*!50100 FOR UPDATE */', LOCK],
    ["with a version of MySQL's own, which is skipped", 'SELECT 1 /*!80000 FOR UPDATE */', READ],
    ["with its own mark and a version of MySQL's", 'SELECT 1 /*M!80000 FOR UPDATE */', LOCK],
  ])('of MariaDB: %s', (_, sql, expected) => {
    expect(summary(sql, MARIADB)).toBe(expected);
  });
});

describe("MariaDB's own statements", () => {
  test.each([
    ['SET STATEMENT goes to the primary', 'SET STATEMENT max_statement_time = 1 FOR SELECT 1', 'primary session-state'],
    [
      'SET STATEMENT leaves what its statement leaves',
      'SET STATEMENT a = 1, b = 2 FOR CREATE TEMPORARY TABLE t (a INT)',
      'primary temporary-table +temporary-table',
    ],
    ['SET STATEMENT can write', 'SET STATEMENT a = 1 FOR INSERT INTO t VALUES (1)', 'primary write'],
    ['ANALYZE of a read is one', 'ANALYZE SELECT * FROM t', READ],
    ['ANALYZE of a read is one in JSON', 'ANALYZE FORMAT=JSON SELECT * FROM t', READ],
    ['ANALYZE of a write runs it', 'ANALYZE UPDATE t SET a = 1', 'primary explain-analyze'],
    ['ANALYZE TABLE stays administration', 'ANALYZE TABLE t PERSISTENT FOR ALL', 'primary administration'],
    [
      'EXECUTE IMMEDIATE can do anything',
      "EXECUTE IMMEDIATE 'x'",
      'primary text-prepared-statement +unknown-statement',
    ],
    ['a backup lock stays', 'BACKUP STAGE START', 'primary administration +instance-lock'],
    ['the end of a backup ends it', 'BACKUP STAGE END', 'primary administration -instance-lock'],
    ['its functions are its own', "SELECT NVL(a, b), TO_CHAR(c, 'x'), JSON_COMPACT(d)", READ],
    ['its sequences move on', 'SELECT NEXTVAL(s), SETVAL(t, 1)', 'primary side-effect-function'],
    ["MySQL's functions are not", 'SELECT BIN_TO_UUID(a)', 'primary stored-function +stored-function'],
    [
      'SET SESSION AUTHORIZATION may do anything',
      'SET SESSION AUTHORIZATION u',
      'primary session-state +unknown-statement',
    ],
  ])('%s', (_, sql, expected) => {
    expect(summary(sql, MARIADB)).toBe(expected);
  });

  test("MariaDB's functions are none of MySQL's", () => {
    expect(summary('SELECT NVL(a, b)')).toBe('primary stored-function +stored-function');
  });
});

describe('functions by mode', () => {
  test('a space before the parenthesis makes some built-in functions stored ones, unless sql_mode has IGNORE_SPACE', () => {
    expect(summary('SELECT COUNT (*) FROM t', withMode({ ignoreSpace: true }))).toBe(READ);
    expect(summary('SELECT f (1)', withMode({ ignoreSpace: true }))).toBe('primary stored-function +stored-function');
  });

  test('vector functions are built in since MySQL 9', () => {
    expect(summary('SELECT VECTOR_DIM(a)', withMode({ serverVersion: 80400 }))).toBe(
      'primary stored-function +stored-function',
    );
  });
});
