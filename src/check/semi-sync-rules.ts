import { whatLacks } from '../failover/durability.js';
import { wordsOf } from '../failover/words.js';
import { promotes } from './check-settings.js';
import type { ClusterFacts, NodeFacts } from './facts.js';
import type { Finding, Severity } from './finding.js';
import { isReadOnly } from './replication-rules.js';

interface Mends {
  /** What a primary that acknowledges nothing by itself is set to; a new primary gets the same. */
  readonly source: string;
  readonly replica: string;
}

const MYSQL: Mends = {
  source:
    'SET PERSIST rpl_semi_sync_source_timeout = 4294967295, PERSIST rpl_semi_sync_source_wait_no_replica = ON, ' +
    'PERSIST rpl_semi_sync_source_wait_point = AFTER_SYNC; SET GLOBAL rpl_semi_sync_source_enabled = ON',
  replica: 'SET PERSIST rpl_semi_sync_replica_enabled = ON; STOP REPLICA IO_THREAD; START REPLICA IO_THREAD',
};
/** Nothing is persisted there. */
const MARIADB: Mends = {
  source:
    'SET GLOBAL rpl_semi_sync_master_timeout = 4294967295, GLOBAL rpl_semi_sync_master_wait_no_slave = ON, ' +
    "GLOBAL rpl_semi_sync_master_wait_point = 'AFTER_SYNC', and the same in its option file; SET GLOBAL rpl_semi_sync_master_enabled = ON",
  replica: 'SET GLOBAL rpl_semi_sync_slave_enabled = ON; STOP SLAVE IO_THREAD; START SLAVE IO_THREAD',
};

function mendsOf({ server }: NodeFacts): Mends {
  return server?.make === 'mariadb' ? MARIADB : MYSQL;
}

const WHY = 'else the primary acknowledges what no replica has, and nobody is promoted where that is not certain';

/** What `policy: lossless` needs (S4). */
export function ofSemiSync(facts: ClusterFacts): Finding[] {
  const { nodes, settings } = facts;
  if (!promotes(settings)) return [];
  const severity: Severity = settings.policy === 'lossless' ? 'error' : 'hint';
  const of = (node: string, check: string, is: string, should: string, mend: string, why = WHY): Finding => {
    return { severity, concern: 'failover', node, check, is, should, why, mend };
  };
  const seen = nodes.filter(({ server }) => server !== undefined);
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
  for (const node of replicas) {
    const { name, server } = node;
    if (server?.semiSync?.replicaEnabled !== false) continue;
    const variable = `${wordsOf(server.version).semiSyncReplica}_enabled`;
    findings.push(of(name, variable, 'OFF', 'ON', mendsOf(node).replica, 'it acknowledges nothing'));
  }
  const [primary, ...more] = seen.filter((it) => !isReadOnly(it));
  if (primary !== undefined && more.length === 0) findings.push(...ofPrimary(primary, replicas, of));
  return findings;
}

function ofPrimary(
  primary: NodeFacts,
  replicas: readonly NodeFacts[],
  of: (node: string, check: string, is: string, should: string, mend: string, why?: string) => Finding,
): Finding[] {
  const { name, server } = primary;
  const semiSync = server?.semiSync;
  if (semiSync === undefined) return [];
  const words = wordsOf(server?.version ?? '');
  const lacks = whatLacks(semiSync, words);
  if (lacks !== undefined) {
    // What it waits for comes first: enabled with a short time-out it would go on without acknowledgements.
    const { source: mend } = mendsOf(primary);
    return [of(name, words.semiSyncSource, lacks, 'it waits for acknowledgements, for ever', mend)];
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
