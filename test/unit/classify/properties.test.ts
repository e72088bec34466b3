import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LexMode } from '../../../src/classify/classification.js';
import { classify } from '../../../src/classify/classify.js';
import { DigestTable } from '../../../src/classify/digest-table.js';
import { StatementCache } from '../../../src/classify/statement-cache.js';
import { ALL_STATEMENTS, CASES, READS, WRITES } from './corpus.js';
import { classOf, MYSQL, summary } from './modes.js';

const modes: fc.Arbitrary<LexMode> = fc.record({
  ansiQuotes: fc.boolean(),
  noBackslashEscapes: fc.boolean(),
  ignoreSpace: fc.boolean(),
  charset: fc.constantFrom('other', 'gbk', 'sjis', 'cp932', 'big5', 'gb18030'),
  serverVersion: fc.constantFrom(80036, 90704, 101119),
  mariadb: fc.boolean(),
});

/** Bytes that mean something to a lexer, more often than others. */
const hostileBytes = fc.array(
  fc.oneof(
    fc.constantFrom(...Buffer.from('\'"`\\/*!-#@:;().,=0e1MSELECTFORUPDATE \n\0')),
    fc.constantFrom(0x81, 0xa0, 0xbf, 0xc3, 0xff),
    fc.integer({ min: 0, max: 255 }),
  ),
  { maxLength: 200 },
);

/** A statement with a few pieces taken out, doubled or put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...ALL_STATEMENTS),
    fc.array(fc.tuple(fc.nat(), fc.nat(6), fc.constantFrom(...Buffer.from('\'"`\\/*!-#@:;(). \0\n'), 0xbf)), {
      maxLength: 4,
    }),
  )
  .map(([sql, edits]) => {
    const bytes = [...Buffer.from(sql)];
    for (const [at, removed, inserted] of edits) bytes.splice(at % (bytes.length + 1), removed, inserted);
    return Buffer.from(bytes);
  });

const PIECES =
  /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\/\*[^]*?\*\/|--(?:[^\S\n][^\n]*)?(?:\n|$)|#[^\n]*(?:\n|$)|\s+|[^\s'"`]/g;
const blanks = fc.constantFrom(
  ' ',
  '\n',
  '\t\r\n',
  ' /* c */ ',
  '/**/ ',
  '\n-- FOR UPDATE\n',
  ' # INTO @a\n',
  ' /*!99999 ; */ ',
);

/** Other white space, other letters' case: the same statement. */
function respell(sql: string, blank: readonly string[], upper: readonly boolean[]): string {
  let n = 0;
  return (sql.match(PIECES) ?? []).reduce((text, piece) => {
    n += 1;
    if (/^\s+$/.test(piece)) return text + (blank[n % blank.length] ?? ' ');
    if (piece.length > 1) return text + piece;
    return text + (upper[n % upper.length] === true ? piece.toUpperCase() : piece.toLowerCase());
  }, '');
}

