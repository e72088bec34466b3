import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ClientLimits, type Admission } from '../../../proxy/listen/limits.js';

test('whatever clients do, no count is passed, and none is left when all have gone', () => {
  const step = fc.record({
    does: fc.constantFrom('admit', 'comesFrom', 'enter', 'leave'),
    who: fc.nat(9),
    name: fc.constantFrom('a', 'b', 'c'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const limits = new ClientLimits({ connections: 5, connectionsPerUser: 2, connectionsPerAddress: 2 });
      const clients = new Map<number, { admission: Admission; at?: string; as?: string }>();
      for (const { does, who, name } of steps) {
        const client = clients.get(who);
        try {
          if (does === 'admit' && client === undefined) clients.set(who, { admission: limits.admit() });
          else if (client === undefined) continue;
          else if (does === 'comesFrom' && client.at === undefined) {
            client.admission.comesFrom(name);
            client.at = name;
          } else if (does === 'enter') {
            client.admission.enter(name, undefined);
            client.as = name;
          } else if (does === 'leave') {
            client.admission.leave();
            client.admission.leave();
            clients.delete(who);
          }
        } catch (error) {
          expect(String(error)).toMatch(/which is the maximum/);
        }
        const all = [...clients.values()];
        expect(limits.size).toBe(all.length);
        expect(all.length).toBeLessThanOrEqual(5);
        for (const it of ['a', 'b', 'c']) {
          expect(all.filter(({ at }) => at === it).length).toBeLessThanOrEqual(2);
          expect(all.filter(({ as }) => as === it).length).toBeLessThanOrEqual(2);
        }
      }
      for (const { admission } of clients.values()) admission.leave();
      expect(limits.size).toBe(0);
      // All places are free again.
      for (const name of ['a', 'a', 'b', 'b']) {
        const admission = limits.admit();
        admission.comesFrom(name);
        admission.enter(name, undefined);
      }
    }),
  );
});

test('a limit of a user outweighs that of all users', () => {
  const limits = new ClientLimits({ connections: 10, connectionsPerUser: 1 });
  const enter = (max: number | undefined): void => limits.admit().enter('reports', max);
  enter(3);
  enter(3);
  enter(3);
  expect(() => enter(3)).toThrow("3 clients are connected as 'reports'");
});
