import { describe, expect, test } from 'vitest';
import { Commits } from '../../../src/session/commits.js';
import type { Consistency } from '../../../src/session/consistency.js';
import { Freshness } from '../../../src/session/freshness.js';
import { KnownPositions } from '../../../src/session/known-positions.js';
import { GtidSet } from '../../../src/topology/gtid-set.js';
import type { Node, Snapshot } from '../../../src/topology/snapshot.js';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '4e11fa47-71ca-11e1-9e33-c80aa9429562';

function setOf(text: string): GtidSet {
  return GtidSet.parse(text) ?? GtidSet.EMPTY;
}

function nodeOf(name: string, executed: string, askedAtMs = 1, serverUuid = name): Node {
  const address = { name, host: name, port: 3306 };
  const role = name === 'primary' ? 'primary' : 'replica';
  const known = { health: 'up', why: '', lagMs: 0, share: 1, serverVersion: '9.7.0', capabilities: 0 } as const;
  return { address, role, serverUuid, ...known, executed: setOf(executed), askedAtMs };
}

function snapshotOf(...nodes: Node[]): Snapshot {
  const primary = nodes.find((node) => node.role === 'primary');
  const replicas = nodes.filter((node) => node.role === 'replica');
  return { version: 1, nodes, primary, replicas, serverVersion: '9.7.0', capabilities: 0, problem: undefined };
}

describe('commits', () => {
  test('are an exact set, in whatever order they come', () => {
    const commits = new Commits();
    for (const gtid of [`${A}:5`, `${A}:9,${B}:1-3`, `${A}:7`, `${A}:8`]) commits.add(gtid);
    expect(commits.set.toString()).toBe(`${A}:5:7-9,${B}:1-3`);
  });

  test('of one statement have those of others in between, and tags', () => {
    const commits = new Commits();
    commits.add(`${A}:5:7-8:mine:1:3`);
    expect(commits.set.toString()).toBe(`${A}:5:7-8,${A}:mine:1:3`);
  });

  test('of others are taken in where there would be too many intervals, the wide gaps last', () => {
    const commits = new Commits();
    commits.add(`${A}:1000001`);
    for (let i = 0; i < 100; i++) commits.add(`${A}:${1 + i * 2}`);
    expect(commits.set.intervals(A)).toHaveLength(16);
    expect(commits.set.intervals(A).at(-1)).toEqual({ first: 1000001, last: 1000001 });
  });

  test('that went with a primary are lost: what the next one has, and what it made itself, is not', () => {
    const commits = new Commits();
    for (const gtids of [`${A}:1-9`, `${B}:1-2`, '0-1-7']) commits.add(gtids);
    commits.promoted(B, setOf(`${A}:1-6:8`));
    expect(commits.lost.toString()).toBe(`${A}:7:9`);
    expect(commits.set.contains(setOf(`${A}:7`)), 'that they were made is not forgotten').toBe(true);
  });

  test('of no readable GTID are none', () => {
    const commits = new Commits();
    commits.add('');
    commits.add('garbage:x');
    expect([commits.version, commits.set.isEmpty]).toEqual([0, true]);
  });
});

