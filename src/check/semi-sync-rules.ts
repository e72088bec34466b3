import { whatLacks } from '../failover/durability.js';
import { wordsOf } from '../failover/words.js';
import { promotes } from './check-settings.js';
import type { ClusterFacts, NodeFacts } from './facts.js';
import type { Finding, Severity } from './finding.js';
import { isReadOnly } from './replication-rules.js';

/** What a primary that acknowledges nothing by itself is set to; a new primary gets the same. */
const LOSSLESS =
  'SET PERSIST rpl_semi_sync_source_timeout = 4294967295, PERSIST rpl_semi_sync_source_wait_no_replica = ON, ' +
  'PERSIST rpl_semi_sync_source_wait_point = AFTER_SYNC';
const WHY = 'else the primary acknowledges what no replica has, and nobody is promoted where that is not certain';

/** What `policy: lossless` needs (S4). */
export function ofSemiSync(facts: ClusterFacts): Finding[] {
  const { nodes, settings } = facts;
  if (!promotes(settings)) return [];
  const severity: Severity = settings.policy === 'lossless' ? 'error' : 'hint';
  const of = (node: string, check: string, is: string, should: string, mend: string, why = WHY): Finding => {
    return { severity, concern: 'failover', node, check, is, should, why, mend };
  };
  const seen = nodes.filter(({ server }) => server?.make === 'mysql');
  const findings = seen
    .filter(({ server }) => server?.semiSync === undefined)
    .map(({ name }) =>
      of(
        name,
        'semi-synchronous replication',
        'its plugins are not loaded',
        'semisync_source.so and semisync_replica.so are loaded',
        'plugin_load_add = semisync_source.so and plugin_load_add = semisync_replica.so in its option file, then restart',
      ),
    );
  const replicas = seen.filter(({ server }) => server?.replica !== undefined);
  for (const { name, server } of replicas) {
    if (server?.semiSync?.replicaEnabled !== false) continue;
    const mend = 'SET PERSIST rpl_semi_sync_replica_enabled = ON; STOP REPLICA IO_THREAD; START REPLICA IO_THREAD';
    findings.push(of(name, 'rpl_semi_sync_replica_enabled', 'OFF', 'ON', mend, 'it acknowledges nothing'));
  }
  const [primary, ...more] = seen.filter((it) => !isReadOnly(it));
  if (primary !== undefined && more.length === 0) findings.push(...ofPrimary(primary, replicas, of));
  return findings;
}

function ofPrimary(
  { name, server }: NodeFacts,
  replicas: readonly NodeFacts[],
  of: (node: string, check: string, is: string, should: string, mend: string, why?: string) => Finding,
): Finding[] {
  const semiSync = server?.semiSync;
  if (semiSync === undefined) return [];
  const lacks = whatLacks(semiSync, wordsOf(server?.version ?? ''));
  if (lacks !== undefined) {
    // What it waits for comes first: enabled with a short time-out it would go on without acknowledgements.
    const mend = `${LOSSLESS}; SET GLOBAL rpl_semi_sync_source_enabled = ON`;
    return [of(name, 'rpl_semi_sync_source', lacks, 'it waits for acknowledgements, for ever', mend)];
  }
  const { acknowledgements } = semiSync;
  const ackers = replicas.filter((it) => it.server?.semiSync?.replicaEnabled === true).length;
  const mend = 'another replica';
  if (ackers < acknowledgements) {
    const why = 'nothing is written until there are';
    return [of(name, 'replicas that acknowledge', String(ackers), `${acknowledgements} or more`, mend, why)];
  }
  if (ackers > acknowledgements) return [];
  const why = 'with any one of them away, nothing is written, and after a failover one is missing';
  const one = of(name, 'replicas that acknowledge', String(ackers), `${acknowledgements + 1} or more`, mend, why);
  return [{ ...one, severity: 'warning' }];
}
