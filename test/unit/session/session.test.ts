import { describe, expect, test } from 'vitest';
import type { Classification } from '../../../src/classify/classification.js';
import type { OkPacket } from '../../../src/protocol/packets/ok.js';
import { ServerStatus } from '../../../src/protocol/server-status.js';
import type { SessionChange } from '../../../src/protocol/session-changes.js';
import { lexModeOf, versionNumber } from '../../../src/session/lex-mode.js';
import { Session } from '../../../src/session/session.js';
import type { StatementEnd } from '../../../src/session/statement-end.js';
import { changeState, freshState } from '../../../src/session/session-state.js';
import { visibleChanges } from '../../../src/session/visible-changes.js';
import { classOf } from '../classify/modes.js';

const { AUTOCOMMIT, IN_TRANS } = ServerStatus;

function newSession(): Session {
  return new Session('a', new Map([['autocommit', 'ON']]), '9.7.4');
}

/** A statement came to its end on the primary. */
function ends(session: Session, sql: string, end: Partial<StatementEnd> = {}): void {
  const classification: Classification = classOf(sql);
  session.begin(classification.target === 'last');
  session.end({
    role: 'primary',
    classification,
    status: AUTOCOMMIT,
    ok: okOf(0n),
    insertsId: false,
    error: undefined,
    warnings: 0,
    tellsCommits: true,
    rows: 0,
    changes: [],
    command: undefined,
    prepares: false,
    text: Buffer.from(sql),
    ...end,
  });
}

function okOf(affectedRows: bigint): OkPacket {
  const nothing = Buffer.alloc(0);
  return { header: 0, affectedRows, lastInsertId: 0n, status: 2, warnings: 0, info: nothing, sessionChanges: nothing };
}

const FAILED = { ok: undefined, status: undefined, error: { errno: 1205, sqlState: 'HY000', message: '' } } as const;

