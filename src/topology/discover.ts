import type { Observation } from './observation.js';
import type { NodeAddress } from './snapshot.js';

/**
 * The servers that nodes tell of and that are not known yet, by whatever name.
 * @param misfits nodes that are not of this cluster: what they know is not, either
 */
export function undiscovered(
  observations: readonly Observation[],
  misfits: ReadonlyMap<string, string>,
): readonly NodeAddress[] {
  const addresses = new Set(observations.map(({ address: { host, port } }) => `${host}:${port}`));
  const uuids = new Set(observations.map((it) => (it.kind === 'answered' ? it.serverUuid : '')));
  const found: NodeAddress[] = [];
  for (const seen of observations) {
    if (seen.kind !== 'answered' || misfits.has(seen.address.name)) continue;
    for (const { host, port, uuid } of seen.found) {
      const name = `${host}:${port}`;
      if (addresses.has(name) || (uuid !== '' && uuids.has(uuid))) continue;
      addresses.add(name);
      if (uuid !== '') uuids.add(uuid);
      found.push({ name, host, port });
    }
  }
  return found;
}
