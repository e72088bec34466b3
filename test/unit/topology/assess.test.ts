import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assess, sameTopology } from '../../../src/topology/assess.js';
import { GtidSet } from '../../../src/topology/gtid-set.js';
import type { NodeReport, Observation } from '../../../src/topology/observation.js';
import { rolesOf } from '../../../src/topology/roles.js';
import type { NodeAddress, Snapshot } from '../../../src/topology/snapshot.js';

function address(name: string): NodeAddress {
  return { name, host: name, port: 3306 };
}

interface Said {
  readonly readOnly?: boolean;
  /** The name of the node that it replicates from. */
  readonly from?: string | undefined;
  readonly applies?: boolean;
  readonly group?: NodeReport['group'];
  readonly groupPrimaries?: readonly string[];
  readonly uuid?: string;
  readonly executed?: string;
  readonly untold?: boolean;
}

function answered(name: string, said: Said): Observation {
  const source =
    said.from === undefined
      ? undefined
      : { host: said.from, port: 3306, uuid: said.from, receives: true, applies: said.applies ?? true, error: '' };
  return {
    kind: 'answered',
    address: address(name),
    serverUuid: said.uuid ?? name,
    capabilities: 0xffffffff,
    serverVersion: '9.7.4',
    executed: GtidSet.parse(said.executed ?? '') ?? GtidSet.EMPTY,
    askedAtMs: 0,
    readOnly: said.readOnly ?? true,
    source,
    sourceUntold: said.untold ?? false,
    group: said.group ?? 'none',
    ...(said.groupPrimaries === undefined ? {} : { groupPrimaries: said.groupPrimaries }),
    found: [],
    applyingForMs: undefined,
  };
}

const primary = (name: string): Observation => answered(name, { readOnly: false });
const replica = (name: string, from = 'a'): Observation => answered(name, { from });
const silent = (name: string): Observation => ({
  kind: 'silent',
  address: address(name),
  why: 'ECONNREFUSED',
  alive: false,
  refused: true,
});

function snapshotOf(observations: readonly Observation[], version = 1): Snapshot {
  const known = { health: 'up', why: '', lagMs: 0, share: 1 } as const;
  return assess(
    observations.map((observation) => ({ observation, ...known })),
    rolesOf(observations),
    version,
  );
}

function roles(...observations: readonly Observation[]): Record<string, string> {
  return Object.fromEntries(rolesOf(observations).roles);
}