describe('what a read waits for on a replica', () => {
  const all = new Commits();
  const positions = new KnownPositions();
  const [one, two] = [nodeOf('one', `${A}:1-5`), nodeOf('two', `${A}:1-3`)];
  const snapshot = snapshotOf(nodeOf('primary', `${A}:1-5`, 100), one, two);
  function waits(freshness: Freshness, node: Node, level: Consistency, seen = snapshot): string {
    const fitness = freshness.fitness(positions.of(node), level, seen);
    return fitness.kind === 'waits' ? fitness.for.toString() : fitness.kind;
  }

  test('is nothing where the session has written nothing, or what the replica is known to have', () => {
    const freshness = new Freshness('session', all);
    expect(waits(freshness, two, 'session')).toBe('fits');
    freshness.wrote(`${A}:5`);
    expect([waits(freshness, one, 'session'), waits(freshness, two, 'session')]).toEqual(['fits', `${A}:5`]);
    expect(waits(freshness, two, 'eventual')).toBe('fits');
  });

  test("is all sessions' commits under global, and only the session's own otherwise", () => {
    const freshness = new Freshness('session', all);
    expect([waits(freshness, two, 'global'), waits(freshness, two, 'session')]).toEqual([`${A}:5`, 'fits']);
  });

  test('is nothing that went with a primary: nobody has it', () => {
    const commits = new Commits();
    const freshness = new Freshness('session', commits);
    freshness.wrote(`${A}:3-7`);
    freshness.mustSee(setOf(`${A}:8`));
    expect(waits(freshness, two, 'session')).toBe(`${A}:3-8`);
    commits.promoted(B, setOf(`${A}:1-3`));
    commits.promoted(B, setOf(`${A}:1-3,${B}:1`));
    for (const level of ['global', 'session'] as const) {
      expect(waits(freshness, two, level), 'the token is not known to be lost').toBe(`${A}:3:8`);
    }
    freshness.wrote(`${B}:2`);
    expect(waits(freshness, two, 'session')).toBe(`${A}:3:8,${B}:2`);
  });

  test('is not known after a commit of which no answer tells, before the primary was looked at again', () => {
    const commits = new Commits();
    const [freshness, other] = [new Freshness('session', commits), new Freshness('session', commits)];
    freshness.wroteUntold('own', 100);
    expect([waits(freshness, two, 'session'), waits(freshness, two, 'eventual')]).toEqual(['unfit', 'fits']);
    expect([waits(other, two, 'session'), waits(other, two, 'global')], 'others').toEqual(['fits', 'fits']);
    expect(freshness.token(snapshot)).toBeUndefined();
    const later = snapshotOf(nodeOf('primary', `${A}:1-6`, 101), one, two);
    expect(waits(freshness, two, 'session', later)).toBe(`${A}:1-6`);
    expect(freshness.token(later)?.toString()).toBe(`${A}:1-6`);
    expect(waits(other, two, 'global', later), 'what is lost is looked for among all').toBe(`${A}:1-6`);

    other.wroteUntold('all', 101);
    expect([waits(freshness, two, 'global', later), waits(freshness, two, 'monotonic', later)]).toEqual([
      'unfit',
      `${A}:1-6`,
    ]);
    const last = snapshotOf(nodeOf('primary', `${A}:1-7`, 102), one, two);
    expect(waits(freshness, two, 'global', last)).toBe(`${A}:1-7`);
    expect(waits(freshness, two, 'session', snapshotOf(one, two)), 'without a primary').toBe(`${A}:1-6`);
  });

  test('is what another session has told by a token', () => {
    const freshness = new Freshness('session', all);
    freshness.mustSee(setOf(`${A}:4`));
    expect(waits(freshness, two, 'session')).toBe(`${A}:4`);
    freshness.reset();
    expect(waits(freshness, two, 'session')).toBe('fits');
  });

  test('is what the primary had after the last read, elsewhere than there, and nobody knows a bound before that was asked', () => {
    const freshness = new Freshness('monotonic', new Commits());
    freshness.readEnded(positions.of(one), 'monotonic', false, 50);
    expect([waits(freshness, one, 'monotonic'), waits(freshness, two, 'monotonic')]).toEqual(['fits', `${A}:1-5`]);
    freshness.readEnded(positions.of(one), 'monotonic', false, 100);
    expect([waits(freshness, one, 'monotonic'), waits(freshness, two, 'monotonic')]).toEqual(['fits', 'unfit']);
    freshness.reset();
    expect(waits(freshness, two, 'monotonic')).toBe('fits');
  });

  test('has what was being committed where it was read: a read sees that before it counts as executed', () => {
    const freshness = new Freshness('monotonic', new Commits());
    const primary = { ...nodeOf('primary', `${A}:1-5`, 100), committed: setOf(`${A}:6`) };
    freshness.readEnded(positions.of(primary), 'monotonic', true, 50);
    expect(waits(freshness, one, 'monotonic', snapshotOf(primary, one, two))).toBe(`${A}:1-6`);
    expect(freshness.tokenWith(primary).toString()).toBe(`${A}:1-6`);
  });

  test('counts reads that were held to less: where they were in two places, neither is known to be the newer', () => {
    const freshness = new Freshness('monotonic', new Commits());
    freshness.readEnded(positions.of(one), 'eventual', false, 100);
    freshness.readEnded(positions.of(two), 'eventual', false, 101);
    expect([waits(freshness, one, 'monotonic'), waits(freshness, two, 'monotonic')]).toEqual(['unfit', 'unfit']);
  });

  test('is forgotten when the server behind the name is another one', () => {
    const freshness = new Freshness('session', new Commits());
    freshness.wrote(`${A}:5`);
    expect(waits(freshness, nodeOf('one', `${A}:1-5`, 2), 'session')).toBe('fits');
    expect(waits(freshness, nodeOf('one', `${A}:1-2`, 3), 'session')).toBe(`${A}:5`);
    expect(waits(freshness, nodeOf('one', `${A}:1-6`, 4), 'session')).toBe('fits');
    expect(waits(freshness, nodeOf('one', '', 5, 'other'), 'session')).toBe(`${A}:5`);
  });
});

describe("a node's known position", () => {
  test('is late from a wait that failed to the next that succeeds, or the next news of it', () => {
    const positions = new KnownPositions();
    const known = positions.of(nodeOf('n', `${A}:1`, 1));
    known.isLate = true;
    known.proved(setOf(`${A}:2`), 2);
    expect(known.isLate).toBe(false);
    known.isLate = true;
    expect(positions.of(nodeOf('n', `${A}:1-3`, 3)).isLate).toBe(false);
  });

  test('has what a wait has proved, whatever a probe that was asked before says', () => {
    const positions = new KnownPositions();
    const known = positions.of(nodeOf('n', `${A}:1`, 1));
    known.proved(setOf(`${A}:2-3`), 10);
    expect(positions.of(nodeOf('n', `${A}:1-2`, 9))).toBe(known);
    expect(known.executed.toString()).toBe(`${A}:1-3`);
    expect(positions.of(nodeOf('n', `${A}:1-2`, 11))).not.toBe(known);
  });
});
