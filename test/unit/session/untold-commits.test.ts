import { describe, expect, test } from 'vitest';
import type { ErrPacket } from '../../../src/protocol/packets/err.js';
import { untoldBy } from '../../../src/session/untold-commits.js';
import { classOf } from '../classify/modes.js';

interface Ended {
  readonly error?: ErrPacket;
  readonly before?: boolean;
  readonly after?: boolean;
  readonly status?: number | undefined;
  readonly prepares?: boolean;
}

function untold(sql: string, ended: Ended = {}): string | undefined {
  const { error, before = false, after = false, prepares = false } = ended;
  const status = 'status' in ended ? ended.status : 2;
  const unimportant = { ok: undefined, insertsId: false, warnings: 0, rows: 0, changes: [], command: undefined };
  const end = { role: 'primary', classification: classOf(sql), status, error, tellsCommits: false, prepares } as const;
  return untoldBy({ ...end, ...unimportant, text: undefined }, before, after);
}

function errorOf(errno: number, sqlState: string): ErrPacket {
  return { errno, sqlState, message: '' };
}
const DUPLICATE = errorOf(1062, '23000');
const EXISTS = errorOf(1050, '42S01');
const SIGNAL = errorOf(1644, '45000');

describe('what may have been committed and is not told', () => {
  test.each(['SELECT a FROM t', 'SELECT a FROM t FOR UPDATE', 'SELECT LAST_INSERT_ID()', 'SHOW WARNINGS', 'SELECT @a'])(
    'by rows of %s is nothing',
    (sql) => {
      expect(untold(sql)).toBeUndefined();
      expect(untold(sql, { before: true, after: true })).toBeUndefined();
    },
  );

  test.each([
    'SELECT f()',
    'SELECT LAST_INSERT_ID(), f()',
    'SELECT f() FROM t FOR UPDATE',
    'EXPLAIN ANALYZE SELECT f()',
    'EXECUTE s',
    'ANALYZE TABLE t',
    'CALL p()',
    'SELECT 1; SELECT f()',
  ])('by rows of %s is what it committed, but for what belongs to a transaction that is still open', (sql) => {
    expect(untold(sql)).toBe('all');
    expect(untold(sql, { before: true, after: true })).toBeUndefined();
    expect(untold(sql, { before: true, after: true, status: undefined }), 'nobody said so').toBe('all');
    expect(untold(sql, { prepares: true })).toBeUndefined();
  });

  test('by rows with which a transaction ended is what that has written', () => {
    expect(untold('SELECT a FROM t', { before: true })).toBe('all');
  });

  test.each([
    ['CALL p()', SIGNAL, 'all'],
    ['SELECT f()', SIGNAL, 'all'],
    ['CREATE TABLE t (a INT)', EXISTS, 'all'],
    ['INSERT INTO t VALUES (1), (1)', DUPLICATE, 'own'],
    ['INSERT INTO t VALUES (1)', errorOf(1142, '42000'), undefined],
    ['INSERT INTO t VALUES (1)', errorOf(1290, 'HY000'), undefined],
    ['INSERT INTO t VALUES (1)', errorOf(1053, '08S01'), undefined],
    ['INSERT INTO t VALUES (1)', errorOf(1213, '40001'), undefined],
    ['INSERT INTO t VALUES (1)', errorOf(1099, 'HY000'), undefined],
    ['INSERT INTO t VALUES (1)', errorOf(1205, 'HY000'), 'own'],
    ['SELECT a FROM t', errorOf(1146, '42S02'), undefined],
    ['SELEC', errorOf(1064, '42000'), undefined],
    ['UPDATE t SET a = 1; SELEC', errorOf(1064, '42000'), 'all'],
  ])('by an error of %s: %o', (sql, error, expected) => {
    for (const open of [false, true]) expect(untold(sql, { error, before: open, after: open })).toBe(expected);
  });
});
