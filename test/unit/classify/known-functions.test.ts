import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { onlyReads } from '../../../src/classify/function-body.js';
import { knownFunctions, type StoredFunction } from '../../../src/classify/known-functions.js';
import { MYSQL } from './modes.js';

function isRead(body: string): boolean {
  return onlyReads(Buffer.from(body), MYSQL, () => false);
}

function stored(schema: string, name: string, body: string | undefined, modifies = false): StoredFunction {
  return { schema, name, body, mode: MYSQL, modifies };
}

describe('a stored function', () => {
  test.each([
    'RETURN 1',
    'RETURN CONCAT(UPPER(a), " ", LEFT(b, 3))',
    'BEGIN DECLARE n, m INT DEFAULT 0; SELECT COUNT(*) INTO n FROM t WHERE id = a; SET n = n + 1, m = n; RETURN n + m; END',
    'BEGIN DECLARE d DECIMAL(10,2); SET d = CAST(a AS DECIMAL(10,2)); IF d > 1 THEN RETURN 1; ELSE RETURN 2; END IF; END',
    'BEGIN DECLARE done INT; DECLARE c CURSOR FOR SELECT a FROM t; DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; RETURN 1; END',
    "RETURN REPLACE(INSERT(a, 1, 2, 'DELETE'), 'x', 'y') -- UPDATE",
  ])('that only reads may run anywhere: %s', (body) => {
    expect(isRead(body)).toBe(true);
  });

  test.each([
    'BEGIN UPDATE t SET a = 1; RETURN 1; END',
    'BEGIN INSERT INTO t VALUES (1); RETURN 1; END',
    'BEGIN REPLACE t VALUES (1); RETURN 1; END',
    'BEGIN DELETE FROM t; RETURN 1; END',
    'BEGIN SET @x = 1; RETURN 1; END',
    'RETURN @x',
    'RETURN (@x := 1)',
    'BEGIN SELECT 1 INTO @x; RETURN 1; END',
    "BEGIN SET sql_mode = ''; RETURN 1; END",
    "BEGIN DECLARE a INT; SET a = 1, sql_mode = ''; RETURN 1; END",
    'BEGIN SET SESSION time_zone = "+01:00"; RETURN 1; END',
    'BEGIN SET @@session.time_zone = "+01:00"; RETURN 1; END',
    'BEGIN CALL p(); RETURN 1; END',
    'RETURN other(1)',
    'RETURN s.other(1)',
    "RETURN GET_LOCK('a', 1)",
    'RETURN LAST_INSERT_ID(5)',
    'BEGIN CREATE TEMPORARY TABLE x (a INT); RETURN 1; END',
    'BEGIN DROP TEMPORARY TABLE x; RETURN 1; END',
    'BEGIN DECLARE n INT; SELECT a INTO n FROM t FOR UPDATE; RETURN n; END',
    'BEGIN DECLARE n INT; SELECT a INTO n FROM t FOR SHARE; RETURN n; END',
    'BEGIN HANDLER t OPEN; RETURN 1; END',
    // Its items are set as variables are.
    'BEGIN IF a THEN SIGNAL SQLSTATE "45000" SET MESSAGE_TEXT = "no"; END IF; RETURN 1; END',
    "RETURN 'unfinished",
  ])('that may do more stays on the primary: %s', (body) => {
    expect(isRead(body)).toBe(false);
  });

  test('may call those that are known, in whatever order they come', () => {
    const known = knownFunctions(
      [
        stored('s', 'A', 'RETURN b(1) + s.c(2)'),
        stored('s', 'b', 'RETURN c(1)'),
        stored('s', 'c', 'RETURN 1'),
        stored('s', 'bad', 'RETURN worse(1)'),
        stored('s', 'worse', 'BEGIN UPDATE t SET a = 1; RETURN 1; END'),
        stored('s', 'loop', 'RETURN loop(1)'),
        stored('s', 'unseen', undefined),
        stored('s', 'says_so', 'RETURN 1', true),
        stored('s', 'hidden', 'BEGIN /*!80000 UPDATE t SET a = 1; */ RETURN 1; END'),
      ],
      [],
    );
    expect([...known].filter((it) => it.includes('.'))).toEqual(['s.c', 's.b', 's.a']);
    expect(known.has('a') && known.has('b') && known.has('c')).toBe(true);
  });

  test('is known without its schema only if all of its name are, and none is loadable', () => {
    const functions = [
      stored('s', 'f', 'RETURN 1'),
      stored('t', 'F', 'RETURN @x'),
      stored('s', 'g', 'RETURN 1'),
      stored('t', 'g', 'RETURN 2'),
      stored('s', 'h', 'RETURN 1'),
    ];
    expect(knownFunctions(functions, ['H'])).toEqual(new Set(['s.f', 's.g', 't.g', 's.h', 'g']));
    expect(knownFunctions(functions, undefined)).toEqual(new Set(['s.f', 's.g', 't.g', 's.h']));
  });

  test('no body makes the look at it throw', () => {
    assert(property(uint8Array(), (bytes) => void onlyReads(bytes, MYSQL, () => true)));
  });
});
