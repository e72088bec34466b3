import { expect, test } from 'vitest';
import { ClientRegistry } from '../../proxy/client-registry.js';

test('clients have ids that no server reaches, and none twice when they begin anew', () => {
  const registry = new ClientRegistry<{ id: number }>(0x7fff_fffe);
  const make = (id: number): { id: number } => ({ id });
  expect([registry.add(make).id, registry.add(make).id]).toEqual([0x7fff_ffff, 0x4000_0000]);
  const other = new ClientRegistry<{ id: number }>(0x7fff_fffd);
  const first = other.add(make);
  const second = other.add(make);
  other.delete(first);
  expect(other.get(first.id)).toBeUndefined();
  expect(other.get(second.id)).toBe(second);
});
