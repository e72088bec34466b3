import type { ClusterView } from '../../failover/view.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { KnownPrimary } from './known-primary.js';
import type { Promotions } from './promotions.js';
import type { FailoverSettings } from './settings.js';
import type { WatchedNodes } from './watched-nodes.js';

/** What may stand in the way of a failover. */
export interface Hindrances {
  readonly settings: FailoverSettings;
  readonly coordinator: Coordinator;
  readonly nodes: WatchedNodes;
  readonly primary: KnownPrimary;
  readonly promotions: Promotions;
  /** By command nothing is done with these. */
  readonly leftAlone: ReadonlySet<string>;
}

/** What stands in the way of a failover by itself; undefined where nothing does. */
export function objectionTo({ primary }: ClusterView, hindrances: Hindrances): string | undefined {
  const { settings, coordinator, nodes, primary: known, promotions, leftAlone } = hindrances;
  if (primary === undefined) return 'no primary is known';
  if (coordinator.leadership === undefined) {
    return coordinator.problem ?? `this proxy does not lead (coordinator: ${coordinator.kind})`;
  }
  if (!known.hasWritten) return `${primary.name} was never seen to take writes by this proxy`;
  const unseen = [...nodes].filter(({ state }) => state === undefined).map(({ address }) => address.name);
  if (unseen.length > 0 && settings.policy === 'lossless') {
    return `${unseen.join(' and ')} never answered, and may have what was acknowledged; RWSPLIT FAILOVER goes on without`;
  }
  if (!known.isJournaled) return `the journal of primaries on ${primary.name} does not name it yet`;
  if (leftAlone.has(primary.name)) return `${primary.name} is in maintenance`;
  const sinceMs = promotions.sinceFailoverMs;
  if (sinceMs < settings.pauseMs) {
    const s = Math.ceil((settings.pauseMs - sinceMs) / 1000);
    return `the last failover was ${Math.round(sinceMs / 1000)} s ago; there is no other one by itself for ${s} s`;
  }
  return undefined;
}

/** Why nothing is promoted here by anybody's word either. */
export function whyNotLeading({ problem, leader }: Coordinator): string {
  return problem ?? `another proxy leads${leader === undefined ? '' : `: ${leader}`}; say it there`;
}
