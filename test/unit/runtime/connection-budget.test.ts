import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConnectionBudget, type BudgetUser } from '../../../src/runtime/connection-budget.js';

const keepsAll: BudgetUser = { hasIdle: false, spare: () => false, reclaim: () => false };

test('no more connections are open than there may be, and whoever waits gets the next one that is gone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('take', 'free'), { maxLength: 60 }), async (steps) => {
      const budget = new ConnectionBudget(3);
      let asked = 0;
      let got = 0;
      let freed = 0;
      for (const step of steps) {
        if (step === 'take') {
          asked++;
          void budget.take(keepsAll).then(() => got++);
        } else if (got > freed) {
          freed++;
          budget.free();
        }
        await new Promise(setImmediate);
        expect(got).toBe(Math.min(asked, freed + 3));
        expect(budget.open).toBe(got - freed);
        expect(budget.waiting).toBe(asked - got);
      }
    }),
  );
});

test('who waits asks the others for one that lies idle, then for one that a session could do without', async () => {
  const budget = new ConnectionBudget(1);
  const asked: string[] = [];
  const user = (name: string, isIdle: boolean, isHeld: boolean): BudgetUser => ({
    hasIdle: isIdle,
    spare: () => asked.push(`${name}: spare`) > 0 && isIdle,
    reclaim: () => asked.push(`${name}: reclaim`) > 0 && isHeld,
  });
  const waiting = user('waiting', true, true);
  const idle = user('idle', true, true);
  for (const it of [waiting, user('busy', false, false), user('held', false, true), idle]) budget.join(it);
  await budget.take(waiting);
  expect(budget.hasIdleBeside(waiting)).toBe(true);
  const second = budget.take(waiting);
  expect(asked.splice(0)).toEqual(['busy: spare', 'held: spare', 'idle: spare']);
  budget.leave(idle);
  expect(budget.hasIdleBeside(waiting)).toBe(false);
  const third = budget.take(waiting);
  expect(asked.splice(0)).toEqual(['busy: spare', 'held: spare', 'busy: reclaim', 'held: reclaim']);
  budget.free();
  await second;
  budget.free();
  await third;
});

test('a pool whose own clients wait takes turns with the others', async () => {
  const budget = new ConnectionBudget(1);
  expect(budget.makesRoom(true)).toBe(false);
  await budget.take(keepsAll);
  void budget.take(keepsAll);
  expect([1, 2, 3, 4].map(() => budget.makesRoom(true))).toEqual([true, false, true, false]);
  expect([1, 2].map(() => budget.makesRoom(false))).toEqual([true, true]);
});
