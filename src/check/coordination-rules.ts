import type { ClusterFacts } from './facts.js';
import type { Finding, Severity } from './finding.js';

/** Fewer have no majority when one is down. */
const MIN_LOCK_NODES = 3;

/** Who may promote, where there are several proxies. */
export function ofCoordination({ nodes, settings }: ClusterFacts): Finding[] {
  const { coordinator, named } = settings;
  switch (coordinator) {
    case 'follow': {
      const why = 'a primary that dies is followed by another one only where somebody else promotes it';
      return [of('hint', '', 'follow', 'alone, etcd or mysql-locks, if rwsplit is to promote', why)];
    }
    case 'alone': {
      const why = 'two proxies that are told so would both promote';
      return [of('hint', '', 'alone', 'etcd or mysql-locks where there are several proxies', why)];
    }
    case 'etcd':
    case 'mysql-locks': {
      const untold = nodes.filter(({ server }) => server?.make === 'mysql' && !server.tellsAttributes);
      const findings = untold.map(({ name }) =>
        of(
          'error',
          name,
          'it does not tell who is logged in',
          'performance_schema ON, with SELECT on it',
          'a new leader could not end the sessions of the one before',
          'GRANT SELECT ON performance_schema.* to the user of the failover',
        ),
      );
      if (coordinator === 'etcd') return findings;
      const found = nodes.filter(({ name }) => !named.includes(name)).map(({ name }) => name);
      if (found.length > 0) {
        const why = 'who leads has to hold a lock on most of all servers';
        findings.push(of('error', '', `not in nodes: ${found.join(', ')}`, 'nodes has all servers', why));
      }
      if (named.length < MIN_LOCK_NODES) {
        const why = 'with one of them down nobody has most of them';
        findings.push(of('error', '', `${named.length} servers`, `${MIN_LOCK_NODES} or more`, why));
      }
      return findings;
    }
  }
}

function of(severity: Severity, node: string, is: string, should: string, why: string, mend = ''): Finding {
  return { severity, concern: 'coordination', node, check: 'coordinator', is, should, why, mend };
}
