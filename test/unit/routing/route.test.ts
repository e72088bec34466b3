import { describe, expect, test } from 'vitest';
import { ServerStatus } from '../../../src/protocol/server-status.js';
import { routeStatement } from '../../../src/routing/route.js';
import { Session } from '../../../src/session/session.js';
import { classOf } from '../classify/modes.js';

const { AUTOCOMMIT, IN_TRANS } = ServerStatus;

type Situation = 'free' | 'pinned' | 'in a transaction' | 'without autocommit' | 'SERIALIZABLE' | 'in mysql';

function sessionIn(situation: Situation): Session {
  const session = new Session(situation === 'in mysql' ? 'mysql' : 'app', new Map([['autocommit', 'ON']]), '9.7.4');
  switch (situation) {
    case 'pinned':
      session.pins.add('temporary-table');
      break;
    case 'in a transaction':
      session.learn([], AUTOCOMMIT | IN_TRANS);
      break;
    case 'without autocommit':
      session.learn([], 0);
      break;
    case 'SERIALIZABLE':
      session.learn([{ kind: 'system-variable', name: 'transaction_isolation', value: 'SERIALIZABLE' }], undefined);
      break;
    case 'free':
    case 'in mysql':
  }
  return session;
}

/** Where each kind of statement goes from each situation, and why. */
const TABLE: readonly (readonly [Situation, read: string, write: string, asksLast: string])[] = [
  ['free', 'replica read', 'primary write', 'previous diagnostics'],
  ['pinned', 'primary pinned', 'primary pinned', 'primary pinned'],
  ['in a transaction', 'primary in-transaction', 'primary in-transaction', 'primary in-transaction'],
  ['without autocommit', 'primary autocommit-off', 'primary write', 'previous diagnostics'],
  ['SERIALIZABLE', 'primary serializable', 'primary write', 'previous diagnostics'],
  ['in mysql', 'primary server-specific', 'primary write', 'previous diagnostics'],
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

  test('goes to a replica in no situation unless it only reads', () => {
    const writes = [
      'UPDATE t SET a = 1',
      'SELECT 1 FOR UPDATE',
      'CALL p()',
      'SET @x = 1',
      'BEGIN',
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