describe('a session is bound to its primary connection', () => {
  const CASES: readonly (readonly [begin: string, pin: string, end: string])[] = [
    ['CREATE OR REPLACE TEMPORARY TABLE t (a INT)', 'temporary-table', ''],
    ['LOCK TABLES t READ', 'table-lock', 'UNLOCK TABLES'],
    ['FLUSH TABLES WITH READ LOCK', 'table-lock', 'UNLOCK TABLES'],
    ['LOCK INSTANCE FOR BACKUP', 'instance-lock', 'UNLOCK INSTANCE'],
    ["SELECT GET_LOCK('x', 1)", 'named-lock', 'SELECT RELEASE_ALL_LOCKS()'],
    ['SELECT 1 INTO @x', 'user-variable', ''],
    ['SET @x = changes_more()', 'user-variable', ''],
    ['SET @x = 1; SELECT 1', 'user-variable', ''],
    ["PREPARE p FROM 'SELECT 1'", 'text-prepared-statement', ''],
    ['HANDLER t OPEN', 'handler', ''],
    ["XA START 'x'", 'xa', "XA COMMIT 'x'"],
    ['SET /* all */ ROLE ALL', 'role', ''],
  ];
  for (const [begin, pin, end] of CASES) {
    test(`by ${begin}${end === '' ? '' : `, until ${end}`}`, () => {
      const session = newSession();
      ends(session, begin);
      expect([...session.pins]).toEqual([pin]);
      expect(session.keepsPrimary && session.boundToPrimary && !session.mayGiveUpPrimary).toBe(true);
      if (end === '') return;
      ends(session, end, FAILED);
      expect([...session.pins], 'what fails ends nothing').toEqual([pin]);
      ends(session, end);
      expect([...session.pins]).toEqual([]);
      expect(session.boundToPrimary).toBe(false);
    });
  }

  const ENDED_BY_NAME: readonly (readonly [statements: string[], left: string[]])[] = [
    [["SELECT GET_LOCK('a', 1)", "SELECT RELEASE_LOCK('A')"], []],
    [["DO GET_LOCK('a', 1)", "SELECT GET_LOCK('b', -1)", "DO RELEASE_LOCK('a')"], ['named-lock']],
    [["DO GET_LOCK('a', 1)", "SELECT GET_LOCK('b', -1)", "DO RELEASE_LOCK('a')", "DO RELEASE_LOCK('b');"], []],
    [["DO GET_LOCK('a', 1)", "DO GET_LOCK('a', 1)", "DO RELEASE_LOCK('a')"], ['named-lock']],
    [["DO GET_LOCK('a', 1)", "DO RELEASE_LOCK('b')"], ['named-lock']],
    [["DO GET_LOCK('a', 1)", "SELECT RELEASE_LOCK('a') FROM t"], ['named-lock']],
    [["DO GET_LOCK(CONCAT('a', 'b'), 1)", "DO GET_LOCK('a', 1)", "DO RELEASE_LOCK('a')"], ['named-lock']],
    [
      ["DO GET_LOCK(CONCAT('a', 'b'), 1)", 'SELECT RELEASE_ALL_LOCKS()', "DO GET_LOCK('a', 1)", "DO RELEASE_LOCK('a')"],
      [],
    ],
    [["DO GET_LOCK('a', 1); DO 1", "DO RELEASE_LOCK('a')"], ['named-lock']],
    [['HANDLER t OPEN', 'HANDLER t READ FIRST', 'HANDLER t CLOSE'], []],
    [['HANDLER s.t OPEN AS h', 'HANDLER t CLOSE'], ['handler']],
    [['HANDLER s.`T` OPEN h', 'HANDLER t OPEN', 'HANDLER H CLOSE', 'HANDLER `t` CLOSE'], []],
    [["PREPARE p FROM 'SELECT 1'", 'EXECUTE p', 'DEALLOCATE PREPARE p'], []],
    [["PREPARE p FROM 'SELECT 1'", "PREPARE q FROM 'SELECT 2'", 'DROP PREPARE p'], ['text-prepared-statement']],
    [["PREPARE p FROM 'SET @x = 1'", 'EXECUTE p', 'DEALLOCATE PREPARE p'], ['text-prepared-statement']],
    [["PREPARE p FROM 'SET @x = 1'", 'DEALLOCATE PREPARE p'], []],
    [["PREPARE p FROM 'DROP TABLE t'", 'EXECUTE p', 'DEALLOCATE PREPARE p'], ['text-prepared-statement']],
    [['PREPARE p FROM @sql', 'DEALLOCATE PREPARE p'], ['text-prepared-statement']],
    [['SELECT SQL_CALC_FOUND_ROWS 1', 'DO 1'], ['found-rows']],
  ];
  test.each(ENDED_BY_NAME)('until what has a name was ended by it: %j leaves %j', (statements, left) => {
    const session = newSession();
    for (const sql of statements) ends(session, sql);
    expect([...session.pins].toSorted((a, b) => a.localeCompare(b))).toEqual(left);
  });

  test('not by what failed, and until an end that failed is tried again', () => {
    const session = newSession();
    ends(session, "SELECT GET_LOCK('a', 1)", FAILED);
    expect([...session.pins]).toEqual([]);
    ends(session, "SELECT GET_LOCK('a', 1)");
    ends(session, "SELECT RELEASE_LOCK('a')", FAILED);
    expect([...session.pins]).toEqual(['named-lock']);
    ends(session, "SELECT RELEASE_LOCK('a')");
    ends(session, "PREPARE p FROM 'SELECT 1'");
    ends(session, "PREPARE p FROM 'SELEC'", FAILED);
    expect([...session.pins]).toEqual([]);
  });

  test('by SQL_CALC_FOUND_ROWS, until another statement gave rows', () => {
    const session = newSession();
    const rows = { ok: undefined, rows: 1 };
    ends(session, 'SELECT SQL_CALC_FOUND_ROWS 1', rows);
    ends(session, 'SELECT 1', { ...rows, prepares: true });
    expect([...session.pins]).toEqual(['found-rows']);
    ends(session, 'SELECT 1', rows);
    expect([...session.pins]).toEqual([]);
  });

  test('since a time that is told', () => {
    const session = newSession();
    session.nowMs = 5_000;
    ends(session, 'LOCK TABLES t READ');
    session.nowMs = 9_000;
    ends(session, 'LOCK TABLES t READ');
    expect(session.pins.sinceMs('table-lock')).toBe(5_000);
    ends(session, 'UNLOCK TABLES');
    expect(session.pins.sinceMs('table-lock')).toBeUndefined();
  });

  test('by a transaction, from its first to its last flag', () => {
    const session = newSession();
    ends(session, 'BEGIN', { status: AUTOCOMMIT | IN_TRANS });
    expect([session.inTransaction, session.keepsPrimary, session.boundToPrimary]).toEqual([true, true, true]);
    ends(session, 'INSERT INTO t VALUES (1)', { ...FAILED });
    expect(session.inTransaction, 'an error says nothing of the transaction').toBe(true);
    ends(session, 'COMMIT');
    expect([session.inTransaction, session.keepsPrimary]).toEqual([false, false]);
  });

  test('without autocommit, also outside of a transaction', () => {
    const session = newSession();
    ends(session, 'SET autocommit = 0', { status: 0 });
    expect([session.inTransaction, session.autocommit, session.boundToPrimary]).toEqual([false, false, true]);
    ends(session, 'SET autocommit = 1', { status: AUTOCOMMIT });
    expect(session.boundToPrimary).toBe(false);
  });

  test('by SET TRANSACTION, until the transaction after it has ended', () => {
    const session = newSession();
    ends(session, 'SET TRANSACTION READ ONLY');
    expect([...session.pins]).toEqual(['next-transaction']);
    ends(session, 'BEGIN', { status: AUTOCOMMIT | IN_TRANS });
    expect([...session.pins]).toEqual(['next-transaction']);
    ends(session, 'COMMIT');
    expect([...session.pins]).toEqual([]);
  });

  test('by trackers of its own, by variables that cannot be read back, and by what nobody can explain', () => {
    const cases: [SessionChange[], string][] = [
      [[variable('session_track_gtids', 'OWN_GTID')], 'session-tracker'],
      [[variable('timestamp', '1')], 'one-shot-variable'],
      [[{ kind: 'state-change' }], 'unknown-state-change'],
    ];
    for (const [changes, pin] of cases) {
      const session = newSession();
      ends(session, 'DO 1', { changes });
      expect([...session.pins]).toEqual([pin]);
      expect(session.state.variables.size).toBe(0);
    }
  });

  test('by MariaDB being in ORACLE mode, until that is taken back', () => {
    const session = newSession();
    const set = (mode: string): void =>
      ends(session, `SET sql_mode = '${mode}'`, { changes: [variable('sql_mode', mode)] });
    set('PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE');
    expect([...session.pins]).toEqual(['oracle-mode']);
    set('');
    expect([...session.pins]).toEqual([]);
  });

  test('not by what the server can carry elsewhere', () => {
    const session = newSession();
    ends(session, "SET time_zone = '+01:00'", { changes: [variable('time_zone', '+01:00'), { kind: 'state-change' }] });
    ends(session, 'USE b', { changes: [{ kind: 'schema', name: 'b' }, { kind: 'state-change' }] });
    expect([...session.pins]).toEqual([]);
    expect(session.state).toMatchObject({ schema: 'b', variables: new Map([['time_zone', '+01:00']]) });
  });

  test('not by a statement that was refused unread', () => {
    const session = newSession();
    ends(session, 'SET @x = no_such_function(1)', {
      ...FAILED,
      error: { errno: 1064, sqlState: '42000', message: '' },
    });
    expect([...session.pins]).toEqual([]);
    ends(session, 'SET @x = (SELECT 1 FROM t)', FAILED);
    expect([...session.pins], 'of what failed later, a part may have been done').toEqual(['user-variable']);
  });
});

