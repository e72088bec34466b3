import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Alone } from '../../../../src/runtime/coordinator/alone.js';
import type { PrimaryRecord } from '../../../../src/runtime/coordinator/coordinator.js';
import { Follow } from '../../../../src/runtime/coordinator/follow.js';
import type { LockState } from '../../../../src/runtime/coordinator/lock-session.js';
import { majorityOf } from '../../../../src/runtime/coordinator/majority.js';
import { leaseTimes } from '../../../../src/runtime/coordinator/lease-times.js';
import { parsePrimaryRecord, primaryRecordText } from '../../../../src/runtime/coordinator/primary-record.js';
import { sleeplessClock } from '../../../../src/runtime/coordinator/sleepless-clock.js';
import { Term } from '../../../../src/runtime/coordinator/term.js';

const RECORD: PrimaryRecord = { epoch: 7, phase: 'promoting', serverUuid: 'u', node: 'db1:3306', gtid: 'u:1-5' };

describe('a term', () => {
  test('lasts from when its last proof was asked for, not from when that was answered', () => {
    let nowMs = 100;
    const term = new Term(7, 50, 90, () => nowMs);
    expect(term.remainingMs()).toBe(40);
    nowMs = 130;
    term.prolong(110);
    expect(term.remainingMs()).toBe(30);
    // An older proof takes nothing away.
    term.prolong(95);
    expect(term.remainingMs()).toBe(30);
  });

  test('that is over stays over, whatever proof comes late and whatever the clock says', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('look', 'prove'), fc.nat(60))), (steps) => {
        let nowMs = 0;
        const term = new Term(1, 100, 0, () => nowMs);
        let isOver = false;
        for (const [step, afterMs] of steps) {
          nowMs += afterMs;
          if (step === 'prove') term.prolong(nowMs - 10);
          const remainingMs = term.remainingMs();
          if (isOver) expect(remainingMs).toBe(0);
          isOver ||= remainingMs === 0;
        }
        nowMs += 100;
        expect(term.remainingMs()).toBe(0);
        nowMs = 0;
        term.prolong(0);
        expect(term.remainingMs()).toBe(0);
      }),
    );
  });

  test('that is ended is over', () => {
    const term = new Term(1, 100, 0, () => 0);
    term.end();
    expect(term.remainingMs()).toBe(0);
  });

  test('is renewed thrice before it is over, and over before its lease is', () => {
    const { ttlMs, marginMs, renewMs } = leaseTimes();
    expect(renewMs * 2).toBeLessThan(ttlMs - marginMs);
    expect(marginMs).toBeGreaterThan(0);
  });
});

test('a clock that does not sleep goes on where a machine stood still, and never back', () => {
  let steadyMs = 0;
  let wallMs = 1_000_000;
  const nowMs = sleeplessClock(
    () => steadyMs,
    () => wallMs,
  );
  const pass = (steady: number, wall: number): number => {
    steadyMs += steady;
    wallMs += wall;
    return nowMs();
  };
  expect(pass(10, 10)).toBe(10);
  // The time of day is corrected by a little, then set back.
  expect(pass(10, 110)).toBe(20);
  expect(pass(10, -3_600_000)).toBe(30);
  // The machine slept.
  expect(pass(10, 5_010)).toBe(5_040);
  expect(pass(10, 10)).toBe(5_050);
});

describe('a record of a primary', () => {
  test('is read as it was written', () => {
    expect(parsePrimaryRecord(primaryRecordText(RECORD))).toEqual(RECORD);
  });

  test.each([
    '',
    'x',
    'null',
    '[]',
    '"x"',
    '{}',
    JSON.stringify({ ...RECORD, epoch: '7' }),
    JSON.stringify({ ...RECORD, epoch: -1 }),
    JSON.stringify({ ...RECORD, epoch: 1.5 }),
    JSON.stringify({ ...RECORD, epoch: 2 ** 53 }),
    JSON.stringify({ ...RECORD, phase: 'other' }),
    JSON.stringify({ ...RECORD, node: undefined }),
    JSON.stringify({ ...RECORD, gtid: null }),
  ])('is not %j', (text) => {
    expect(parsePrimaryRecord(text)).toBeUndefined();
  });
});

describe('a proxy that is alone', () => {
  test('leads, in an epoch after all that the servers have seen', async () => {
    let lastEpoch = 4;
    const alone = new Alone('a', () => lastEpoch);
    expect(alone.leadership).toBeUndefined();
    await alone.start(() => {});
    const { leadership } = alone;
    expect(leadership?.epoch).toBe(5);
    expect(leadership?.remainingMs()).toBe(Infinity);
    expect(alone.leader).toBe('a');
    // By its own promotion.
    lastEpoch = 5;
    expect(alone.leadership).toBe(leadership);
    // Of a server that was down.
    lastEpoch = 9;
    expect(alone.leadership?.epoch).toBe(10);
    expect(leadership?.remainingMs()).toBe(0);
    await alone.stop();
    expect(alone.leadership).toBeUndefined();
  });

  test('keeps the record of the largest epoch, and tells of it', async () => {
    const alone = new Alone('a', () => 6);
    let changes = 0;
    expect(await alone.write(RECORD)).toBe(false);
    await alone.start(() => changes++);
    expect(await alone.write({ ...RECORD, epoch: 8 })).toBe(false);
    expect(await alone.write(RECORD)).toBe(true);
    expect(await alone.write({ ...RECORD, epoch: 6 })).toBe(false);
    expect(alone.record).toEqual(RECORD);
    expect(changes).toBe(1);
  });
});

test('who follows never leads, and writes nothing', async () => {
  const follow = new Follow();
  await follow.start();
  expect(follow.leadership).toBeUndefined();
  expect(await follow.write()).toBe(false);
  await follow.stop();
});

describe('the locks of most servers', () => {
  const held = (uuid: string, sinceMs: number): LockState => ({ kind: 'held', uuid, sinceMs });
  const free = (uuid: string): LockState => ({ kind: 'free', uuid });
  const SILENT: LockState = { kind: 'silent', why: 'db3: it is down' };

  test('are held since the last one that was needed, whatever came later', () => {
    expect(majorityOf([held('a', 30), held('b', 10), held('c', 20)]).heldSinceMs).toBe(20);
    expect(majorityOf([held('a', 30), free('b'), SILENT]).heldSinceMs).toBeUndefined();
    expect(majorityOf([held('a', 30), held('b', 40), free('c'), SILENT]).heldSinceMs).toBeUndefined();
  });

  test('are those of servers, not of their names', () => {
    const twice = majorityOf([held('a', 10), free('a'), SILENT]);
    expect(twice).toMatchObject({ held: 1, free: 1, heldSinceMs: undefined });
    expect(twice.problem).toMatch(/the same server$/);
    expect(majorityOf([free('a'), SILENT, SILENT]).problem).toMatch(/2 of 3 servers, and 1 answer: db3: it is down$/);
    expect(majorityOf([held('a', 10), free('b'), SILENT]).problem).toBeUndefined();
  });
});
