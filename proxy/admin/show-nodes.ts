import type { Snapshot } from '../../src/topology/snapshot.js';
import type { ResultSet } from './result-set.js';

/** `SHOW RWSPLIT NODES`: what each server is for, how well it serves and why, how late it is, and which part of its reads it gets. */
export function showNodes({ nodes }: Snapshot): ResultSet {
  return {
    columns: [
      { name: 'node', type: 'text' },
      { name: 'role', type: 'text' },
      { name: 'health', type: 'text' },
      { name: 'why', type: 'text' },
      { name: 'lag_ms', type: 'integer' },
      { name: 'share_percent', type: 'integer' },
      { name: 'zone', type: 'text' },
      { name: 'weight', type: 'integer' },
      { name: 'version', type: 'text' },
      { name: 'uuid', type: 'text' },
      { name: 'executed', type: 'text' },
    ],
    rows: nodes.map(({ address, role, health, why, lagMs, share, serverVersion, serverUuid, executed }) => [
      address.name,
      role,
      health,
      why,
      Math.round(lagMs),
      Math.round(share * 100),
      address.zone ?? '',
      address.weight ?? 1,
      serverVersion,
      serverUuid,
      String(executed),
    ]),
  };
}
