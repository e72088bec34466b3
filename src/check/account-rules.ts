import { promotes } from './check-settings.js';
import type { ClusterFacts, LoginFacts, NodeFacts } from './facts.js';
import type { Concern, Finding } from './finding.js';
import { Grants } from './grants.js';
import { CHANGES, neededOf, type Needed } from './needed-privileges.js';

const OF_CLONES: readonly Needed[] = ['BACKUP_ADMIN', 'CLONE_ADMIN'].map((privilege) => {
  return { privilege, severity: 'error', why: 'failover.rebuild is clone' };
});

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
  return server === undefined ? [] : lacking(name, monitor, 'proxy', neededOf(server).monitor);
}

function ofFailover(
  { name, monitor, failover = monitor, replication, server }: NodeFacts,
  facts: ClusterFacts,
): Finding[] {
  if (failover.refusal !== undefined) {
    return failover === monitor ? [] : [refused(name, failover, 'failover', CHANGES)];
  }
  const rebuilds = facts.settings.rebuilds && server?.make !== 'mariadb';
  const needed = neededOf(server ?? { make: 'mysql' }).failover;
  const findings = lacking(name, failover, 'failover', rebuilds ? [...needed, ...OF_CLONES] : needed);
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
  if (server === undefined) return [];
  const grants = new Grants(login.grants);
  const found = neededOf(server).tooMuch.filter((it) => grants.has(it));
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
