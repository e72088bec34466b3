import { expect, test } from 'vitest';
import { Gate } from '../../../proxy/gate.js';

test('a gate lets so many through at once, the others in order, and failures make room too', async () => {
  const gate = new Gate(2);
  const began: number[] = [];
  const ends: ((fails: boolean) => void)[] = [];
  const all = [0, 1, 2, 3].map((i) =>
    gate
      .pass(async () => {
        began.push(i);
        await new Promise<void>((resolve, reject) => {
          ends[i] = (fails) => (fails ? reject(new Error(`${i}`)) : resolve());
        });
      })
      .catch(() => {}),
  );
  await Promise.resolve();
  expect(began).toEqual([0, 1]);
  ends[1]?.(true);
  await all[1];
  expect(began).toEqual([0, 1, 2]);
  ends[0]?.(false);
  await all[0];
  expect(began).toEqual([0, 1, 2, 3]);
  ends[2]?.(false);
  ends[3]?.(false);
  await Promise.all(all);
  await gate.pass(async () => {
    began.push(4);
  });
  expect(began.at(-1)).toBe(4);
});
