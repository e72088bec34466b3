import { describe, expect, test } from 'vitest';
import { ServerStatus } from '../../../src/protocol/server-status.js';
import { routeStatement } from '../../../src/routing/route.js';
import { Session } from '../../../src/session/session.js';
import { classOf } from '../classify/modes.js';

const { AUTOCOMMIT, IN_TRANS } = ServerStatus;

type Situation =
  | 'free'
  | 'pinned'
  | 'in a transaction'
  | 'without autocommit'
  | 'SERIALIZABLE'
  | 'in mysql'
  | 'read-only'
  | 'read-only, without autocommit'
  | 'in a transaction on a replica'
  | 'in one on a replica, and pinned';

function sessionIn(situation: Situation): Session {
  const session = new Session(situation === 'in mysql' ? 'mysql' : 'app', new Map([['autocommit', 'ON']]), '9.7.4');
  switch (situation) {
    case 'pinned':
      session.pins.add('temporary-table');
      break;
    case 'in a transaction':
      session.learn('primary', [], AUTOCOMMIT | IN_TRANS);
      break;
    case 'without autocommit':
      session.learn('primary', [], 0);
      break;
    case 'SERIALIZABLE':
      session.learn(
        'primary',
        [{ kind: 'system-variable', name: 'transaction_isolation', value: 'SERIALIZABLE' }],
        undefined,
      );
      break;
    case 'read-only, without autocommit':
      session.learn('primary', [], 0);
      session.learn('primary', [READ_ONLY], undefined);
      break;
    case 'read-only':
      session.learn('primary', [READ_ONLY], undefined);
      break;
    case 'in one on a replica, and pinned':
      session.pins.add('cursor');
      session.learn('replica', [], AUTOCOMMIT | IN_TRANS);
      break;
    case 'in a transaction on a replica':
      session.learn('replica', [], AUTOCOMMIT | IN_TRANS);
      break;
    case 'free':
    case 'in mysql':
  }
  return session;
}

const READ_ONLY = { kind: 'system-variable', name: 'transaction_read_only', value: 'ON' } as const;

/** Where each kind of statement goes from each situation, and why. */
const TABLE: readonly (readonly [Situation, read: string, write: string, asksLast: string])[] = [
  ['free', 'replica read', 'primary write', 'previous diagnostics'],
  ['pinned', 'primary pinned', 'primary pinned', 'primary pinned'],
  ['in a transaction', 'primary in-transaction', 'primary in-transaction', 'primary in-transaction'],
  ['without autocommit', 'primary autocommit-off', 'primary write', 'previous diagnostics'],
  ['SERIALIZABLE', 'primary serializable', 'primary write', 'previous diagnostics'],
  ['in mysql', 'primary server-specific', 'primary write', 'previous diagnostics'],
  ['read-only', 'replica read', 'primary write', 'previous diagnostics'],
  ['read-only, without autocommit', 'replica read-only-transaction', 'primary write', 'previous diagnostics'],
  ['in a transaction on a replica', 'transaction in-transaction', 'primary write', 'transaction in-transaction'],
  ['in one on a replica, and pinned', 'primary pinned', 'primary pinned', 'primary pinned'],
];

/** What of a read-only transaction can stay on its replica. */
const STAYS: readonly (readonly [sql: string, stays: boolean])[] = [
  ['SELECT 1', true],
  ['SAVEPOINT a', true],
  ['ROLLBACK TO SAVEPOINT a', true],
  ['COMMIT', true],
  ['ROLLBACK AND CHAIN', true],
  ['START TRANSACTION READ ONLY', true],
  ['SET time_zone = "+01:00"', true],
  ['USE other', true],
  ['SELECT FOUND_ROWS()', true],
  ['SELECT LAST_INSERT_ID()', true],
  ['BEGIN', false],
  ['START TRANSACTION', false],
  ['START TRANSACTION READ WRITE', false],
  ['UPDATE t SET a = 1', false],
  ['TRUNCATE t', false],
  ['SELECT * FROM t FOR SHARE', false],
  ['SELECT @x := 1', false],
  ['SET @x = 1', false],
  ['SET GLOBAL max_connections = 9', false],
  ["SELECT GET_LOCK('a', 1)", false],
  ['SELECT f(1)', false],
  ['CALL p()', false],
  ['LOCK TABLES t READ', false],
  ['PREPARE s FROM "SELECT 1"', false],
  ["XA COMMIT 'a'", false],
  ['SHOW PROCESSLIST', false],
  ['SELECT CONNECTION_ID()', false],
  ['SELECT /* rwsplit: primary */ 1', false],
  ['SELECT 1; SELECT 2', false],
  ['nonsense', false],
];

describe('a statement of a session', () => {
  for (const [situation, ...expected] of TABLE) {
    test(`that is ${situation} goes where it belongs`, () => {
      const routes = ['SELECT 1', 'INSERT INTO t VALUES (1)', 'SHOW WARNINGS'].map((sql) => {
        const { to, reason } = routeStatement(sessionIn(situation), classOf(sql));
        return `${to} ${reason}`;
      });
      expect(routes).toEqual(expected);
    });
  }

  test.each(STAYS)('of a read-only transaction stays on its replica only where it can: %s', (sql, stays) => {
    const { to } = routeStatement(sessionIn('in a transaction on a replica'), classOf(sql));
    expect(to).toBe(stays ? 'transaction' : 'primary');
  });

  test.each([
    ['BEGIN', 'free', 'primary'],
    ['BEGIN', 'read-only', 'replica'],
    ['START TRANSACTION WITH CONSISTENT SNAPSHOT', 'read-only', 'replica'],
    ['START TRANSACTION READ WRITE', 'read-only', 'primary'],
    ['START TRANSACTION READ ONLY', 'free', 'replica'],
    ['START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', 'free', 'replica'],
    ['START TRANSACTION READ ONLY', 'pinned', 'primary'],
    ['START TRANSACTION READ ONLY', 'SERIALIZABLE', 'primary'],
    ['START TRANSACTION READ ONLY', 'in a transaction', 'primary'],
  ] as const)('that opens a transaction goes by its access mode: %s, %s', (sql, situation, to) => {
    expect(routeStatement(sessionIn(situation), classOf(sql)).to).toBe(to);
  });

  test('goes to a replica in no situation unless it only reads', () => {
    const writes = [
      'UPDATE t SET a = 1',
      'SELECT 1 FOR UPDATE',
      'CALL p()',
      'SET @x = 1',
      'START TRANSACTION READ WRITE',
      'nonsense',
      'SELECT f(1)',
    ];
    for (const [situation] of TABLE) {
      for (const sql of writes) expect(routeStatement(sessionIn(situation), classOf(sql)).to, sql).not.toBe('replica');
    }
  });
});

test('a read whose like a replica refused as a write goes to the primary, where nothing else sends it there', () => {
  const read = classOf('SELECT 1');
  expect(routeStatement(sessionIn('free'), read, true)).toEqual({ to: 'primary', reason: 'replica-refused' });
  expect(routeStatement(sessionIn('in a transaction'), read, true).reason).toBe('in-transaction');
  expect(routeStatement(sessionIn('free'), classOf('SHOW WARNINGS'), true).to).toBe('previous');
});
