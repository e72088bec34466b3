import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LexMode } from '../../../src/classify/classification.js';
import { digestOf } from '../../../src/classify/digest.js';
import { ALL_STATEMENTS } from './corpus.js';
import { MYSQL } from './modes.js';

function textOf(sql: string | Buffer, mode: LexMode = MYSQL): string {
  const bytes = Buffer.from(sql);
  return digestOf(bytes, 0, bytes.length, mode).text;
}

function hashOf(sql: string, mode: LexMode = MYSQL): string {
  const bytes = Buffer.from(sql);
  return digestOf(bytes, 0, bytes.length, mode).hash;
}

describe("a statement's digest", () => {
  test.each([
    ["SELECT  Name FROM users\nWHERE id=7 AND note <> 'x'", 'select name from users where id = ? and note <> ?'],
    ['SELECT COUNT(*), `Order`.x FROM `Order`', 'select count(*), `Order`.x from `Order`'],
    ['SELECT * FROM t WHERE id IN(1,2 , 3)', 'select * from t where id in (?, ...)'],
    ['SELECT * FROM t WHERE id IN (?)', 'select * from t where id in (?)'],
    ["INSERT INTO t (a, b) VALUES (1,'a'), (2,'b') ,(-3,NULL)", 'insert into t(a, b) values (?, ...), ...'],
    ['INSERT INTO t VALUES (NOW(), 1), (NOW(), 2), (NOW(), 3)', 'insert into t values (now(), ?), ...'],
    ['INSERT INTO t VALUES (NOW(), 1), (2, NOW())', 'insert into t values (now(), ?), (?, now())'],
    ['SELECT (a), (b), (b)', 'select (a), (b), ...'],
    ['SELECT -1, a - 1, a = -1', 'select - ?, a - ?, a = ?'],
    [
      "SELECT 'a' 'b', N'c', x'41', b'01', 0x4F, 0b11, _utf8mb4'd', 1e5, .5, 1.5e-3, \\N",
      'select ?, ?, ?, ?, ?, ?, _utf8mb4 ?, ?, ?, ?, ?',
    ],
    ['/* who */ SELECT 1 -- why\n # that\n;', 'select ?'],
    ['SELECT /*+ NO_INDEX(t) */ 1 /*!80000 , a */ /*!99999 , b */', 'select ?, a'],
    ["CREATE USER 'bob'@'%' IDENTIFIED BY 'secret'", 'create user ?@? identified by ?'],
    ["SET PASSWORD FOR bob@localhost = 'secret'", 'set password for bob @localhost = ?'],
    ['SELECT @A, @@Session.sql_mode, @`b c`', 'select @a, @@session.sql_mode, @`b c`'],
    ["SELECT a->>'$.x', a <=> 1, a||b, a!=1, a<=-1, @a:=1", 'select a ->> ?, a <=> ?, a || b, a != ?, a <= ?, @a := ?'],
    ['SELECT a IS NULL, f(NULL), b = NULL', 'select a is null, f(?), b = ?'],
    ['SELECT 1; SELECT 2;', 'select ?; select ?'],
    [
      'CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ return `secret` $$',
      'create function f() returns int language javascript as ? …',
    ],
    ['SELECT `a\nb` FROM t', 'select `a b` from t'],
    ["SELECT 'never closed", '(unparsable)'],
    ['', ''],
  ])('of %j', (sql, text) => {
    expect(textOf(sql)).toBe(text);
  });

  test("depends on the session's sql_mode as the statement's meaning does", () => {
    expect(textOf('SELECT "a"')).toBe('select ?');
    expect(textOf('SELECT "a"', { ...MYSQL, ansiQuotes: true })).toBe('select `a`');
    expect(textOf("SELECT '\\', secret", { ...MYSQL, noBackslashEscapes: true })).toBe('select ?, secret');
    const gbk = Buffer.from("SELECT '\xbf\x27 secret', 1", 'latin1');
    expect(textOf(gbk, { ...MYSQL, charset: 'gbk' })).toBe('(unparsable)');
  });

  test('is the same for the same statement in another spelling, and another one for another statement', () => {
    expect(hashOf("select * from T where A = 'x'")).toBe(hashOf('SELECT * FROM t/**/WHERE a=42'));
    expect(hashOf('SELECT a FROM t')).not.toBe(hashOf('SELECT b FROM t'));
    expect(hashOf('SELECT 1')).toMatch(/^[0-9a-f]{16}$/);
  });

  test('shows no more than 1,024 characters, and tells longer ones apart', () => {
    const columns = Array.from({ length: 1000 }, (_, n) => `column_${n}`).join(', ');
    expect(textOf(`SELECT ${columns}`)).toHaveLength(1024);
    expect(hashOf(`SELECT ${columns}`)).not.toBe(hashOf(`SELECT ${columns}, x`));
  });

  test('of the beginning of a statement ends before what the cut goes through', () => {
    const sql = Buffer.from("INSERT INTO t VALUES (1, 'secret'), (2, 'secret'), (3, 'it''s secret')");
    for (let end = 0; end < sql.length; end += 1) {
      const { text } = digestOf(sql, 0, end, MYSQL, true);
      expect(text, `cut at ${end}`).not.toContain('secret');
      expect(text.endsWith('…'), `cut at ${end}: ${text}`).toBe(true);
    }
  });

  test.each([
    ["INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')", "(1, 'a'), ", 'insert into t values (?, ...), ... …'],
    ['SELECT * FROM t WHERE id IN (1, 2, 3, 4, 5)', 'IN ', 'select * from t where id in (?, ... …'],
    [
      "INSERT INTO t VALUES (NOW(), f(1), 'a'), (NOW(), f(2), 'b')",
      "'a'), ",
      'insert into t values (now(), f(?), ?) …',
    ],
  ])('of the beginning of %j does not tell where in its rows it ends', (sql, from, text) => {
    const bytes = Buffer.from(sql);
    const first = sql.indexOf(from) + from.length + 2;
    // Where the second row has not begun, one row is as many as there are.
    const texts = new Set(
      Array.from({ length: sql.length - first }, (_, n) => digestOf(bytes, 0, first + n, MYSQL, true).text),
    );
    expect([...texts].filter((it) => it !== 'insert into t values (?, ...) …')).toEqual([text]);
  });

  test('takes time in proportion to the length of the statement', () => {
    const deep = `SELECT ${'('.repeat(8000)}1${')'.repeat(8000)}`;
    const wide = `SELECT ${'(a,(1,2)),'.repeat(1600)}(1)`;
    const lists = `SELECT ${'((1,2,3,4),'.repeat(1000)}1${')'.repeat(1000)}`;
    for (const sql of [deep, wide, lists]) expect(textOf(sql).length).toBeLessThanOrEqual(1024);
  });
});

