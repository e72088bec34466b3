import { describe, expect, test } from 'vitest';
import { hashText } from '../../../src/classify/cache-generation.js';
import { StatementCache } from '../../../src/classify/statement-cache.js';
import { ALL_STATEMENTS } from './corpus.js';
import { classOf, MARIADB, MYSQL } from './modes.js';

const KIB = 1024;

function ask(cache: StatementCache, text: string, mode = MYSQL) {
  const sql = Buffer.from(text);
  return cache.classify(sql, 0, sql.length, mode);
}

describe('the cache of statements', () => {
  test('gives what there is without a cache, the first time and again', () => {
    const cache = new StatementCache({ maxBytes: 1024 * KIB, maxStatementBytes: 4 * KIB });
    for (const round of [1, 2]) {
      for (const sql of ALL_STATEMENTS) expect(ask(cache, sql), `round ${round}: ${sql}`).toEqual(classOf(sql));
    }
    const distinct = new Set(ALL_STATEMENTS).size;
    expect(cache.stats).toMatchObject({ misses: distinct, hits: 2 * ALL_STATEMENTS.length - distinct, skipped: 0 });
  });

  test('allocates nothing for a repeated statement', () => {
    const cache = new StatementCache({ maxBytes: 1024 * KIB, maxStatementBytes: 4 * KIB });
    const first = ask(cache, '/* rwsplit: node=a */ SELECT 1');
    expect(ask(cache, '/* rwsplit: node=a */ SELECT 1')).toBe(first);
  });

  test('tells modes apart', () => {
    const cache = new StatementCache({ maxBytes: 1024 * KIB, maxStatementBytes: 4 * KIB });
    const sql = 'SELECT "a\\" FOR UPDATE -- "';
    const modes = [
      MYSQL,
      { ...MYSQL, ansiQuotes: true },
      { ...MYSQL, noBackslashEscapes: true },
      { ...MYSQL, charset: 'gbk' as const },
      { ...MYSQL, ignoreSpace: true },
      MARIADB,
    ];
    for (const mode of [...modes, ...modes]) expect(ask(cache, sql, mode)).toEqual(classOf(sql, mode));
    expect(cache.stats).toMatchObject({ misses: modes.length, hits: modes.length });
  });

  test('tells bytes apart that are no UTF-8', () => {
    const cache = new StatementCache({ maxBytes: 1024 * KIB, maxStatementBytes: 4 * KIB });
    const texts = [0xe9, 0xe8, 0xa0].map((byte) =>
      Buffer.concat([Buffer.from("SELECT '"), Buffer.of(byte), Buffer.from("'")]),
    );
    for (const sql of texts) cache.classify(sql, 0, sql.length, MYSQL);
    expect(cache.stats.misses).toBe(texts.length);
  });

  test('tells two statements of one hash apart', () => {
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: KIB });
    const seed = MYSQL.serverVersion * 128;
    const texts = ['SELECT 1 FROM t   /*....*/', 'DELETE FROM t     /*....*/'].map((text) => Buffer.from(text));
    for (const sql of texts) {
      // The hash takes four bytes at a time: those in the comment make up for all before them.
      sql.writeInt32LE(0, 20);
      sql.writeInt32LE((0x41414141 - hashText(seed, sql, 0, 24)) | 0, 20);
      expect(hashText(seed, sql, 0, 24)).toBe(0x41414141);
    }
    for (const round of [1, 2]) {
      const targets = texts.map((sql) => cache.classify(sql, 0, sql.length, MYSQL).target);
      expect(targets, `round ${round}`).toEqual(['replica', 'primary']);
    }
    expect(cache.stats).toMatchObject({ statements: 1, hits: 0 });
  });

  test('reads only the part of the buffer that it is told', () => {
    const cache = new StatementCache({ maxBytes: 1024 * KIB, maxStatementBytes: 4 * KIB });
    const sql = Buffer.from("junk'SELECT 1 FOR UPDATE");
    expect(cache.classify(sql, 5, 13, MYSQL).target).toBe('replica');
    expect(cache.classify(sql, 5, sql.length, MYSQL).target).toBe('primary');
  });

  test('never holds more than its bytes', () => {
    const maxBytes = 64 * KIB;
    const cache = new StatementCache({ maxBytes, maxStatementBytes: KIB });
    for (let n = 0; n < 5000; n += 1) {
      ask(cache, `SELECT ${n}, '${'x'.repeat(n % 700)}'`);
      expect(cache.stats.sizeBytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(cache.stats.statements).toBeGreaterThan(50);
  });

  test('keeps what is asked for again and again', () => {
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: KIB });
    const hot = 'SELECT * FROM hot';
    const first = ask(cache, hot);
    let misses = 0;
    for (let n = 0; n < 5000; n += 1) {
      ask(cache, `SELECT ${n}, 'something that is asked only once'`);
      const before = cache.stats.misses;
      ask(cache, hot);
      misses += cache.stats.misses - before;
    }
    expect(misses).toBe(0);
    expect(ask(cache, hot)).toBe(first);
  });

  test('does not keep a long statement', () => {
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: 100 });
    ask(cache, `SELECT '${'x'.repeat(200)}'`);
    expect(cache.stats).toMatchObject({ skipped: 1, misses: 0, statements: 0 });
  });

  test('keeps nothing where it has no room', () => {
    const cache = new StatementCache({ maxBytes: 0, maxStatementBytes: 100 });
    expect(ask(cache, 'SELECT 1').target).toBe('replica');
    expect(cache.stats.statements).toBe(0);
  });

  test('can forget', () => {
    const functions = new Set<string>();
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: 100, functions });
    expect(ask(cache, 'SELECT f(1)').target).toBe('primary');
    functions.add('f');
    cache.clear();
    expect(ask(cache, 'SELECT f(1)').target).toBe('replica');
  });
});
