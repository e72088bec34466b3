import type { Snapshot } from '../../src/topology/snapshot.js';
import type { ResultSet } from './result-set.js';

/** `SHOW RWSPLIT NODES`: what each server is for, how well it serves and why, and how late it is. */
export function showNodes({ nodes }: Snapshot): ResultSet {
  return {
    columns: [
      { name: 'node', type: 'text' },
      { name: 'role', type: 'text' },
      { name: 'health', type: 'text' },
      { name: 'why', type: 'text' },
      { name: 'lag_ms', type: 'integer' },
      { name: 'zone', type: 'text' },
      { name: 'weight', type: 'integer' },
      { name: 'version', type: 'text' },
      { name: 'uuid', type: 'text' },
      { name: 'executed', type: 'text' },
    ],
    rows: nodes.map(({ address, role, health, why, lagMs, serverVersion, serverUuid, executed }) => [
      address.name,
      role,
      health,
      why,
      Math.round(lagMs),
      address.zone ?? '',
      address.weight ?? 1,
      serverVersion,
      serverUuid,
      String(executed),
    ]),
  };
}
