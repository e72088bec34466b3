import { beforeAll, describe, expect, test } from 'vitest';
import { CONSISTENCY_LEVELS } from '../../src/session/consistency.js';
import { report } from '../staleness/report.js';
import { lookForStaleReads, type StaleReads } from '../staleness/stale-reads.js';
import { clusterInfo, untilReplicated } from '../cluster.js';
import { eventually, startProxy } from '../proxy.js';

const SEED = 20_261_125;
const READS = 800;
const DISTURBANCES = 6;

let found: StaleReads;
beforeAll(async () => {
  const { nodes, accounts } = clusterInfo();
  const { host, port, proxy } = await startProxy();
  const isOver = ({ run, disturbances }: StaleReads): boolean =>
    run.fewestReads >= READS && [...disturbances.values()].reduce((sum, times) => sum + times, 0) >= DISTURBANCES;
  found = await lookForStaleReads(
    { proxy: { host, port }, nodes, accounts, seed: SEED, disturbedReads: READS },
    isOver,
  );
  await untilReplicated();
  await eventually(() => expect(proxy.snapshot.replicas).toHaveLength(2));
});

describe('while replicas are late by turns', () => {
  test.each(CONSISTENCY_LEVELS)('no read under %s is staler than that promises', (level) => {
    const { violations } = found.run;
    expect(
      violations.filter((it) => it.level === level),
      report(found),
    ).toEqual([]);
    expect(found.run.tallies[level].violations).toBe(0);
  });

  test.each(['eventual', 'session', 'monotonic', 'global'] as const)('replicas serve reads under %s', (level) => {
    expect(found.run.tallies[level].onReplica).toBeGreaterThan(0);
  });

  test('users of the replicas in turn, without a proxy, miss what they wrote themselves', () => {
    expect(found.bare.tallies.eventual.behindOwn).toBeGreaterThan(0);
  });
});
