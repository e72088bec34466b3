import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assess, sameTopology, type Observation } from '../../../src/topology/assess.js';
import { RoundRobin } from '../../../src/topology/balance/round-robin.js';
import { GtidSet } from '../../../src/topology/gtid-set.js';
import type { NodeAddress } from '../../../src/topology/snapshot.js';

function address(name: string): NodeAddress {
  return { name, host: name, port: 3306 };
}

interface Said {
  readonly readOnly: boolean;
  readonly hasSource: boolean;
  readonly applies: boolean;
}

function answered(name: string, said: Said): Observation {
  return {
    kind: 'answered',
    address: address(name),
    serverUuid: name,
    capabilities: 0xffffffff,
    serverVersion: '9.7.4',
    executed: GtidSet.EMPTY,
    askedAtMs: 0,
    ...said,
  };
}

const primary = (name: string): Observation => answered(name, { readOnly: false, hasSource: false, applies: false });
const replica = (name: string): Observation => answered(name, { readOnly: true, hasSource: true, applies: true });
const silent = (name: string): Observation => ({ kind: 'silent', address: address(name), why: 'ECONNREFUSED' });

function namesOf(observations: readonly Observation[]): { primary: string | undefined; replicas: string[] } {
  const snapshot = assess(observations, 1);
  return {
    primary: snapshot.primary?.address.name,
    replicas: snapshot.replicas.map((node) => node.address.name),
  };
}

describe('what a node is for', () => {
  test.each([
    [{ readOnly: false, hasSource: false, applies: false }, 'primary'],
    [{ readOnly: false, hasSource: true, applies: true }, 'replica'],
    [{ readOnly: true, hasSource: true, applies: true }, 'replica'],
    [{ readOnly: true, hasSource: false, applies: false }, 'unknown'],
  ])('%j is %s', (said, role) => {
    expect(assess([answered('n', said)], 1).nodes[0]?.role).toBe(role);
  });

  test('is found out anew from what all of them say', () => {
    expect(namesOf([primary('a'), replica('b'), replica('c')])).toEqual({ primary: 'a', replicas: ['b', 'c'] });
    expect(namesOf([replica('a'), primary('b'), silent('c')])).toEqual({ primary: 'b', replicas: ['a'] });
  });

  test('is no reads, where what is received is not applied', () => {
    const stopped = answered('b', { readOnly: true, hasSource: true, applies: false });
    expect(namesOf([primary('a'), stopped])).toEqual({ primary: 'a', replicas: [] });
  });

  test('is nothing while it is silent or was not asked yet', () => {
    expect(namesOf([silent('a'), { kind: 'unseen', address: address('b') }])).toEqual({
      primary: undefined,
      replicas: [],
    });
  });
});

describe('without just one primary nobody is trusted with writes, and it is said why', () => {
  test.each<readonly [string, readonly Observation[], RegExp]>([
    ['two take writes', [primary('a'), primary('b'), replica('c')], /^a and b all take writes/],
    [
      'all are read-only',
      [replica('a'), replica('b')],
      /^no node is writable .*a is read-only and replicates.*name the primary too/,
    ],
    ['one does not answer', [silent('a'), replica('b')], /a: ECONNREFUSED/],
  ])('%s', (_name, observations, problem) => {
    const snapshot = assess(observations, 1);
    expect(snapshot.primary).toBeUndefined();
    expect(snapshot.problem).toMatch(problem);
  });

  test('whatever the nodes say', () => {
    const said = fc.record({ readOnly: fc.boolean(), hasSource: fc.boolean(), applies: fc.boolean() });
    fc.assert(
      fc.property(fc.array(fc.option(said), { maxLength: 5 }), (all) => {
        const snapshot = assess(
          all.map((it, i) => (it === null ? silent(`n${i}`) : answered(`n${i}`, it))),
          1,
        );
        const writable = all.filter((it) => it !== null && !it.readOnly && !it.hasSource).length;
        expect(snapshot.primary !== undefined).toBe(writable === 1);
        expect(snapshot.problem === undefined).toBe(writable === 1);
        expect(snapshot.replicas).not.toContain(snapshot.primary);
      }),
    );
  });
});

test('two views are the same when they say the same, whatever their numbers', () => {
  const view = [primary('a'), replica('b')];
  expect(sameTopology(assess(view, 1), assess(view, 2))).toBe(true);
  expect(sameTopology(assess(view, 1), assess([primary('a'), silent('b')], 1))).toBe(false);
});

describe('replicas in turn', () => {
  const { replicas } = assess([primary('p'), replica('a'), replica('b'), replica('c')], 1);

  test('get the same number of reads', () => {
    const balance = new RoundRobin();
    const counts = new Map<string, number>();
    for (let i = 0; i < 30; i++) {
      const name = balance.next(replicas, new Set())?.address.name ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(Object.fromEntries(counts)).toEqual({ a: 10, b: 10, c: 10 });
  });

  test('are passed over where they failed, and nobody is left when all did', () => {
    const balance = new RoundRobin();
    for (let i = 0; i < 6; i++) expect(balance.next(replicas, new Set(['a', 'c']))?.address.name).toBe('b');
    expect(balance.next(replicas, new Set(['a', 'b', 'c']))).toBeUndefined();
    expect(balance.next([], new Set())).toBeUndefined();
  });
});
