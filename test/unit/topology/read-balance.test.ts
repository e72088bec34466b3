import { describe, expect, test } from 'vitest';
import { Adaptive } from '../../../src/topology/balance/adaptive.js';
import { NodeLoads } from '../../../src/topology/balance/node-loads.js';
import type { BalancePolicy } from '../../../src/topology/balance/policy.js';
import { RoundRobin } from '../../../src/topology/balance/round-robin.js';
import { ReadBalance, type BalanceSettings, type ReadWish } from '../../../src/topology/read-balance.js';
import { GtidSet } from '../../../src/topology/gtid-set.js';
import type { Node, NodeAddress, Snapshot } from '../../../src/topology/snapshot.js';
import { randomFrom } from '../../random.js';

function replica(name: string, address: Partial<NodeAddress> = {}, said: Partial<Node> = {}): Node {
  return {
    address: { name, host: name, port: 3306, ...address },
    role: 'replica',
    health: 'up',
    why: '',
    serverUuid: name,
    serverVersion: '9.7.4',
    capabilities: 0xffffffff,
    executed: GtidSet.EMPTY,
    askedAtMs: 0,
    lagMs: 0,
    share: 1,
    ...said,
  };
}

function snapshotOf(...replicas: readonly Node[]): Snapshot {
  const rest = { serverVersion: '9.7.4', capabilities: 0, problem: undefined };
  return { version: 1, nodes: replicas, primary: replica('p', {}, { role: 'primary' }), replicas, ...rest };
}

const ANY: ReadWish = { failed: new Set(), maxLagMs: undefined };
const IN_TURN: BalanceSettings = { policy: 'round-robin', primaryShare: 0, zone: undefined };

function balanceOf(settings: BalanceSettings): ReadBalance {
  return new ReadBalance(settings, () => 0);
}

