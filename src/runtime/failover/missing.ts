import { isMariadb } from '../../flavour/flavour-of.js';
import type { HaNode } from './ha-node.js';

/** What servers of MariaDB lack for the time after a failover, for the log: what is in an option file `check/` cannot see. */
export function missingFor(nodes: readonly HaNode[]): string[] {
  const open = nodes.filter(({ isAsStarted, state }) => {
    return state !== undefined && isMariadb(state.version) && !state.readOnly && isAsStarted;
  });
  return open.map(
    ({ address }) =>
      `${address.name} takes writes whenever it is started, also after another one was promoted: set read_only=1 in its option file`,
  );
}
