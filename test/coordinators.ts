import { afterEach, expect } from 'vitest';
import type { Coordinator, PrimaryRecord } from '../src/runtime/coordinator/coordinator.js';
import { eventually } from './proxy.js';

interface Running {
  readonly cluster: string;
  readonly coordinator: Coordinator;
}

const running: Running[] = [];
let violations: string[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(async ({ coordinator }) => coordinator.stop()));
  const seen = violations;
  violations = [];
  expect(seen).toEqual([]);
});

/** Starts one that stops with the test, which fails where it ever leads beside another one of its cluster. */
export async function started<T extends Coordinator>(cluster: string, coordinator: T): Promise<T> {
  running.push({ cluster, coordinator });
  await coordinator.start(() => {
    const epochs = running
      .filter((it) => it.cluster === cluster)
      .map((it) => it.coordinator.leadership?.epoch)
      .filter((it) => it !== undefined);
    if (epochs.length > 1) violations.push(`at once lead epochs ${epochs.join(' and ')}`);
  });
  return coordinator;
}

/** Resolves when exactly one leads and all say which. */
export async function untilOneLeads<T extends Coordinator>(coordinators: readonly T[]): Promise<T> {
  return eventuallyOne(() => {
    const leading = coordinators.filter(({ leadership }) => leadership !== undefined);
    expect(leading).toHaveLength(1);
    expect(new Set(coordinators.map(({ leader }) => leader)).size).toBe(1);
    expect(coordinators[0]?.leader).toBeDefined();
    return leading[0];
  });
}

export function epochOf({ leadership }: Coordinator): number {
  if (leadership === undefined) throw new Error('it does not lead');
  return leadership.epoch;
}

export function recordOf(epoch: number, changes: Partial<PrimaryRecord> = {}): PrimaryRecord {
  return { epoch, phase: 'primary', serverUuid: 'u', node: 'db1:3306', gtid: '', ...changes };
}

async function eventuallyOne<T>(find: () => T | undefined): Promise<T> {
  let found: T | undefined;
  await eventually(() => {
    found = find();
  });
  if (found === undefined) throw new Error('nothing was found');
  return found;
}
