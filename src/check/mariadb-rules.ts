import { promotes } from './check-settings.js';
import type { ClusterFacts, ServerFacts } from './facts.js';
import type { Finding } from './finding.js';

interface Rule {
  readonly variable: string;
  readonly severity: 'error' | 'warning';
  readonly should: string;
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
];

/** What MariaDB's servers need for a failover. */
export function ofMariadb(node: string, server: ServerFacts, { settings }: ClusterFacts): Finding[] {
  if (!promotes(settings)) return [];
  const findings: Finding[] = [];
  for (const { variable, severity, should, why } of NEEDED) {
    const is = server.variables.get(variable) ?? 'there is none';
    if (is === should) continue;
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
  findings.push(...ofStart(node, server));
  return findings;
}

/** Whether it is closed when it starts: what its option file says is not told where the variable has been set since. */
function ofStart(node: string, { variables, dynamic }: ServerFacts): Finding[] {
  const is = variables.get('read_only') ?? 'OFF';
  const isSet = dynamic === undefined || dynamic.has('read_only');
  if (is === 'ON' && !isSet) return [];
  return [
    {
      severity: isSet ? 'hint' : 'error',
      concern: 'failover',
      node,
      check: 'read_only',
      is: isSet ? `${is}, set while it runs: what its option file says is not told` : is,
      should: 'ON from its start on (S1)',
      why: 'a primary that dies and comes back takes writes beside the new one',
      mend: `read_only = ON ${FILE}`,
    },
  ];
}