describe('a session keeps its connection for what may be asked next', () => {
  test('until the next statement that does not ask', () => {
    const session = newSession();
    ends(session, 'UPDATE t SET a = 1', { ok: okOf(2n) });
    expect([...session.holds]).toEqual(['previous-statement']);
    session.begin(true);
    expect([...session.holds]).toEqual(['previous-statement']);
    session.begin(false);
    expect([...session.holds]).toEqual([]);
  });

  test('and knows what is lost with it: the rows that were changed, warnings, errors', () => {
    const lostAfter = (answer: Partial<StatementEnd>, ...asked: readonly string[]): unknown => {
      const session = newSession();
      ends(session, 'UPDATE t SET a = 1', answer);
      for (const question of asked) ends(session, question, { ok: undefined });
      session.givenUp([]);
      return session.previousLost;
    };
    expect(lostAfter({ ok: okOf(2n) })).toEqual({ rowCount: true, diagnostics: false });
    expect(lostAfter({ ok: okOf(0n) })).toEqual({ rowCount: false, diagnostics: false });
    expect(lostAfter({ ok: okOf(0n), warnings: 1 })).toEqual({ rowCount: false, diagnostics: true });
    expect(lostAfter(FAILED)).toEqual({ rowCount: false, diagnostics: true });
    expect(lostAfter(FAILED, 'SHOW WARNINGS')).toEqual({ rowCount: false, diagnostics: true });
    expect(lostAfter({ ok: okOf(2n) }, 'SHOW WARNINGS')).toEqual({ rowCount: false, diagnostics: false });
  });

  test('also for LAST_INSERT_ID(), and may be asked to give it up', () => {
    const session = newSession();
    ends(session, 'INSERT INTO t (a) VALUES (1)', { ok: okOf(1n), insertsId: true });
    session.begin(false);
    expect([...session.holds]).toEqual(['last-insert-id']);
    expect(session.mayGiveUpPrimary).toBe(true);
    session.givenUp([variable('last_insert_id', '42')]);
    expect([session.lastInsertId, session.keepsPrimary]).toEqual(['42', false]);
  });

  test('for a variable that SET gave a value, and gives it up for nobody', () => {
    const session = newSession();
    ends(session, 'SET @x = 1, @y = @x + @@sql_mode, time_zone = "+01:00"');
    session.begin(false);
    expect([[...session.pins], [...session.holds]]).toEqual([[], ['user-variable']]);
    expect(session.keepsPrimary && session.boundToPrimary && session.leavesMore && !session.mayGiveUpPrimary).toBe(
      true,
    );
    session.reset(AUTOCOMMIT);
    expect(session.keepsPrimary).toBe(false);
  });

  test('and after a procedure gives nothing up: it may have left locks', () => {
    const session = newSession();
    ends(session, 'CALL p()');
    session.begin(false);
    expect(session.holds.has('procedure-call')).toBe(true);
    expect(session.mayGiveUpPrimary).toBe(false);
  });
});