const modes: fc.Arbitrary<LexMode> = fc.record({
  ansiQuotes: fc.boolean(),
  noBackslashEscapes: fc.boolean(),
  charset: fc.constantFrom('other', 'gbk', 'sjis', 'cp932', 'big5', 'gb18030'),
  serverVersion: fc.constantFrom(80036, 90704, 101119),
  mariadb: fc.boolean(),
});

/** A literal with a word or number in it that stands nowhere else, as each mode takes it. */
const secrets = fc
  .tuple(
    fc.constantFrom("'", "x'", "N'", "_utf8mb4'", '/* */"', '0x', '-', '.', "@'"),
    fc.stringMatching(/^[a-z ,()=;#\-/*]{0,6}$/),
    fc.stringMatching(/^[a-z ,()=;#\-/*]{0,6}$/),
  )
  .map(([kind, before, after]) => {
    if (kind === '0x' || kind === '-' || kind === '.') return `${kind}7357357357`;
    const quote = kind.at(-1) ?? '';
    return `${kind}${before}7357357357${quote}${quote}${after}${quote}`;
  });

describe('for all texts', () => {
  test('a digest is made without an exception, in any mode, cut or not', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.array(fc.constantFrom(...Buffer.from('\'"`\\/*!-#@:;().,=0e1xbMSELECT \n\0$?')), { maxLength: 200 }),
    );
    fc.assert(
      fc.property(hostile, modes, fc.boolean(), (bytes, mode, cut) => {
        const { hash, text } = digestOf(Buffer.from(bytes), 0, bytes.length, mode, cut);
        expect(hash).toMatch(/^[0-9a-f]{16}$/);
        expect(text.length).toBeLessThanOrEqual(1024);
        expect(text).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 3000 },
    );
  });

  test('no literal of a statement is left in its digest', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ALL_STATEMENTS),
        fc.nat(),
        secrets,
        modes,
        fc.option(fc.nat()),
        (sql, at, secret, mode, cutAt) => {
          fc.pre(!(mode.ansiQuotes && secret.includes('"')));
          // Between two words that are in no quotes: within one, it would be no literal.
          const gaps = [...sql.matchAll(/(?<=\w) (?=\w)/g)].map((it) => it.index);
          const gap = gaps[at % Math.max(gaps.length, 1)] ?? sql.length;
          const before = sql.slice(0, gap);
          fc.pre(!/['"`#]|--|\/\*/.test(before));
          const bytes = Buffer.from(`${before} ${secret} ${sql.slice(gap)}`);
          const end = cutAt === null ? bytes.length : cutAt % bytes.length;
          expect(digestOf(bytes, 0, end, mode, cutAt !== null).text).not.toContain('735735');
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('a digest does not depend on what literals there are', () => {
    const values = fc.constantFrom('1', "'a'", '-2.5', "'it''s'", '0x41', 'NULL', '?', "x'00'");
    fc.assert(
      fc.property(
        fc.array(values, { minLength: 2, maxLength: 5 }),
        fc.array(values, { minLength: 2, maxLength: 9 }),
        (a, b) => {
          expect(hashOf(`SELECT a FROM t WHERE b IN (${a.join()})`)).toBe(
            hashOf(`SELECT a FROM t WHERE b IN (${b.join(' , ')})`),
          );
        },
      ),
    );
  });
});
