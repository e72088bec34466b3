import { isMariadb } from '../../flavour/flavour-of.js';
import type { HaNode } from './ha-node.js';
import type { FailoverSettings } from './settings.js';

/**
 * What servers of MariaDB, and the configuration, lack for the time after a failover, for the log: `check/` has no rules for them. Nothing of it keeps
 * anybody from being promoted.
 */
export function missingFor(nodes: readonly HaNode[], { replication }: FailoverSettings): string[] {
  const missing = [];
  const mariadbs = nodes.filter(({ state }) => state !== undefined && isMariadb(state.version));
  for (const { address, isAsStarted, state } of mariadbs) {
    if (state?.readOnly !== false || !isAsStarted) continue;
    missing.push(
      `${address.name} takes writes whenever it is started, also after another one was promoted: set read_only=1 in its option file`,
    );
  }
  if (replication === undefined && mariadbs.length > 0) {
    missing.push(
      'an old primary of MariaDB cannot come back as a replica: name the account that replicas use as failover.replication_user',
    );
  }
  return missing;
}
