import { promotes } from './check-settings.js';
import type { ClusterFacts, ServerFacts } from './facts.js';
import type { Finding } from './finding.js';

interface Rule {
  readonly variable: string;
  readonly severity: 'error' | 'warning';
  readonly should: string;
  /** Only while transactions wait for acknowledgements. */
  readonly ofAcknowledgements?: true;
  readonly why: string;
}

const FILE = 'in its option file, then restart';
const NEEDED: readonly Rule[] = [
  { variable: 'log_bin', severity: 'error', should: 'ON', why: 'who has no binary log cannot be the primary' },
  {
    variable: 'log_slave_updates',
    severity: 'error',
    should: 'ON',
    why: 'a replica that is promoted has to have in its binary log what it has applied',
  },
  {
    variable: 'gtid_strict_mode',
    severity: 'error',
    should: 'ON',
    why: 'without it a replica applies what is out of order, and no longer has the same as the others',
  },
  {
    variable: 'sync_binlog',
    severity: 'warning',
    should: '1',
    why: 'a primary that crashes may come back without what it has sent to its replicas',
  },
  {
    variable: 'rpl_semi_sync_master_wait_point',
    severity: 'warning',
    should: 'AFTER_SYNC',
    ofAcknowledgements: true,
    why: 'else others read what is lost with the primary',
  },
];

/** What MariaDB's servers need for a failover. */
export function ofMariadb(node: string, server: ServerFacts, { settings }: ClusterFacts): Finding[] {
  if (!promotes(settings)) return [];
  const findings: Finding[] = [];
  for (const { variable, severity, should, ofAcknowledgements, why } of NEEDED) {
    const is = server.variables.get(variable) ?? 'there is none';
    if (is === should || (ofAcknowledgements === true && settings.policy !== 'lossless')) continue;
    findings.push({
      severity,
      concern: 'failover',
      node,
      check: variable,
      is,
      should,
      why,
      mend: `${variable} = ${should} ${FILE}`,
    });
  }
  if (settings.coordinator !== 'alone' && server.variables.get('performance_schema') !== 'ON') {
    findings.push({
      severity: 'error',
      concern: 'coordination',
      node,
      check: 'performance_schema',
      is: server.variables.get('performance_schema') ?? 'there is none',
      should: 'ON',
      why: 'a leader cannot see the sessions of the one before, and does nothing there',
      mend: `performance_schema = ON ${FILE}`,
    });
  }
  if (!settings.namesReplication) {
    findings.push({
      severity: 'warning',
      concern: 'failover',
      node,
      check: 'failover.replication_user',
      is: 'not named',
      should: 'the account with which replicas replicate',
      why: 'MariaDB does not tell it, and no old primary can come back as a replica without it',
      mend: 'failover.replication_user and replication_password_env in the configuration',
    });
  }
  findings.push({
    severity: 'hint',
    concern: 'failover',
    node,
    check: 'MariaDB',
    is: 'not looked at: read_only in its option file, heartbeats',
    should: 'as the README says of MariaDB',
    why: 'it does not tell of them',
    mend: '',
  });
  return findings;
}