/** Where a comment between words is of no matter: RELEASE_ALL_LOCKS() and CONNECTION_ID() must stand quite alone. */
const respellable = CASES.filter(
  ({ expected }) => !/unparsable|-named-lock|^primary connection-id$/.test(expected),
).flatMap((it) => it.statements.map((sql) => ({ sql, expected: it.expected })));
/** Ones after whose end more words can be put. */
const openEnded = READS.flatMap(({ statements }) => statements).filter((sql) => !/;|--|#/.test(sql));

describe('for all texts', () => {
  test('classification gives a frozen class and never throws, in any mode', () => {
    const texts = fc.oneof(
      hostileBytes.map((bytes) => Buffer.from(bytes)),
      mutated,
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(texts, modes, (sql, mode) => {
        const found = classify(sql, 0, sql.length, mode);
        expect(Object.isFrozen(found) && Object.isFrozen(found.pins) && Object.isFrozen(found.unpins)).toBe(true);
        if (found.target === 'replica') expect(found.pins).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  test('the class is that of the part between start and end alone', () => {
    fc.assert(
      fc.property(mutated, hostileBytes, hostileBytes, modes, (sql, before, after, mode) => {
        const whole = Buffer.concat([Buffer.from(before), sql, Buffer.from(after)]);
        const alone = classify(sql, 0, sql.length, mode);
        expect(classify(whole, before.length, before.length + sql.length, mode)).toEqual(alone);
      }),
      { numRuns: 1000 },
    );
  });

  test('the cache gives the same as no cache, whatever was asked before', () => {
    const cache = new StatementCache({ digests: new DigestTable(10), maxBytes: 8192, maxStatementBytes: 150 });
    fc.assert(
      fc.property(mutated, modes, (sql, mode) => {
        expect(cache.lookup(sql, 0, sql.length, mode).classification).toEqual(classify(sql, 0, sql.length, mode));
      }),
      { numRuns: 2000 },
    );
  });

  test('white space, comments and the case of letters between tokens change nothing', () => {
    const spelled = fc.tuple(
      fc.constantFrom(...respellable),
      fc.array(blanks, { minLength: 1, maxLength: 5 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
    );
    fc.assert(
      fc.property(spelled, ([{ sql, expected }, blank, upper]) => {
        const text = respell(sql, blank, upper);
        expect(summary(text), text).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });

  test('what is put after a read can only take it away from the replicas', () => {
    const tails = fc.constantFrom(
      ' FOR UPDATE',
      '\nLOCK IN SHARE MODE',
      ' INTO @a',
      '; DELETE FROM t',
      " INTO OUTFILE 'x'",
      ' FOR SHARE',
    );
    fc.assert(
      fc.property(fc.constantFrom(...openEnded), tails, (sql, tail) => {
        if (/^(SHOW|DESC|EXPLAIN t|HELP|CHECKSUM)/i.test(sql) && !tail.startsWith(';')) return;
        expect(classOf(sql + tail).target, sql + tail).toBe('primary');
      }),
      { numRuns: 1000 },
    );
  });

  test('no hint takes a write to a replica', () => {
    const hints = fc.constantFrom(
      '/* rwsplit: replica */',
      '/* rwsplit: node=a */',
      '-- rwsplit: replica\n',
      '# rwsplit: node=a\n',
    );
    const writes = WRITES.flatMap(({ statements }) => statements);
    fc.assert(
      fc.property(fc.constantFrom(...writes), fc.array(hints, { minLength: 1, maxLength: 3 }), (sql, texts) => {
        expect(classOf(`${texts.join('')}${sql}`)).toEqual(classOf(sql));
      }),
    );
  });
});

/** Counts how often the bytes are looked at. */
function countReads(sql: Uint8Array): number {
  let reads = 0;
  const counting = new Proxy(sql, {
    get(bytes, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        reads += 1;
        return bytes[Number(key)];
      }
      if (key === 'indexOf') {
        return (byte: number, from: number): number => {
          const found = bytes.indexOf(byte, from);
          reads += (found < 0 ? bytes.length : found) - from + 1;
          return found;
        };
      }
      const value: unknown = Reflect.get(bytes, key, bytes);
      return typeof value === 'function' ? value.bind(bytes) : value;
    },
  });
  classify(counting, 0, sql.length, MYSQL);
  return reads;
}

describe('classification takes linear time', () => {
  test.each([
    ['literals', 'INSERT INTO t VALUES ', "(1,'abc',0x41,1.5e3),"],
    ['one long literal', "INSERT INTO t VALUES ('", 'x'],
    ['backslashes', "SELECT '", '\\'],
    ['escaped quotes', "SELECT '", "\\'"],
    ['long backslash rows before quotes', "SELECT '", "\\\\\\\\\\\\\\\\'"],
    ['doubled quotes', "SELECT '", "''"],
    ['open parentheses', 'SELECT ', '('],
    ['nested calls', 'SELECT ', 'f('],
    ['nested calls with arguments', 'SELECT 1', ',f(a,b'],
    ['columns that are none', 'SELECT 1,f(', 'a,'],
    ['backticks', 'SELECT 1', ',f(`a'],
    ['comments', 'SELECT ', '/* */'],
    ['open comments', 'SELECT ', '/*'],
    ['skipped comments', 'SELECT ', '/*!99999 /*'],
    ['executable comments', 'SELECT ', '/*!'],
    ['dashes', 'SELECT ', '-'],
    ['numbers that are names', 'SELECT ', '1e'],
    ['a long number that is a name', 'SELECT ', '1'],
    ['dots', 'SELECT ', 'a.'],
    ['variables', 'SELECT ', '@@a:=@'],
    ['separators', 'SELECT 1', ';'],
    ['statements', 'SELECT 1', ';SELECT 1'],
    ['words before spaces', 'WITH a AS (', 'INSERT    '],
    ['last insert ids', 'SELECT ', 'LAST_INSERT_ID(    '],
    ['optimizer hints', 'SELECT ', '/*+ ` */'],
    ['hints', '', '/* rwsplit: node=abc */'],
    ['assignments', 'SET a = 1', ', b = (1'],
    ['expressions of SHOW', 'SHOW TABLES WHERE 1', ' AND f(1)'],
    ['characters beyond ASCII', 'SELECT ', 'é'],
    ['bytes that are no characters', 'SELECT ', '\u0001'],
  ])('over %s', (_, head, repeated) => {
    const [small = 0, large = 0] = [2000, 8000].map((bytes) => {
      const sql = Buffer.from(head + repeated.repeat(Math.ceil(bytes / repeated.length)));
      return countReads(sql) / sql.length;
    });
    expect(large).toBeLessThanOrEqual(small * 1.1 + 0.1);
    expect(large).toBeLessThan(12);
  });
});
