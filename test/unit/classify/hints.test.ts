import { describe, expect, test } from 'vitest';
import type { Classification } from '../../../src/classify/classification.js';
import { procedureName, type KnownRoutines } from '../../../src/classify/known-routines.js';
import { classify } from '../../../src/classify/classify.js';
import { classOf, MYSQL, summary } from './modes.js';

describe('a hint', () => {
  test.each([
    ['/* rwsplit: consistency=Eventual */ SELECT 1', { target: 'replica', consistency: 'eventual' }],
    [
      '/* rwsplit: replica , consistency = global,max_lag_ms=500 */ SELECT f(1)',
      { reason: 'hint-replica', consistency: 'global', maxLagMs: 500 },
    ],
    ['SELECT 1 /* rwsplit: node=a:1 */ /* rwsplit: consistency=session */', { node: 'a:1', consistency: 'session' }],
    ['/* rwsplit: consistency=monotonic */ START TRANSACTION READ ONLY', { consistency: 'monotonic' }],
  ])('says what a read is held to: %s', (sql, expected) => {
    expect(classOf(sql)).toMatchObject(expected);
  });

  test.each([
    ['sends a read to the primary', '/* rwsplit: primary */ SELECT 1', 'primary hint-primary'],
    ['may stand anywhere', 'SELECT 1 FROM t /*rwsplit:primary*/ WHERE a = 1', 'primary hint-primary'],
    ['may stand at the end', 'SELECT 1 /*  RWSPLIT :  Primary  */;', 'primary hint-primary'],
    ['may stand in a comment of one line', 'SELECT 1 -- rwsplit: primary', 'primary hint-primary'],
    ['may stand after a hash', '# rwsplit: primary\nSELECT 1', 'primary hint-primary'],
    ['may have words after it', '/* rwsplit: primary, please */ SELECT 1', 'primary hint-primary'],
    ['with a level alone says nothing of where', '/* rwsplit: consistency=global */ SELECT 1', 'replica read'],
    ['with a level leaves a write where it is', '/* rwsplit: consistency=eventual */ DELETE FROM t', 'primary write'],
    ['sends a read to a replica', '/* rwsplit: replica */ SELECT 1', 'replica hint-replica'],
    ['sends a call of a stored function to a replica', '/* rwsplit: replica */ SELECT f(1)', 'replica hint-replica'],
    [
      'sends a question about one server to a replica',
      'SHOW REPLICA STATUS /* rwsplit: replica */',
      'replica hint-replica',
    ],
    ['never sends a write to a replica', '/* rwsplit: replica */ DELETE FROM t', 'primary write'],
    ['never sends a locking read to a replica', 'SELECT 1 /* rwsplit: replica */ FOR UPDATE', 'primary locking-read'],
    ['never sends a user variable to a replica', '/* rwsplit: replica */ SELECT @a', 'primary user-variable'],
    [
      'never sends a user variable to a replica, with a function beside it',
      '/* rwsplit: replica */ SELECT f(@a)',
      'primary stored-function +stored-function',
    ],
    ['never moves several statements', '/* rwsplit: replica */ SELECT 1; DELETE FROM t', 'primary multi-statement'],
    ['never moves a transaction', '/* rwsplit: replica */ BEGIN', 'primary transaction-control'],
    [
      'leaves alone what belongs to a connection',
      '/* rwsplit: primary */ SELECT LAST_INSERT_ID()',
      'last last-insert-id',
    ],
    ['for the primary wins', '/* rwsplit: replica */ /* rwsplit: primary */ SELECT 1', 'primary hint-primary'],
    ['that is not known says nothing', '/* rwsplit: somewhere */ SELECT 1', 'replica read'],
    ['without a word says nothing', '/* rwsplit: */ SELECT 1', 'replica read'],
    ['without a node says nothing', '/* rwsplit: node= */ SELECT 1', 'replica read'],
    ['without an equals sign says nothing', '/* rwsplit: node x */ SELECT 1', 'replica read'],
    [
      'of another program says nothing',
      '/* rwsplitter: primary */ /* maxscale route to master */ SELECT 1',
      'replica read',
    ],
    ['in a string says nothing', "SELECT '/* rwsplit: primary */'", 'replica read'],
    ['in an executable comment says nothing', 'SELECT 1 /*!99999 rwsplit: primary */', 'replica read'],
    ['in an optimizer hint says nothing', 'SELECT /*+ rwsplit: primary */ 1', 'replica read'],
  ])('%s', (_, sql, expected) => {
    expect(summary(sql)).toBe(expected);
  });

  test('names the node for a read', () => {
    expect(classOf('/* rwsplit: node=db-2.example:3306 */ SELECT 1')).toEqual({
      target: 'replica',
      reason: 'hint-node',
      pins: [],
      unpins: [],
      node: 'db-2.example:3306',
    });
    expect(classOf('SELECT f(1) /* rwsplit: node = x */').node).toBe('x');
  });

  test('names no node for a write', () => {
    expect(classOf('/* rwsplit: node=db-2 */ UPDATE t SET a = 1')).toEqual(classOf('UPDATE t SET a = 1'));
  });
});

describe('stored routines that are known', () => {
  const routines: KnownRoutines = new Map([
    ['f', 'reads'],
    ['db.g', 'reads'],
    ['w', 'writes'],
    [procedureName('p'), 'writes'],
    [procedureName('db.q'), 'reads'],
  ]);
  function classOf(text: string): Classification {
    const sql = Buffer.from(text);
    return classify(sql, 0, sql.length, MYSQL, routines);
  }
  const target = (text: string): string => classOf(text).target;

  test.each(['SELECT f(1)', 'SELECT F (1)', 'SELECT `f`(1)', 'SELECT db.g(1)', 'SELECT `DB`.`G`(1)'])(
    '%s goes to a replica',
    (sql) => {
      expect(target(sql)).toBe('replica');
    },
  );

  test.each(['SELECT g(1)', 'SELECT db.f(1)', 'SELECT other.g(1)', 'SELECT f(g(1))'])(
    '%s goes to the primary',
    (sql) => {
      expect(target(sql)).toBe('primary');
    },
  );

  test.each([
    'SELECT w(1)',
    'SELECT f(w(1)) FROM t',
    'DO w(1)',
    'CALL p()',
    'CALL P',
    'CALL db.`Q`(1, f(2), w(3))',
    '/* rwsplit: replica */ SELECT w(1)',
  ])('%s goes to the primary, and leaves nothing there', (sql) => {
    expect(classOf(sql)).toMatchObject({ target: 'primary', pins: [], leavesNothing: true });
  });

  test.each([
    ['SELECT w(1), g(1)', ['stored-function']],
    ['CALL q()', []],
    ['CALL db.p()', []],
    ['CALL p(g(1))', []],
    ['CALL f(1)', []],
    ['SELECT w(1); SELECT f(1)', []],
    ['SELECT p(1)', ['stored-function']],
  ])('%s may leave anything', (sql, pins) => {
    expect(classOf(sql)).toMatchObject({ target: 'primary', pins });
    expect(classOf(sql).leavesNothing).toBeUndefined();
  });

  test("what a known procedure's OUT parameters are given stays", () => {
    expect(classOf('CALL p(@out)')).toMatchObject({ pins: ['user-variable'] });
  });
});
