import { promotes } from './check-settings.js';
import type { ClusterFacts, NodeFacts, ServerFacts } from './facts.js';
import type { Finding, Severity } from './finding.js';
import { ofMariadb } from './mariadb-rules.js';
import { LOG_SIZE_RULE, VARIABLE_RULES, valueOf, type VariableRule } from './variable-rules.js';

/** Versions, and variables. */
export function ofServers(facts: ClusterFacts): Finding[] {
  return [
    ...facts.nodes.flatMap(({ name, server }) => (server === undefined ? [] : ofServer(name, server, facts))),
    ...ofMakes(facts.nodes),
  ];
}

function ofServer(node: string, server: ServerFacts, facts: ClusterFacts): Finding[] {
  const ofLog = ofVariable(node, server, LOG_SIZE_RULE, facts);
  if (server.make === 'mariadb') return [...ofMariadb(node, server, facts), ...ofLog];
  const findings = [...VARIABLE_RULES.flatMap((rule) => ofVariable(node, server, rule, facts)), ...ofLog];
  if (promotes(facts.settings) && isOlder(server.version, [8, 0, 26])) {
    findings.push({
      severity: 'error',
      concern: 'failover',
      node,
      check: 'version',
      is: server.version,
      should: '8.0.26 or newer',
      why: 'who promotes speaks in words that older servers do not know',
      mend: 'upgrade it',
    });
  }
  if (server.trackerRefusal !== undefined) {
    findings.push({
      severity: 'error',
      concern: 'proxy',
      node,
      check: 'session trackers',
      is: server.trackerRefusal,
      should: 'told',
      why: 'the server has to tell what sessions change, or nothing of them can follow to another connection',
      mend: 'MySQL 5.7 or newer',
    });
  }
  return findings;
}

function ofVariable(node: string, server: ServerFacts, rule: VariableRule, facts: ClusterFacts): Finding[] {
  if (rule.concern === 'failover' && !promotes(facts.settings)) return [];
  const value = valueOf(rule, server);
  if (value !== undefined && rule.isRight(value)) return [];
  const { variable, concern, should, why, mend } = rule;
  const severity: Severity =
    rule.ofPolicy === 'lossless' && facts.settings.policy !== 'lossless' ? 'warning' : rule.severity;
  return [{ severity, concern, node, check: variable, is: value ?? 'there is none', should, why, mend }];
}

/** One cluster has one make, and no replica that is older than what it replicates from. */
function ofMakes(nodes: readonly NodeFacts[]): Finding[] {
  const found = nodes.flatMap(({ name, server }) => (server === undefined ? [] : [{ name, server }]));
  const makes = new Set(found.map(({ server }) => server.make));
  if (makes.size > 1) {
    return [
      {
        severity: 'error',
        concern: 'proxy',
        node: '',
        check: 'make',
        is: found.map(({ name, server }) => `${name}: ${server.make}`).join(', '),
        should: 'one make of servers',
        why: 'MySQL and MariaDB count transactions in different ways',
        mend: '',
      },
    ];
  }
  return found.flatMap(({ name, server }) => {
    const source = found.find((it) => it.server.uuid === server.replica?.sourceUuid);
    if (source === undefined || !isOlder(seriesOf(server.version), numbersOf(seriesOf(source.server.version)))) {
      return [];
    }
    return [
      {
        severity: 'warning',
        concern: 'proxy',
        node: name,
        check: 'version',
        is: server.version,
        should: `${source.server.version}, as its source, or newer`,
        why: 'a replica may not understand what a newer source writes',
        mend: 'upgrade replicas before their source',
      },
    ];
  });
}

function seriesOf(version: string): string {
  return numbersOf(version).slice(0, 2).join('.');
}

function numbersOf(version: string): number[] {
  return (/^\d+(?:\.\d+)*/.exec(version)?.[0] ?? '0').split('.').map(Number);
}

function isOlder(version: string, than: readonly number[]): boolean {
  const numbers = numbersOf(version);
  for (const [place, wanted] of than.entries()) {
    const number = numbers[place] ?? 0;
    if (number !== wanted) return number < wanted;
  }
  return false;
}
