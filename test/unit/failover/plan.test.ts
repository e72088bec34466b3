import { describe, expect, it } from 'vitest';
import { planFailover, planSwitchover, type Plan } from '../../../src/failover/plan.js';
import type { SwitchoverSettings } from '../../../src/failover/switchover-check.js';
import { primaryOf, replicaOf, viewOf } from './cluster-of.js';

const SETTINGS: SwitchoverSettings = {
  policy: 'lossless',
  epoch: 7,
  maxLagTransactions: 100,
  catchUpTimeoutMs: 1_000,
  holdTimeoutMs: 500,
  drainTimeoutMs: 1_000,
  stragglers: 'abort',
};
const REPLICAS = [replicaOf(2, '1-5', '1-5'), replicaOf(3, '1-4', '1-5')];

function named(plan: Plan): readonly string[] {
  return plan.kind === 'refused' ? plan.reasons : plan.steps.map(({ step, node }) => `${step} ${node}`);
}

describe('a dry run', () => {
  it('of a switchover tells what would be done, in its order', () => {
    const plan = planSwitchover(viewOf(primaryOf('1-5'), ...REPLICAS), 'db3', SETTINGS);
    expect(named(plan)).toEqual([
      'catch-up db3',
      'claim db1',
      'hold db1',
      'close db1',
      'drain db3',
      'claim db3',
      'open db3',
      'repoint db2',
      'announce db3',
      'release db3',
      'claim db3',
      'record db3',
      'rejoin db1',
      'forget db3',
    ]);
    const close = plan.kind === 'steps' ? plan.steps[3] : undefined;
    expect(close).toEqual({
      step: 'close',
      node: 'db1',
      commands: ['become read-only, within 2 s', 'tell what it has received and executed'],
      why: 'its position is to be final',
    });
  });

  it('of a switchover tells why there would be none', () => {
    expect(named(planSwitchover(viewOf(primaryOf('1-5'), ...REPLICAS), 'db1', SETTINGS))).toEqual([
      'db1 is the primary',
    ]);
  });

  it('of a failover tells who would be promoted, and how', () => {
    const plan = planFailover(viewOf(primaryOf('1-5'), ...REPLICAS), REPLICAS, SETTINGS);
    expect(plan).toMatchObject({ kind: 'steps', node: 'db2', why: 'it has everything that any replica has' });
    expect(named(plan)).toEqual([
      'freeze db2',
      'freeze db3',
      'drain db2',
      'claim db2',
      'open db2',
      'repoint db3',
      'announce db2',
      'claim db2',
      'forget db2',
      'fence db1',
    ]);
  });

  it('of a failover tells why nobody would be promoted', () => {
    const away = REPLICAS.map((it) => ({ ...it, reach: 'silent' as const }));
    expect(named(planFailover(viewOf(primaryOf('1-5'), ...away), REPLICAS, SETTINGS))).toEqual([
      'no replica is reached',
    ]);
    expect(named(planFailover(viewOf(primaryOf('1-9'), ...REPLICAS), REPLICAS, SETTINGS))[0]).toContain(
      'the policy is lossless',
    );
  });
});
