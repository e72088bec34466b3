import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RwsplitError } from '../../../src/errors.js';
import { WriteHold, type HeldWrite } from '../../../src/runtime/write-hold.js';
import { assess } from '../../../src/topology/assess.js';
import { GtidSet } from '../../../src/topology/gtid-set.js';
import { rolesOf } from '../../../src/topology/roles.js';
import type { Node, Snapshot } from '../../../src/topology/snapshot.js';

const NOBODY = assess([], rolesOf([]), 1);
const WHY = new RwsplitError('no-primary', 'no primary is known');

let snapshot: Snapshot;
let hold: WriteHold;
let ended: unknown[];
beforeEach(() => {
  vi.useFakeTimers();
  snapshot = NOBODY;
  ended = [];
  hold = new WriteHold({ timeoutMs: 1_000, max: 3, bytes: 100 }, () => snapshot);
});
afterEach(() => {
  hold.stop();
  vi.useRealTimers();
});

function primary(name: string, askedAtMs = Date.now() + 1): Snapshot {
  const node: Node = {
    address: { name, host: name, port: 1 },
    role: 'primary',
    health: 'up',
    why: '',
    serverUuid: name,
    serverVersion: '8.4.0',
    capabilities: 0,
    executed: GtidSet.EMPTY,
    askedAtMs,
    lagMs: 0,
    share: 1,
  };
  return { ...NOBODY, primary: node };
}

function wait(name: string, more: Partial<HeldWrite> = {}): void {
  hold.add({
    bytes: 10,
    sinceMs: Date.now(),
    except: new Set(),
    isOver: () => false,
    go: () => ended.push(name),
    fail: (error) => ended.push(error instanceof Error ? error.message : error),
    why: WHY,
    ...more,
  });
}

describe('statements that need a primary', () => {
  test('wait while there is none, and go on in the order in which they came', () => {
    for (const name of ['a', 'b', 'c']) wait(name);
    vi.advanceTimersByTime(500);
    expect(ended).toEqual([]);
    snapshot = primary('db2');
    vi.advanceTimersByTime(50);
    expect(ended).toEqual(['a', 'b', 'c']);
    expect(hold.waiting).toBe(0);
  });

  test('wait no longer than they may, and are told that they were not executed', () => {
    wait('a');
    vi.advanceTimersByTime(1_100);
    expect(ended).toEqual(['no primary is known; it has waited for 1 s, and was not executed']);
    // What has waited before does not wait anew.
    wait('b', { sinceMs: Date.now() - 1_000 });
    expect(ended).toHaveLength(2);
  });

  test('are bounded in number and in bytes', () => {
    for (const name of ['a', 'b', 'c', 'd']) wait(name);
    expect(ended).toEqual(['no primary is known; 3 statements wait for a primary already, which is as many as may']);
    const other = new WriteHold({ timeoutMs: 1_000, max: 10, bytes: 100 }, () => snapshot);
    const failed = vi.fn();
    for (const bytes of [60, 60]) {
      other.add({
        bytes,
        sinceMs: Date.now(),
        except: new Set(),
        isOver: () => false,
        go: () => {},
        fail: failed,
        why: WHY,
      });
    }
    expect(failed).toHaveBeenCalledOnce();
    other.stop();
  });

  test('do not go to the server that has failed them before it was seen again', () => {
    snapshot = primary('db1', Date.now() - 10);
    wait('a', { except: new Set(['db1']) });
    vi.advanceTimersByTime(100);
    expect(ended).toEqual([]);
    snapshot = primary('db1');
    vi.advanceTimersByTime(50);
    expect(ended).toEqual(['a']);
  });

  test('wait while the primary is being changed, and go on when that is over', () => {
    snapshot = primary('db1');
    hold.close();
    wait('a');
    vi.advanceTimersByTime(500);
    expect(ended).toEqual([]);
    hold.open();
    expect(ended).toEqual(['a']);
  });

  test('of clients that are gone are forgotten', () => {
    let isOver = false;
    wait('a', { isOver: () => isOver });
    isOver = true;
    vi.advanceTimersByTime(50);
    snapshot = primary('db1');
    vi.advanceTimersByTime(50);
    expect(ended).toEqual([]);
    expect(hold.waiting).toBe(0);
  });
});
