import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { effectOfBody, type RoutineEffect } from '../../../src/classify/routine-body.js';
import { knownRoutines, procedureName, type StoredRoutine } from '../../../src/classify/known-routines.js';
import { MYSQL } from './modes.js';

function effectOf(body: string): RoutineEffect | undefined {
  return effectOfBody(Buffer.from(body), MYSQL, ['out_a', 'in_b'], () => undefined);
}

function stored(schema: string, name: string, body: string | undefined, modifies = false): StoredRoutine {
  return { kind: 'function', schema, name, body, mode: MYSQL, modifies, parameters: [] };
}

function procedure(schema: string, name: string, body: string): StoredRoutine {
  return { ...stored(schema, name, body), kind: 'procedure', parameters: ['given'] };
}

describe('a stored function', () => {
  test.each([
    'RETURN 1',
    'RETURN CONCAT(UPPER(a), " ", LEFT(b, 3))',
    'BEGIN DECLARE n, m INT DEFAULT 0; SELECT COUNT(*) INTO n FROM t WHERE id = a; SET n = n + 1, m = n; RETURN n + m; END',
    'BEGIN DECLARE d DECIMAL(10,2); SET d = CAST(a AS DECIMAL(10,2)); IF d > 1 THEN RETURN 1; ELSE RETURN 2; END IF; END',
    'BEGIN DECLARE done INT; DECLARE c CURSOR FOR SELECT a FROM t; DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; RETURN 1; END',
    "RETURN REPLACE(INSERT(a, 1, 2, 'DELETE'), 'x', 'y') -- UPDATE",
    'BEGIN IF a THEN SIGNAL SQLSTATE "45000" SET MESSAGE_TEXT = "no", MYSQL_ERRNO = 1; END IF; RETURN 1; END',
  ])('that only reads may run anywhere: %s', (body) => {
    expect(effectOf(body)).toBe('reads');
  });

  test.each([
    'BEGIN UPDATE t SET a = 1, b = CASE WHEN c THEN 1 ELSE 2 END; RETURN 1; END',
    'BEGIN INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2; RETURN 1; END',
    'BEGIN INSERT INTO t SET a = 1, sql_mode = 2; RETURN 1; END',
    'BEGIN REPLACE t VALUES (1); RETURN 1; END',
    'BEGIN DELETE FROM t; RETURN 1; END',
    'BEGIN DECLARE n INT; SELECT a INTO n FROM t FOR UPDATE; RETURN n; END',
    'BEGIN DECLARE n INT; SELECT a INTO n FROM t FOR SHARE; RETURN n; END',
    'BEGIN SET out_a = 1, in_b = out_a; DELETE FROM t; END',
    'BEGIN START TRANSACTION; UPDATE t SET a = 1; COMMIT; END',
    'BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; TRUNCATE t; END',
  ])('that writes, and leaves nothing on its connection, is known to: %s', (body) => {
    expect(effectOf(body)).toBe('writes');
  });

  test.each([
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
    'BEGIN HANDLER t OPEN; RETURN 1; END',
    'BEGIN UPDATE t SET a = 1; SET b = 2; END',
    'BEGIN INSERT INTO t VALUES (GET_LOCK("a", 1)); END',
    'BEGIN SET TRANSACTION READ ONLY; COMMIT; END',
    'SET ROLE r',
    'FLUSH TABLES WITH READ LOCK',
    "XA START 'x'",
    "BEGIN PREPARE p FROM 'SELECT 1'; EXECUTE p; END",
    'CALL p',
    "RETURN 'unfinished",
  ])('that may do more stays on the primary: %s', (body) => {
    expect(effectOf(body)).toBeUndefined();
  });

  test('may call those that are known, in whatever order they come', () => {
    const known = knownRoutines(
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
    const reads = [...known].filter(([name, effect]) => name.includes('.') && effect === 'reads');
    expect(reads.map(([name]) => name)).toEqual(['s.c', 's.b', 's.a']);
    expect(known.get('s.worse')).toBe('writes');
    expect(known.get('s.bad'), 'it calls one that writes').toBe('writes');
    expect(known.get('s.says_so')).toBe('writes');
    expect(['s.loop', 's.unseen', 's.hidden'].map((it) => known.get(it))).toEqual([undefined, undefined, undefined]);
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
    expect(new Set(knownRoutines(functions, ['H']).keys())).toEqual(new Set(['s.f', 's.g', 't.g', 's.h', 'g']));
    expect(new Set(knownRoutines(functions, undefined).keys())).toEqual(new Set(['s.f', 's.g', 't.g', 's.h']));
  });

  test('a procedure is known by its parameters and by what it calls, and is no function', () => {
    const known = knownRoutines(
      [
        procedure('s', 'P', 'BEGIN SET given = 1; CALL s.inner(given); CALL inner(f()); END'),
        procedure('s', 'inner', 'DELETE FROM t'),
        procedure('s', 'keeps', 'SET @x = 1'),
        procedure('s', 'calls_it', 'CALL keeps()'),
        procedure('t', 'inner', 'SELECT 1 INTO @x'),
        stored('s', 'f', 'RETURN 1'),
        stored('s', 'keeps', 'RETURN 1'),
      ],
      undefined,
    );
    const procedures = ['s.p', 's.inner', 'p', 'inner', 's.keeps', 's.calls_it'].map((it) =>
      known.get(procedureName(it)),
    );
    expect(procedures).toEqual(['writes', 'writes', 'writes', undefined, undefined, undefined]);
    expect([known.get('s.p'), known.get('s.keeps')]).toEqual([undefined, 'reads']);
  });

  test('no body makes the look at it throw', () => {
    assert(property(uint8Array(), (bytes) => void effectOfBody(bytes, MYSQL, [], () => 'reads')));
  });
});
