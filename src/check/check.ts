import { ofAccounts } from './account-rules.js';
import { ofCoordination } from './coordination-rules.js';
import type { ClusterFacts } from './facts.js';
import { SEVERITIES, type Finding } from './finding.js';
import { ofReplication } from './replication-rules.js';
import { ofSemiSync } from './semi-sync-rules.js';
import { ofServers } from './server-rules.js';

/** Everything that is not as it should be, the worst first. */
export function findingsOf(facts: ClusterFacts): Finding[] {
  const findings = [ofServers, ofAccounts, ofReplication, ofSemiSync, ofCoordination].flatMap((rules) => rules(facts));
  return findings.toSorted((a, b) => rank(a) - rank(b) || a.node.localeCompare(b.node));
}

function rank({ severity }: Finding): number {
  return SEVERITIES.indexOf(severity);
}
