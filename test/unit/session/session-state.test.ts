import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SessionChange } from '../../../src/protocol/session-changes.js';
import {
  changeState,
  freshState,
  resetState,
  restoreState,
  withRole,
  type SessionState,
} from '../../../src/session/session-state.js';

const BASELINE: ReadonlyMap<string, string> = new Map([
  ['autocommit', 'ON'],
  ['sql_mode', 'STRICT_TRANS_TABLES'],
  ['time_zone', 'SYSTEM'],
  ['character_set_client', 'utf8mb4'],
  ['character_set_results', 'utf8mb4'],
  ['character_set_connection', 'utf8mb4'],
  ['collation_connection', 'utf8mb4_0900_ai_ci'],
]);

function set(name: string, value: string): SessionChange {
  return { kind: 'system-variable', name, value };
}

describe('the state of a session', () => {
  test('has what differs from a fresh connection, and no more', () => {
    const changed = changeState(freshState('a'), [set('time_zone', '+01:00'), set('sort_buffer_size', '1')], BASELINE);
    expect([...changed.variables]).toEqual([
      ['time_zone', '+01:00'],
      ['sort_buffer_size', '1'],
    ]);
    const back = changeState(changed, [set('time_zone', 'SYSTEM')], BASELINE);
    expect([...back.variables.keys()]).toEqual(['sort_buffer_size']);
  });

  test('is the very same when nothing of it changed, so that comparing is cheap', () => {
    const state = freshState('a');
    expect(changeState(state, [], BASELINE)).toBe(state);
    expect(changeState(state, [{ kind: 'state-change' }, set('statement_id', '7')], BASELINE)).toBe(state);
    expect(changeState(state, [{ kind: 'schema', name: 'a' }], BASELINE)).toBe(state);
  });

  test('has one key for one state, whoever got there and how', () => {
    const once = changeState(freshState('a'), [set('time_zone', '+01:00')], BASELINE);
    const twice = changeState(once, [set('time_zone', '+02:00'), set('time_zone', '+01:00')], BASELINE);
    expect(twice.key).toBe(once.key);
    expect(changeState(once, [{ kind: 'schema', name: 'b' }], BASELINE).key).not.toBe(once.key);
    // No name or value can make two states look alike.
    const left = changeState(freshState('a","x'), [], BASELINE);
    const right = changeState(freshState('a'), [set('x', '')], BASELINE);
    expect(left.key).not.toBe(right.key);
  });
});