describe('what a node is for', () => {
  test('is found out from what all of them say', () => {
    expect(roles(primary('a'), replica('b'), replica('c'))).toEqual({ a: 'primary', b: 'replica', c: 'replica' });
    expect(roles(replica('a', 'b'), primary('b'), silent('c'))).toEqual({ a: 'replica', b: 'primary' });
  });

  test('in a chain of replicas is a replica, however far from the primary', () => {
    expect(roles(primary('a'), replica('b'), replica('c', 'b'))).toEqual({ a: 'primary', b: 'replica', c: 'replica' });
  });

  test('is a replica where it does not tell from whom it replicates, but takes no writes and has what the primary had', () => {
    const [mine, other] = ['00000000-0000-0000-0000-000000000001:1-9', '00000000-0000-0000-0000-000000000002:1-9'];
    const untold = (name: string, executed: string): Observation => answered(name, { untold: true, executed });
    const writable = answered('a', { readOnly: false, untold: true, executed: mine });
    const observations = [writable, untold('b', mine), untold('c', other)];
    expect(roles(...observations)).toEqual({ a: 'primary', b: 'replica', c: 'unknown' });
    const before = rolesOf(observations).primary;
    expect(Object.fromEntries(rolesOf([silent('a'), untold('b', mine)], before).roles)).toEqual({ b: 'replica' });
  });

  test('is nothing where it replicates and takes writes, and no primary while its source is gone', () => {
    const writable = answered('b', { readOnly: false, from: 'a' });
    expect(roles(primary('a'), writable)).toEqual({ a: 'primary', b: 'unknown' });
    expect(rolesOf([primary('a'), writable]).misfits.get('b')).toMatch(/^it takes writes although it replicates/);
    expect(roles(silent('a'), writable)).toEqual({ b: 'replica' });
    expect(rolesOf([silent('a'), writable]).primary).toBeUndefined();
    expect(rolesOf([writable]).primary).toBeUndefined();
  });

  test('in a ring is the primary where the others are read-only', () => {
    const a = answered('a', { readOnly: false, from: 'b' });
    expect(roles(a, replica('b'))).toEqual({ a: 'primary', b: 'replica' });
    expect(rolesOf([a, answered('b', { readOnly: false, from: 'a' })]).primary).toBeUndefined();
  });

  test('in a group is what its members say', () => {
    const member = (name: string, group: NodeReport['group'], readOnly: boolean): Observation =>
      answered(name, { group, readOnly });
    expect(roles(member('a', 'secondary', true), member('b', 'primary', false))).toEqual({
      a: 'replica',
      b: 'primary',
    });
    // All take writes, and agree on them: always the same one gets ours.
    const several = [member('b', 'primary', false), member('a', 'primary', false), member('c', 'primary', false)];
    expect(roles(...several)).toEqual({ a: 'primary', b: 'replica', c: 'replica' });
  });

  test('in a group is what most members say, where one has not heard of its replacement yet', () => {
    const old = answered('a', { group: 'primary', readOnly: false, groupPrimaries: ['a'] });
    const next = answered('b', { group: 'primary', readOnly: false, groupPrimaries: ['b'] });
    const third = answered('c', { group: 'secondary', groupPrimaries: ['b'] });
    expect(rolesOf([old, next, third]).primary?.address.name).toBe('b');
    expect(rolesOf([old, next])).toMatchObject({
      primary: undefined,
      problem: 'a and b each take themselves for the primary of their group',
    });
    const several = ['b', 'a'].map((it) =>
      answered(it, { group: 'primary', readOnly: false, groupPrimaries: ['a', 'b'] }),
    );
    expect(rolesOf(several).primary?.address.name).toBe('a');
  });

  test('in the minority of a group is not the primary, and serves nobody beside that', () => {
    const cut = answered('a', { group: 'minority', readOnly: false, groupPrimaries: ['a'] });
    expect(rolesOf([cut])).toMatchObject({
      primary: undefined,
      problem: 'nothing can be committed: a cannot reach most of the group',
    });
    const seen = rolesOf([cut, answered('b', { group: 'primary', readOnly: false, groupPrimaries: ['b'] })]);
    expect(seen.primary?.address.name).toBe('b');
    expect(seen.misfits.get('a')).toBe('it cannot reach most of its group');
  });

  test('is nothing where it is read-only and replicates from nobody', () => {
    expect(roles(primary('a'), answered('b', {}))).toEqual({ a: 'primary', b: 'unknown' });
  });
});

describe('a node that does not belong', () => {
  const A = '11111111-2222-3333-4444-555555555555:1-9';
  const B = 'aaaaaaaa-2222-3333-4444-555555555555:1-9';

  test('takes writes beside the primary, which others replicate from: it gets nothing, and the primary stays', () => {
    const seen = rolesOf([primary('a'), replica('b'), primary('c')]);
    expect(seen.primary?.address.name).toBe('a');
    expect(seen.roles.get('c')).toBe('unknown');
    expect(seen.misfits.get('c')).toMatch(/^it takes writes as the primary a does/);
  });

  test('is of another cluster, whether it writes or replicates', () => {
    const ours = [answered('a', { readOnly: false, executed: A }), answered('b', { from: 'a', executed: A })];
    const theirs = [answered('x', { readOnly: false, executed: B }), answered('y', { from: 'z', executed: B })];
    const seen = rolesOf([...ours, ...theirs]);
    expect(seen.primary?.address.name).toBe('a');
    for (const name of ['x', 'y']) expect(seen.misfits.get(name)).toMatch(/^it is of another cluster than a/);
  });

  test('is of another cluster: it does not take the place of a primary that is gone', () => {
    const known = rolesOf([answered('a', { readOnly: false, executed: A }), answered('b', { from: 'a', executed: A })]);
    const stranger = answered('x', { readOnly: false, executed: B });
    const left = [
      silent('a'),
      answered('b', { from: 'a', executed: A }),
      stranger,
      answered('y', { from: 'x', executed: B }),
    ];
    expect(rolesOf(left, known.primary).primary).toBeUndefined();
    expect(rolesOf(left, known.primary).roles.get('x')).toBe('unknown');
    const promoted = answered('b', { readOnly: false, executed: A });
    expect(rolesOf([silent('a'), promoted, stranger], known.primary).primary?.address.name).toBe('b');
  });

  test('has two names: it is used once', () => {
    const seen = rolesOf([primary('a'), replica('b'), answered('b2', { from: 'a', uuid: 'b' })]);
    expect(Object.fromEntries(seen.roles)).toEqual({ a: 'primary', b: 'replica' });
    expect(seen.misfits.get('b2')).toBe('it is the same server as b');
  });
});