test('a reset forgets everything but the schema', () => {
  const session = newSession();
  ends(session, 'SET @x = 1, time_zone = "+01:00"', { changes: [variable('time_zone', '+01:00')] });
  ends(session, 'USE b', { changes: [{ kind: 'schema', name: 'b' }] });
  ends(session, 'INSERT INTO t (a) VALUES (1)', { insertsId: true });
  session.givenUp([variable('last_insert_id', '42')]);
  session.reset(AUTOCOMMIT);
  expect(session.state).toEqual(freshState('b'));
  expect([session.pins.size, session.holds.size, session.status, session.foundRows]).toEqual([0, 0, AUTOCOMMIT, 0]);
  // Set to 0 or left unset: nothing of the insert is told to anybody.
  expect(session.lastInsertId ?? '0').toBe('0');
});

describe('how a session has its text read', () => {
  const baseline = new Map([['sql_mode', 'STRICT_TRANS_TABLES']]);
  test.each([
    ['sql_mode', 'ANSI_QUOTES,STRICT_TRANS_TABLES', { ansiQuotes: true, noBackslashEscapes: false }],
    ['sql_mode', 'NO_BACKSLASH_ESCAPES', { ansiQuotes: false, noBackslashEscapes: true }],
    ['sql_mode', '', { ansiQuotes: false, noBackslashEscapes: false }],
    ['character_set_client', 'gbk', { charset: 'gbk' }],
    ['character_set_client', 'sjis', { charset: 'sjis' }],
    ['character_set_client', 'latin1', { charset: 'other' }],
  ])('follows %s=%s', (name, to, expected) => {
    const state = changeState(freshState(''), [variable(name, to)], baseline);
    expect(lexModeOf(state, baseline, '9.7.4')).toMatchObject(expected);
  });

  test.each([
    ['9.7.4-2', 90704],
    ['8.0.36', 80036],
    ['5.5.5-10.11.19-MariaDB-log', 101119],
    ['nonsense', 80000],
  ])('and the version %s', (version, number) => {
    expect(versionNumber(version)).toBe(number);
  });
});

describe('what a client sees of the reported changes', () => {
  const ALL: readonly SessionChange[] = [
    variable('statement_id', '5'),
    variable('time_zone', '+01:00'),
    variable('sort_buffer_size', '1'),
    { kind: 'schema', name: 'b' },
    { kind: 'state-change' },
  ];
  test('is what a server reports by default', () => {
    expect(visibleChanges(ALL, new Set())).toEqual([variable('time_zone', '+01:00'), { kind: 'schema', name: 'b' }]);
  });

  test('is all, where it asked for it itself', () => {
    const asked = new Set(['session_track_system_variables', 'session_track_state_change']);
    expect(visibleChanges(ALL, asked)).toEqual(expect.arrayContaining(ALL.slice(1)));
  });
});

function variable(name: string, value: string): SessionChange {
  return { kind: 'system-variable', name, value };
}

describe('roles that a session has set', () => {
  test('go along to other connections, and through a reset', () => {
    const session = newSession();
    ends(session, 'SET ROLE r');
    expect([...session.pins]).toEqual([]);
    expect(session.state.variables.get('SET ROLE')).toBe('SET ROLE r');
    ends(session, 'SET ROLE ALL EXCEPT r');
    session.reset(2);
    expect(session.state.variables.get('SET ROLE')).toBe('SET ROLE ALL EXCEPT r');
    session.changedUser('', 2);
    expect(session.state.variables.size).toBe(0);
  });

  test('bind it once its schema was chosen with them, and where they may have been set in part', () => {
    const session = newSession();
    ends(session, 'SET ROLE r');
    ends(session, 'USE s', { changes: [{ kind: 'schema', name: 's' }] });
    expect([...session.pins]).toEqual(['role']);
    session.reset(2);
    expect([...session.pins], 'a reset leaves the roles').toEqual(['role']);
    const other = newSession();
    ends(other, 'SET ROLE r', FAILED);
    expect([...other.pins]).toEqual(['role']);
  });
});
