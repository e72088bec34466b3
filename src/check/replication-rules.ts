import { promotes } from './check-settings.js';
import type { ClusterFacts, NodeFacts, ReplicaFacts } from './facts.js';
import type { Finding } from './finding.js';

/** A frozen primary is noticed after two and a half of these. */
const HEARTBEAT_MS = 1_000;
const MIN_RETRIES = 1_000;

/** Who is the primary, and how the others replicate. */
export function ofReplication(facts: ClusterFacts): Finding[] {
  return [
    ...ofPrimaries(facts.nodes),
    ...facts.nodes.flatMap((node) =>
      node.server?.replica === undefined ? [] : ofReplica(node, node.server.replica, facts),
    ),
    ...ofReplicationAccount(facts),
    ...ofAddresses(facts),
  ];
}

export function isReadOnly({ server }: NodeFacts): boolean {
  const value = (name: string): string => server?.variables.get(name) ?? 'OFF';
  return value('read_only') !== 'OFF' || value('super_read_only') !== 'OFF';
}

function ofPrimaries(nodes: readonly NodeFacts[]): Finding[] {
  const seen = nodes.filter(({ server }) => server !== undefined);
  const writable = seen.filter((it) => !isReadOnly(it));
  const stray = writable.length > 1 ? writable.filter(({ server }) => server?.replica !== undefined) : [];
  const findings = stray.map(({ name }): Finding => {
    return {
      severity: 'error',
      concern: 'proxy',
      node: name,
      check: 'read_only',
      is: 'OFF',
      should: 'ON on a replica',
      why: 'what takes writes beside the primary gets no reads: its data may be its own',
      mend: 'SET PERSIST super_read_only = ON',
    };
  });
  const primaries = writable.filter((it) => !stray.includes(it));
  if (primaries.length === 1 || seen.length === 0) return findings;
  return [
    ...findings,
    {
      severity: 'error',
      concern: 'proxy',
      node: '',
      check: 'primary',
      is: primaries.length === 0 ? 'none' : primaries.map(({ name }) => name).join(', '),
      should: 'one server that takes writes',
      why: primaries.length === 0 ? 'nobody could write' : 'it cannot be told which of them is the primary',
      mend: '',
    },
  ];
}

function ofReplica({ name: node, server }: NodeFacts, replica: ReplicaFacts, { settings }: ClusterFacts): Finding[] {
  const findings: Finding[] = [];
  if (!replica.receives || !replica.applies) {
    findings.push({
      severity: 'error',
      concern: 'proxy',
      node,
      check: 'replication',
      is: replica.receives ? `it does not apply: ${replica.error}` : `it receives nothing: ${replica.error}`,
      should: 'it receives from its source, and applies',
      why: 'a replica that stands still gets no reads, and may not be promoted',
      mend: 'START REPLICA',
    });
  }
  if (!promotes(settings) || server === undefined) return findings;
  const terms = TERMS[server.make];
  if (!replica.autoPosition) {
    const { option, is, should } = terms.position;
    findings.push({
      severity: 'error',
      concern: 'failover',
      node,
      check: option,
      is,
      should,
      why: 'it could not go on from another source',
      mend: terms.changes(`${option} = ${should}`),
    });
  }
  if (replica.heartbeatMs !== undefined && (replica.heartbeatMs === 0 || replica.heartbeatMs > HEARTBEAT_MS)) {
    findings.push({
      severity: 'warning',
      concern: 'failover',
      node,
      check: terms.heartbeat,
      is: `${replica.heartbeatMs / 1000} s`,
      should: '0.2 s',
      why: 'that a primary hangs is noticed when two and a half heartbeats have not come',
      mend: terms.changes(`${terms.heartbeat} = 0.2`),
    });
  }
  if (replica.retryCount < MIN_RETRIES) {
    findings.push({
      severity: 'warning',
      concern: 'failover',
      node,
      check: 'SOURCE_RETRY_COUNT',
      is: String(replica.retryCount),
      should: '86400',
      why: 'after so many attempts it gives its source up for good',
      mend: terms.changes('SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400'),
    });
  }
  return findings;
}

/** A node that has never been a replica is to replicate as somebody. */
function ofReplicationAccount({ nodes, settings }: ClusterFacts): Finding[] {
  const isKnown = nodes.some(({ replication }) => replication !== undefined);
  const isMysql = nodes.some(({ server }) => server?.make === 'mysql');
  if (!promotes(settings) || isKnown || settings.namesReplication || !isMysql) return [];
  return [
    {
      severity: 'error',
      concern: 'failover',
      node: '',
      check: 'replication account',
      is: 'not known',
      should: 'named, or told by a replica',
      why: 'an old primary could not come back as a replica',
      mend: 'failover.replication_user and replication_password_env, or GRANT SELECT ON mysql.slave_master_info to the user of the failover',
    },
  ];
}

/** Where servers reach each other otherwise than they are reached from here, replicas are told what a new primary says of itself. */
function ofAddresses({ nodes, settings }: ClusterFacts): Finding[] {
  if (!promotes(settings)) return [];
  const names = nodes.flatMap(({ server }) => {
    const source = nodes.find((it) => it.server?.make === 'mysql' && it.server.uuid === server?.replica?.sourceUuid);
    return source === undefined || server?.replica === undefined ? [] : [[source.name, server.replica.source] as const];
  });
  const other = names.find(([here, there]) => here !== there);
  if (other === undefined) return [];
  const [here, there] = other;
  const silent = nodes.filter(
    ({ server }) => server !== undefined && (server.variables.get('report_host') ?? '') === '',
  );
  return silent.map(({ name }) => ({
    severity: 'warning',
    concern: 'failover',
    node: name,
    check: 'report_host',
    is: 'not set',
    should: 'by which the other servers reach it, with report_port',
    why: `servers reach ${here} as ${there}: where they do not reach ${name} by this name, its replicas receive nothing once it is the primary`,
    mend: 'report_host and report_port in its option file; or name all nodes as they name each other',
  }));
}

/** How servers of a make are told from whom, and how, they replicate. */
const TERMS = {
  mysql: {
    position: { option: 'SOURCE_AUTO_POSITION', is: '0', should: '1' },
    heartbeat: 'SOURCE_HEARTBEAT_PERIOD',
    changes: (what: string) => `STOP REPLICA; CHANGE REPLICATION SOURCE TO ${what}; START REPLICA`,
  },
  mariadb: {
    position: { option: 'MASTER_USE_GTID', is: 'no', should: 'slave_pos' },
    heartbeat: 'MASTER_HEARTBEAT_PERIOD',
    changes: (what: string) => `STOP SLAVE; CHANGE MASTER TO ${what}; START SLAVE`,
  },
} as const;