describe('without just one primary nobody is trusted with writes, and it is said why', () => {
  test.each<readonly [string, readonly Observation[], RegExp]>([
    ['two take writes', [primary('a'), primary('b'), replica('c'), replica('d', 'b')], /^a and b all take writes/],
    [
      'all are read-only',
      [replica('a', 'x'), replica('b', 'x')],
      /^no node is writable .*a is read-only and replicates.*name the primary too/,
    ],
    ['one does not answer', [silent('a'), replica('b')], /a: ECONNREFUSED/],
  ])('%s', (_name, observations, problem) => {
    const snapshot = snapshotOf(observations);
    expect(snapshot.primary).toBeUndefined();
    expect(snapshot.problem).toMatch(problem);
  });

  test('whatever the nodes say', () => {
    const names = ['n0', 'n1', 'n2', 'n3', 'n4'];
    const said = fc.record({
      readOnly: fc.boolean(),
      from: fc.option(fc.constantFrom(...names), { nil: undefined }),
      applies: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fc.option(said), { maxLength: 5 }), (all) => {
        const observations = all.map((it, i) => (it === null ? silent(`n${i}`) : answered(`n${i}`, it)));
        const snapshot = snapshotOf(observations);
        const { primary: chosen, problem, nodes, replicas } = snapshot;
        expect(chosen === undefined).toBe(problem !== undefined);
        expect(nodes.filter(({ role }) => role === 'primary').length).toBeLessThanOrEqual(chosen === undefined ? 5 : 1);
        const report = observations.find(({ address: { name } }) => name === chosen?.address.name);
        if (chosen !== undefined) expect(report).toMatchObject({ kind: 'answered', readOnly: false });
        expect(replicas).not.toContain(chosen);
      }),
    );
  });
});

describe('where a failover has chosen the primary', () => {
  const chosen = (serverUuid: string, hasServed: boolean, ...seen: readonly Observation[]): string | undefined =>
    rolesOf(seen, undefined, { serverUuid, hasServed }).primary?.serverUuid;

  test('nobody else is one, whoever takes writes', () => {
    expect(chosen('b', true, primary('a'), primary('b'), replica('c', 'b'))).toBe('b');
    expect(chosen('b', true, primary('a'), silent('b'), replica('c'))).toBeUndefined();
    // It has come back closed; the one before it still takes writes.
    expect(chosen('b', true, primary('a'), answered('b', { readOnly: true }), replica('c'))).toBeUndefined();
  });

  test('before it is open nobody is one: it still replicates from the one before', () => {
    expect(chosen('b', false, primary('a'), replica('b'), replica('c'))).toBeUndefined();
    expect(chosen('b', false, primary('a'), answered('b', { readOnly: false, from: 'a' }), replica('c'))).toBe('b');
  });

  test('somebody else may have moved it since: it is closed, and replicates from the other', () => {
    expect(chosen('b', true, primary('a'), replica('b'), replica('c'))).toBe('a');
  });
});

test('two views are the same when they say the same, whatever their numbers', () => {
  const view = [primary('a'), replica('b')];
  expect(sameTopology(snapshotOf(view, 1), snapshotOf(view, 2))).toBe(true);
  expect(sameTopology(snapshotOf(view), snapshotOf([primary('a'), silent('b')]))).toBe(false);
});
