import { describe, expect, test } from 'vitest';
import { hashText } from '../../../src/classify/cache-generation.js';
import { DigestTable } from '../../../src/classify/digest-table.js';
import type { RoutineEffect } from '../../../src/classify/routine-body.js';
import { StatementCache } from '../../../src/classify/statement-cache.js';
import { ALL_STATEMENTS } from './corpus.js';
import { classOf, MARIADB, MYSQL } from './modes.js';

const KIB = 1024;

function ask(cache: StatementCache, text: string, mode = MYSQL) {
  const sql = Buffer.from(text);
  return cache.lookup(sql, 0, sql.length, mode).classification;
}

describe('the cache of statements', () => {
  test('gives what there is without a cache, the first time and again', () => {
    const cache = new StatementCache({
      digests: new DigestTable(100),
      maxBytes: 1024 * KIB,
      maxStatementBytes: 4 * KIB,
    });
    for (const round of [1, 2]) {
      for (const sql of ALL_STATEMENTS) expect(ask(cache, sql), `round ${round}: ${sql}`).toEqual(classOf(sql));
    }
    const distinct = new Set(ALL_STATEMENTS).size;
    expect(cache.stats).toMatchObject({ misses: distinct, hits: 2 * ALL_STATEMENTS.length - distinct, skipped: 0 });
  });

  test('allocates nothing for a repeated statement', () => {
    const cache = new StatementCache({
      digests: new DigestTable(100),
      maxBytes: 1024 * KIB,
      maxStatementBytes: 4 * KIB,
    });
    const first = ask(cache, '/* rwsplit: node=a */ SELECT 1');
    expect(ask(cache, '/* rwsplit: node=a */ SELECT 1')).toBe(first);
  });

  test('tells modes apart', () => {
    const cache = new StatementCache({
      digests: new DigestTable(100),
      maxBytes: 1024 * KIB,
      maxStatementBytes: 4 * KIB,
    });
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
    const cache = new StatementCache({
      digests: new DigestTable(100),
      maxBytes: 1024 * KIB,
      maxStatementBytes: 4 * KIB,
    });
    const texts = [0xe9, 0xe8, 0xa0].map((byte) =>
      Buffer.concat([Buffer.from("SELECT '"), Buffer.of(byte), Buffer.from("'")]),
    );
    for (const sql of texts) cache.lookup(sql, 0, sql.length, MYSQL);
    expect(cache.stats.misses).toBe(texts.length);
  });

  test('tells two statements of one hash apart', () => {
    const cache = new StatementCache({ digests: new DigestTable(100), maxBytes: 64 * KIB, maxStatementBytes: KIB });
    const seed = MYSQL.serverVersion * 128;
    const texts = ['SELECT 1 FROM t   /*....*/', 'DELETE FROM t     /*....*/'].map((text) => Buffer.from(text));
    for (const sql of texts) {
      // The hash takes four bytes at a time: those in the comment make up for all before them.
      sql.writeInt32LE(0, 20);
      sql.writeInt32LE((0x41414141 - hashText(seed, sql, 0, 24)) | 0, 20);
      expect(hashText(seed, sql, 0, 24)).toBe(0x41414141);
    }
    for (const round of [1, 2]) {
      const targets = texts.map((sql) => cache.lookup(sql, 0, sql.length, MYSQL).classification.target);
      expect(targets, `round ${round}`).toEqual(['replica', 'primary']);
    }
    expect(cache.stats).toMatchObject({ statements: 1, hits: 0 });
  });

  test('reads only the part of the buffer that it is told', () => {
    const cache = new StatementCache({
      digests: new DigestTable(100),
      maxBytes: 1024 * KIB,
      maxStatementBytes: 4 * KIB,
    });
    const sql = Buffer.from("junk'SELECT 1 FOR UPDATE");
    expect(cache.lookup(sql, 5, 13, MYSQL).classification.target).toBe('replica');
    expect(cache.lookup(sql, 5, sql.length, MYSQL).classification.target).toBe('primary');
  });

  test('never holds more than its bytes', () => {
    const maxBytes = 64 * KIB;
    const cache = new StatementCache({ digests: new DigestTable(100), maxBytes, maxStatementBytes: KIB });
    for (let n = 0; n < 5000; n += 1) {
      ask(cache, `SELECT ${n}, '${'x'.repeat(n % 700)}'`);
      expect(cache.stats.sizeBytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(cache.stats.statements).toBeGreaterThan(50);
  });

  test('keeps what is asked for again and again', () => {
    const cache = new StatementCache({ digests: new DigestTable(100), maxBytes: 64 * KIB, maxStatementBytes: KIB });
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
    const cache = new StatementCache({ digests: new DigestTable(100), maxBytes: 64 * KIB, maxStatementBytes: 100 });
    ask(cache, `SELECT '${'x'.repeat(200)}'`);
    expect(cache.stats).toMatchObject({ skipped: 1, misses: 0, statements: 0 });
  });

  test('keeps nothing where it has no room', () => {
    const cache = new StatementCache({ digests: new DigestTable(100), maxBytes: 0, maxStatementBytes: 100 });
    expect(ask(cache, 'SELECT 1').target).toBe('replica');
    expect(cache.stats.statements).toBe(0);
  });

  test('hands out the digest beside the class: one entry for all that differ in literals only, kept or not', () => {
    const digests = new DigestTable(100);
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: 100, digests });
    const texts = ['SELECT 1', 'SELECT 2', 'select /* again */ 1', `SELECT '${'x'.repeat(50)}'`].map((it) =>
      Buffer.from(it),
    );
    const known = texts.map((sql) => cache.lookup(sql, 0, sql.length, MYSQL));
    expect(new Set(known.map((it) => it.digest)).size).toBe(1);
    expect(cache.lookup(Buffer.from('SELECT 1'), 0, 8, MYSQL)).toBe(known[0]);
    cache.clear();
    expect(cache.lookup(Buffer.from('SELECT 1'), 0, 8, MYSQL).digest).toBe(known[0]?.digest);
  });

  test('gives a long statement the digest of its beginning', () => {
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: 100, digests: new DigestTable(100) });
    const digestOf = (rows: number) => {
      const sql = Buffer.from(`INSERT INTO t VALUES ${Array.from({ length: rows }, () => `(1, 'secret')`).join()}`);
      return cache.lookup(sql, 0, sql.length, MYSQL).digest;
    };
    expect(digestOf(3000)?.text).toMatch(/^insert into t values \(\?, \.\.\.\).* …$/);
    expect(digestOf(3000)).toBe(digestOf(9000));
  });

  test.each([
    ['SHOW RWSPLIT DIGESTS', 'digests'],
    [' show /* all */ Rwsplit\nROUTES -- c\n ; ', 'routes'],
    ['SHOW RWSPLIT', undefined],
    ['SHOW RWSPLIT ROUTES LIMIT 1', undefined],
    ['SHOW RWSPLIT ROUTES; SELECT 1', undefined],
    ["SHOW RWSPLIT 'ROUTES'", undefined],
    ['SHOW `rwsplit` routes', undefined],
    ['SHOW RWSPLIT TOKEN', 'token'],
    ["SET @rwsplit_consistency = 'global'", { kind: 'setting', name: 'consistency', value: 'global' }],
    ['set /* c */ @RWSPLIT_token:="a:1" ; ', { kind: 'setting', name: 'token', value: 'a:1' }],
    ['SET @rwsplit_token = DEFAULT', { kind: 'setting', name: 'token', value: undefined }],
    ['SET @rwsplit_token = NULL', { kind: 'setting', name: 'token', value: undefined }],
    ["SET @rwsplit_consistency = 'global', @a = 1", undefined],
    ["SET @rwsplit_consistency = CONCAT('global')", undefined],
    ['SET @rwsplit_consistency = 1', undefined],
    ["SET @rwsplit_other = 'x'", undefined],
    ["RWSPLIT DRAIN 'db2:3306'", { kind: 'command', verb: 'drain', node: 'db2:3306' }],
    ['/* c */ rwsplit\n Maintenance "[::1]:3306" ; -- d', { kind: 'command', verb: 'maintenance', node: '[::1]:3306' }],
    ["RWSPLIT RESUME 'a'", { kind: 'command', verb: 'resume', node: 'a' }],
    ['RWSPLIT DRAIN', undefined],
    ['RWSPLIT DRAIN db2', undefined],
    ['RWSPLIT DRAIN 2', undefined],
    ["RWSPLIT DRAIN 'a' 'b'", undefined],
    ["RWSPLIT DRAIN 'a'; SELECT 1", undefined],
    ["RWSPLIT PROMOTE 'a'", undefined],
    ["RWSPLIT SWITCHOVER TO 'db2:3306'", { kind: 'promotion', to: 'db2:3306', how: 'run' }],
    ["rwsplit switchover to 'a' Dry /* c */ Run;", { kind: 'promotion', to: 'a', how: 'dry-run' }],
    ["RWSPLIT SWITCHOVER TO 'a' FORCE", { kind: 'promotion', to: 'a', how: 'force' }],
    ['RWSPLIT FAILOVER', { kind: 'promotion', to: undefined, how: 'run' }],
    ['RWSPLIT FAILOVER DRY RUN', { kind: 'promotion', to: undefined, how: 'dry-run' }],
    ["RWSPLIT SWITCHOVER TO 'a' NOW", undefined],
    ["RWSPLIT SWITCHOVER TO 'a' DRY RUN FORCE", undefined],
    ["RWSPLIT SWITCHOVER TO 'a'; DROP TABLE t", undefined],
    ['RWSPLIT SWITCHOVER TO a', undefined],
    ['RWSPLIT FAILOVER FORCE', undefined],
  ])('knows what rwsplit itself answers: %j', (text, own) => {
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: 100, digests: new DigestTable(100) });
    const sql = Buffer.from(text);
    const known = cache.lookup(sql, 0, sql.length, MYSQL);
    expect(known.own).toEqual(own);
    expect(known.digest === undefined).toBe(own !== undefined);
  });

  test('knows a token of any length', () => {
    const cache = new StatementCache({ maxBytes: 64 * KIB, maxStatementBytes: 100, digests: new DigestTable(100) });
    const token = '3e11fa47-71ca-11e1-9e33-c80aa9429562:1,'.repeat(1000);
    const sql = Buffer.from(`SET @rwsplit_token = '${token}'`);
    expect(cache.lookup(sql, 0, sql.length, MYSQL).own).toEqual({ kind: 'setting', name: 'token', value: token });
  });

  test('can forget', () => {
    const routines = new Map<string, RoutineEffect>();
    const cache = new StatementCache({
      digests: new DigestTable(100),
      maxBytes: 64 * KIB,
      maxStatementBytes: 100,
      routines,
    });
    expect(ask(cache, 'SELECT f(1)').target).toBe('primary');
    routines.set('f', 'reads');
    cache.clear();
    expect(ask(cache, 'SELECT f(1)').target).toBe('replica');
  });
});
