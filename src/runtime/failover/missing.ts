import { isMariadb } from '../../flavour/flavour-of.js';
import type { HaNode } from './ha-node.js';
import type { FailoverSettings } from './settings.js';

/** What servers and configuration lack for the time after a failover, for the log. Nothing of it keeps anybody from being promoted. */
export function missingFor(nodes: readonly HaNode[], { replication }: FailoverSettings): string[] {
  const missing = [];
  for (const { address, isAsStarted, state } of nodes) {
    if (state === undefined || state.readOnly || !isAsStarted) continue;
    const how = isMariadb(state.version)
      ? 'set read_only=1 in its option file'
      : 'SET PERSIST_ONLY super_read_only = ON';
    missing.push(`${address.name} takes writes whenever it is started, also after another one was promoted: ${how}`);
  }
  if (replication === undefined && nodes.some(({ state }) => state !== undefined && isMariadb(state.version))) {
    missing.push(
      'an old primary of MariaDB cannot come back as a replica: name the account that replicas use as failover.replication_user',
    );
  }
  return missing;
}
