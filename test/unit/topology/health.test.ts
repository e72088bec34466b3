import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HEALTH_EVENTS, HEALTHS, nextHealth, type Health, type HealthEvent } from '../../../src/topology/health.js';

const COMMANDS: readonly HealthEvent[] = ['drain', 'drained', 'maintain', 'resume'];

function after(health: Health, ...events: readonly HealthEvent[]): Health {
  return events.reduce(nextHealth, health);
}

describe('the health of a node', () => {
  test.each<readonly [Health, readonly HealthEvent[], Health]>([
    ['unseen', ['answered'], 'up'],
    ['up', ['behind'], 'lagging'],
    ['lagging', ['answered'], 'up'],
    ['up', ['failed'], 'suspect'],
    ['suspect', ['failed'], 'suspect'],
    ['suspect', ['silent'], 'down'],
    ['down', ['answered'], 'up'],
    ['up', ['misfit'], 'quarantined'],
    ['quarantined', ['answered'], 'up'],
    ['up', ['drain'], 'draining'],
    ['draining', ['drained'], 'maintenance'],
    ['draining', ['silent'], 'maintenance'],
    ['down', ['drain'], 'maintenance'],
    ['lagging', ['maintain'], 'maintenance'],
    ['draining', ['resume', 'answered'], 'up'],
    ['maintenance', ['resume', 'silent'], 'down'],
    ['up', ['resume'], 'up'],
  ])('%s, after %j, is %s', (health, events, next) => {
    expect(after(health, ...events)).toBe(next);
  });

  test('is by command until a command ends it, whatever the node says', () => {
    const said = HEALTH_EVENTS.filter((it) => !COMMANDS.includes(it));
    fc.assert(
      fc.property(
        fc.constantFrom(...HEALTHS),
        fc.constantFrom<HealthEvent>('drain', 'maintain'),
        fc.array(fc.constantFrom(...said)),
        (health, event, events) => {
          const told = nextHealth(health, event);
          expect(['draining', 'maintenance']).toContain(told);
          expect(['maintenance', ...(events.includes('silent') ? [] : [told])]).toContain(after(told, ...events));
        },
      ),
    );
  });
});
