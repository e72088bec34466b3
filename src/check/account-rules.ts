import { promotes } from './check-settings.js';
import type { ClusterFacts, LoginFacts, NodeFacts } from './facts.js';
import type { Concern, Finding, Severity } from './finding.js';
import { Grants } from './grants.js';

interface Needed {
  readonly privilege: string;
  /** Everywhere when absent. */
  readonly on?: string;
  readonly severity: Severity;
  readonly why: string;
}

const PERFORMANCE_SCHEMA = 'performance_schema.*';

const OF_MONITOR: readonly Needed[] = [
  { privilege: 'REPLICATION CLIENT', severity: 'error', why: 'without it nobody tells who replicates from whom' },
  {
    privilege: 'SELECT',
    on: PERFORMANCE_SCHEMA,
    severity: 'warning',
    why: 'it has the lag within a transaction, and the members of a replication group',
  },
  { privilege: 'REPLICATION SLAVE', severity: 'hint', why: 'it lets servers be found that are not named' },
  { privilege: 'SHOW_ROUTINE', severity: 'hint', why: 'else what calls a stored function always runs on the primary' },
];

const CHANGES = 'it is needed to promote, to fence and to take back a server';
const TO_CHANGE = [
  'REPLICATION CLIENT',
  'REPLICATION SLAVE',
  'PROCESS',
  'RELOAD',
  'REPLICATION_SLAVE_ADMIN',
  'SYSTEM_VARIABLES_ADMIN',
  'PERSIST_RO_VARIABLES_ADMIN',
  'CONNECTION_ADMIN',
];
const ON_JOURNAL = ['SELECT', 'INSERT', 'CREATE'];
const OF_FAILOVER: readonly Needed[] = [
  ...TO_CHANGE.map((privilege): Needed => ({ privilege, severity: 'error', why: CHANGES })),
  {
    privilege: 'SELECT',
    on: PERFORMANCE_SCHEMA,
    severity: 'error',
    why: 'it tells what a replica hears of the primary',
  },
  ...ON_JOURNAL.map((privilege): Needed => {
    return { privilege, on: 'rwsplit.*', severity: 'error', why: 'the journal of primaries is kept there' };
  }),
];
const OF_CLONES: readonly Needed[] = ['BACKUP_ADMIN', 'CLONE_ADMIN'].map((privilege) => {
  return { privilege, severity: 'error', why: 'failover.rebuild is clone' };
});

/** With these an account writes on a replica that is read-only. */
const TOO_MUCH = ['SUPER', 'CONNECTION_ADMIN'];

/** Who can log in, and may do what has to be done. */
export function ofAccounts(facts: ClusterFacts): Finding[] {
  return facts.nodes.flatMap((node) => [
    ...ofMonitor(node),
    ...(promotes(facts.settings) ? ofFailover(node, facts) : []),
    ...node.apps.flatMap((login) => ofApp(node, login)),
  ]);
}

function ofMonitor({ name, monitor, server }: NodeFacts): Finding[] {
  if (monitor.refusal !== undefined)
    return [refused(name, monitor, 'proxy', 'a server that is not looked at gets nothing')];
  // MariaDB has other names for these; its monitor has been able to look.
  return server?.make === 'mysql' ? lacking(name, monitor, 'proxy', OF_MONITOR) : [];
}

function ofFailover(
  { name, monitor, failover = monitor, replication, server }: NodeFacts,
  facts: ClusterFacts,
): Finding[] {
  if (server?.make === 'mariadb') return [];
  if (failover.refusal !== undefined) {
    return failover === monitor ? [] : [refused(name, failover, 'failover', CHANGES)];
  }
  const { rebuilds } = facts.settings;
  const findings = lacking(name, failover, 'failover', rebuilds ? [...OF_FAILOVER, ...OF_CLONES] : OF_FAILOVER);
  if (replication?.refusal !== undefined) {
    findings.push(
      refused(name, replication, 'failover', 'as this account the others replicate from it when it is the primary'),
    );
  }
  if (rebuilds && server?.hasClonePlugin === false) {
    findings.push({
      severity: 'error',
      concern: 'failover',
      node: name,
      check: 'mysql_clone.so',
      is: 'not loaded',
      should: 'loaded',
      why: 'failover.rebuild is clone',
      mend: 'plugin_load_add = mysql_clone.so in its option file, then restart',
    });
  }
  return findings;
}

function ofApp({ name, server }: NodeFacts, login: LoginFacts): Finding[] {
  if (login.refusal !== undefined)
    return [refused(name, login, 'proxy', 'its statements have to be able to run there')];
  if (server?.make !== 'mysql') return [];
  const grants = new Grants(login.grants);
  const found = TOO_MUCH.filter((it) => grants.has(it));
  if (found.length === 0) return [];
  return [
    {
      severity: 'warning',
      concern: 'proxy',
      node: name,
      check: `privileges of '${login.user}'`,
      is: found.join(', '),
      should: 'none of these',
      why: 'read_only does not bind it, nor does it lose its connections to a primary that was replaced',
      mend: `REVOKE ${found.join(', ')} ON *.* FROM '${login.user}'`,
    },
  ];
}

function lacking(node: string, login: LoginFacts, concern: Concern, needed: readonly Needed[]): Finding[] {
  const grants = new Grants(login.grants);
  return needed
    .filter(({ privilege, on }) => !grants.has(privilege, on))
    .map(({ privilege, on = '*.*', severity, why }) => ({
      severity,
      concern,
      node,
      check: `privileges of '${login.user}'`,
      is: `no ${privilege} on ${on}`,
      should: 'granted',
      why,
      mend: `GRANT ${privilege} ON ${on} TO '${login.user}'`,
    }));
}

function refused(node: string, { user, refusal = '' }: LoginFacts, concern: Concern, why: string): Finding {
  return {
    severity: 'error',
    concern,
    node,
    check: `login of '${user}'`,
    is: refusal,
    should: 'logged in',
    why,
    mend: '',
  };
}