/** How often each was chosen. */
function spread(balance: ReadBalance, snapshot: Snapshot, reads: number, wish = ANY): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < reads; i++) {
    const name = balance.next(snapshot, wish)?.address.name ?? 'primary';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const three = snapshotOf(replica('a'), replica('b'), replica('c'));

describe('replicas in turn', () => {
  test('get the same number of reads', () => {
    expect(spread(balanceOf(IN_TURN), three, 99_999)).toEqual({ a: 33_333, b: 33_333, c: 33_333 });
  });

  test('are passed over where they failed, and the primary answers when all did', () => {
    const balance = balanceOf(IN_TURN);
    expect(spread(balance, three, 6, { ...ANY, failed: new Set(['a', 'c']) })).toEqual({ b: 6 });
    expect(spread(balance, three, 6, { ...ANY, failed: new Set(['a', 'b', 'c']) })).toEqual({ primary: 6 });
    expect(spread(balance, snapshotOf(), 6)).toEqual({ primary: 6 });
  });

  test('that have come back get a part of theirs', () => {
    const easing = snapshotOf(replica('a'), replica('b', {}, { share: 0.25 }));
    expect(spread(balanceOf(IN_TURN), easing, 500)).toEqual({ a: 400, b: 100 });
    expect(spread(balanceOf(IN_TURN), snapshotOf(replica('b', {}, { share: 0.1 })), 20)).toEqual({ b: 20 });
  });
});

describe('a read', () => {
  test('that bounds the lag goes to no later replica', () => {
    const late = snapshotOf(replica('a', {}, { lagMs: 500 }), replica('b', {}, { lagMs: 100 }));
    expect(spread(balanceOf(IN_TURN), late, 10, { ...ANY, maxLagMs: 200 })).toEqual({ b: 10 });
    expect(spread(balanceOf(IN_TURN), late, 10, { ...ANY, maxLagMs: 50 })).toEqual({ primary: 10 });
  });

  test('goes to the primary for the part that the primary is to get', () => {
    const counts = spread(balanceOf({ ...IN_TURN, primaryShare: 0.25 }), three, 400);
    expect(counts).toEqual({ primary: 100, a: 100, b: 100, c: 100 });
  });

  test('goes to no primary that is not there, or has failed it', () => {
    const balance = balanceOf({ ...IN_TURN, primaryShare: 1 });
    expect(spread(balance, three, 3)).toEqual({ primary: 3 });
    expect(spread(balance, { ...three, primary: undefined }, 3)).toEqual({ a: 1, b: 1, c: 1 });
    expect(spread(balance, three, 3, { ...ANY, failed: new Set(['p']) })).toEqual({ a: 1, b: 1, c: 1 });
  });

  test('stays in its zone as long as somebody there can take it', () => {
    const zones = snapshotOf(replica('a', { zone: 'here' }), replica('b', { zone: 'there' }), replica('c'));
    const balance = balanceOf({ ...IN_TURN, zone: 'here' });
    expect(spread(balance, zones, 10)).toEqual({ a: 10 });
    expect(spread(balance, zones, 10, { ...ANY, failed: new Set(['a']) })).toEqual({ b: 5, c: 5 });
    expect(spread(balance, snapshotOf(replica('b', { zone: 'there' }), replica('c')), 10)).toEqual({ b: 5, c: 5 });
  });
});

test('weights are kept, and spread out', () => {
  const weighted = snapshotOf(replica('a', { weight: 3 }), replica('b', { weight: 1 }));
  const balance = balanceOf({ ...IN_TURN, policy: 'weighted' });
  expect(spread(balance, weighted, 400)).toEqual({ a: 300, b: 100 });
  const names = Array.from({ length: 4 }, () => balance.next(weighted, ANY)?.address.name);
  expect(names.filter((it) => it === 'b')).toHaveLength(1);
});

test('the least outstanding gets the next read', () => {
  const balance = balanceOf({ ...IN_TURN, policy: 'least-outstanding' });
  balance.loads?.began('a');
  balance.loads?.began('a');
  balance.loads?.began('c');
  expect(spread(balance, three, 1)).toEqual({ b: 1 });
  balance.loads?.began('b');
  balance.loads?.began('b');
  expect(spread(balance, three, 1)).toEqual({ c: 1 });
});

/** Reads of two replicas that do two at once each, one of them in four times the time. */
function readSlowAndFast(policyOf: (loads: NodeLoads, random: () => number) => BalancePolicy): {
  readonly slowPart: number;
  readonly p99Ms: number;
} {
  let nowMs = 0;
  const random = randomFrom(7);
  const fraction = (): number => random.below(1 << 30) / (1 << 30);
  const loads = new NodeLoads(() => nowMs);
  const policy = policyOf(loads, fraction);
  const nodes = [replica('slow'), replica('fast')];
  const freeAtMs: Record<string, number[]> = { slow: [0, 0], fast: [0, 0] };
  const running: { node: string; beganAtMs: number; endsAtMs: number }[] = [];
  const latencies: number[] = [];
  let [begun, slow] = [0, 0];
  for (; nowMs < 20_000; nowMs += 0.25) {
    for (const it of running.filter(({ endsAtMs }) => endsAtMs <= nowMs)) {
      loads.ended(it.node, it.beganAtMs);
      latencies.push(nowMs - it.beganAtMs);
      running.splice(running.indexOf(it), 1);
    }
    if (fraction() > 0.25) continue;
    begun++;
    const node = policy.choose(nodes)?.address.name ?? '';
    if (node === 'slow') slow++;
    const workers = (freeAtMs[node] ?? []).sort((a, b) => a - b);
    const endsAtMs =
      Math.max(nowMs, workers[0] ?? 0) + (0.2 - 0.5 * Math.log(1 - fraction())) * (node === 'slow' ? 4 : 1);
    workers[0] = endsAtMs;
    running.push({ node, beganAtMs: loads.began(node), endsAtMs });
  }
  latencies.sort((a, b) => a - b);
  return { slowPart: slow / begun, p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0 };
}

describe('the adaptive policy', () => {
  test('gives a replica that is four times slower less of the reads, and not none: the slowest ones are faster than in turn', () => {
    const adaptive = readSlowAndFast((loads, random) => new Adaptive(loads, random));
    const inTurn = readSlowAndFast(() => new RoundRobin());
    expect(inTurn.slowPart).toBeCloseTo(0.5, 2);
    expect(adaptive.slowPart).toBeGreaterThan(0);
    expect(adaptive.slowPart).toBeLessThan(0.01);
    expect(adaptive.p99Ms).toBeLessThan(inTurn.p99Ms / 2);
  });

  test('gives replicas that are as fast about as much', () => {
    let nowMs = 0;
    const random = randomFrom(8);
    const loads = new NodeLoads(() => nowMs);
    const adaptive = new Adaptive(loads, () => random.below(1 << 30) / (1 << 30));
    const nodes = [replica('a'), replica('b')];
    let first = 0;
    for (let i = 0; i < 10_000; i++) {
      const name = adaptive.choose(nodes)?.address.name ?? '';
      if (name === 'a') first++;
      const beganAtMs = loads.began(name);
      nowMs += 0.5 + random.below(100) / 100;
      loads.ended(name, beganAtMs);
    }
    expect(Math.abs(first - 5_000)).toBeLessThan(1_000);
  });
});