describe('restoring a state', () => {
  const NAMES = ['time_zone', 'sql_mode', 'sort_buffer_size', 'character_set_results', 'lc_time_names'] as const;
  const value = fc.oneof(
    fc.constantFrom('+01:00', 'ANSI_QUOTES,STRICT_TRANS_TABLES', '1', '-5.5', '', 'de_DE'),
    fc.string(),
  );
  const state: fc.Arbitrary<SessionState> = fc
    .tuple(fc.constantFrom('', 'a', 'b'), fc.array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 4 }))
    .map(([schema, settings]) =>
      changeState(
        freshState(schema),
        settings.map(([name, to]) => set(name, to)),
        BASELINE,
      ),
    );

  test('brings any connection to any state, or says that it cannot', () => {
    fc.assert(
      fc.property(state, state, (from, to) => {
        const restore = restoreState(from, to, BASELINE);
        if (restore.kind === 'unfit') {
          const impossible = to.schema === '' && from.schema !== '';
          const strange = [...to.variables.values()].some((it) => /[^\w .,:;+\-/@*%=$~()[\]{}<>|!?#&^]/.test(it));
          expect(impossible || strange).toBe(true);
          return;
        }
        expect(restore.schema ?? from.schema).toBe(to.schema);
        const variables = new Map(from.variables);
        for (const [name, text] of restore.statements.flatMap(assignments)) {
          if (text === 'DEFAULT' || text === BASELINE.get(name)) variables.delete(name);
          else variables.set(name, text);
        }
        expect(Object.fromEntries(variables)).toEqual(Object.fromEntries(to.variables));
      }),
    );
  });

  test('writes nothing where there is nothing to do', () => {
    const changed = changeState(freshState('a'), [set('time_zone', '+01:00')], BASELINE);
    expect(restoreState(changed, changed, BASELINE)).toEqual({ kind: 'restore', schema: undefined, statements: [] });
  });

  test('gives up what another session has set: to the known value, or to the default', () => {
    const used = changeState(freshState('a'), [set('time_zone', '+01:00'), set('sort_buffer_size', '1')], BASELINE);
    expect(restoreState(used, freshState('a'), BASELINE)).toEqual({
      kind: 'restore',
      schema: undefined,
      statements: ["SET @@session.time_zone='SYSTEM',@@session.sort_buffer_size=DEFAULT"],
    });
  });

  test('sets roles between what was set before them and after them', () => {
    const before = changeState(freshState('a'), [set('time_zone', '+01:00')], BASELINE);
    const roles = withRole(before, ' set role `r1`, "r2"@`%` ;');
    if (roles === undefined) throw new Error('the roles are plain');
    const after = changeState(roles, [set('sort_buffer_size', '1')], BASELINE);
    const statements = [
      "SET @@session.time_zone='+01:00'",
      'SET ROLE `r1`, "r2"@`%`',
      'SET @@session.sort_buffer_size=1',
    ];
    expect(restoreState(freshState('a'), after, BASELINE)).toEqual({ kind: 'restore', schema: undefined, statements });
    expect(restoreState(before, after, BASELINE)).toMatchObject({ statements: statements.slice(1) });
    expect(restoreState(after, roles, BASELINE)).toMatchObject({
      statements: ["SET @@session.sort_buffer_size=DEFAULT,@@session.time_zone='+01:00'", 'SET ROLE `r1`, "r2"@`%`'],
    });
    expect(restoreState(after, before, BASELINE), 'what roles a login gives cannot be said').toEqual({ kind: 'unfit' });
    expect(restoreState(after, resetState(after), BASELINE), 'a reset leaves the roles').toMatchObject({
      kind: 'restore',
    });
  });

  test.each([
    'SET ROLE `r\u00c3`',
    'SET /* x */ ROLE r',
    '/*!80000 SET ROLE r */',
    "SET ROLE 'a\\'b'",
    'SET ROLE r; SELECT 1',
  ])('does not take %s to mean the same everywhere', (sql) => {
    expect(withRole(freshState('a'), sql)).toBeUndefined();
  });

  test('is not possible where a schema would have to be given up', () => {
    expect(restoreState(freshState('a'), freshState(''), BASELINE)).toEqual({ kind: 'unfit' });
    expect(restoreState(freshState(''), freshState('a'), BASELINE)).toMatchObject({ schema: 'a', statements: [] });
  });

  test('sets by NAMES what was set by NAMES', () => {
    const names = changeState(
      freshState(''),
      [
        set('character_set_client', 'latin1'),
        set('character_set_results', 'latin1'),
        set('character_set_connection', 'latin1'),
        set('collation_connection', 'latin1_german2_ci'),
      ],
      BASELINE,
    );
    expect(restoreState(freshState(''), names, BASELINE)).toMatchObject({
      statements: ["SET NAMES 'latin1' COLLATE 'latin1_german2_ci'"],
    });
    expect(restoreState(names, freshState(''), BASELINE)).toMatchObject({
      statements: ["SET NAMES 'utf8mb4' COLLATE 'utf8mb4_0900_ai_ci'"],
    });
  });

  test('does not write a value from which a statement could be made', () => {
    for (const evil of ["x',@@global.x='1", 'x\\', 'a\nb', "'", '"', '`', '\0']) {
      const state = changeState(freshState(''), [set('init_connect_like', evil)], BASELINE);
      expect(restoreState(freshState(''), state, BASELINE)).toEqual({ kind: 'unfit' });
    }
  });

  /** Names and values of a SET, NAMES being four of them. */
  function assignments(statement: string | undefined): [string, string][] {
    const [, charset = '', collation = ''] = /NAMES '(\w+)' COLLATE '(\w+)'/.exec(statement ?? '') ?? [];
    const names = ['character_set_client', 'character_set_results', 'character_set_connection'];
    const set: [string, string][] = names.map((name) => [name, charset]);
    set.push(['collation_connection', collation]);
    const found = (statement ?? '').matchAll(/@@session\.(\w+)=('([^']*)'|[^,']*)/g);
    const others = [...found].map(([, name = '', text = '', quoted]): [string, string] => [
      name,
      quoted ?? (text === 'NULL' ? '' : text),
    ]);
    return charset === '' ? others : [...set, ...others];
  }
});
