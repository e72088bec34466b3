import { findingsOf } from '../src/check/check.js';
import type { ClusterFacts } from '../src/check/facts.js';
import { lookAtCluster } from '../src/runtime/check/look-at-cluster.js';
import type { Log } from '../src/runtime/log.js';
import type { MonitorAccount } from '../src/runtime/monitor-login.js';
import type { ServerTls } from '../src/runtime/tls/server-tls.js';
import type { NodeAddress } from '../src/topology/snapshot.js';
import type { ProxyOptions } from './options.js';

/**
 * What the servers are, beside what the proxy is set to. Never rejects.
 * @param nodes that are looked at; those that they tell of, too, as far as the proxy looks for them
 * @param apps whose logins are tried beside those of users with a password
 */
export async function factsOf(
  options: ProxyOptions,
  nodes: readonly NodeAddress[],
  tls: ServerTls,
  apps: readonly MonitorAccount[] = [],
): Promise<ClusterFacts> {
  const { coordinator, failover = {}, monitor, users = [], discovery = true } = options;
  const known = users.flatMap(({ name, password }) => (password === undefined ? [] : [{ user: name, password }]));
  const accounts = {
    monitor,
    failover: failover.account,
    apps: [...apps, ...known],
    replication: failover.replication,
  };
  return lookAtCluster(nodes, discovery, accounts, tls, {
    coordinator: coordinator?.kind ?? 'follow',
    policy: failover.policy ?? 'lossless',
    rebuilds: failover.rebuilds ?? false,
  });
}

/** At the start of a proxy that promotes: what `rwsplit check` says of failovers, one line each. Never rejects. */
export async function tellWhatIsMissing(
  options: ProxyOptions,
  nodes: readonly NodeAddress[],
  tls: ServerTls,
  log: Log,
): Promise<void> {
  for (const finding of findingsOf(await factsOf(options, nodes, tls))) {
    const { severity, concern, node, check, is, should, why, mend } = finding;
    if (severity === 'hint' || (concern !== 'failover' && concern !== 'coordination')) continue;
    const what = `${node === '' ? '' : `${node}: `}${check}: ${is}, and should be ${should}: ${why}`;
    log.warn({ node, check, severity }, mend === '' ? what : `${what}. To mend it: ${mend}`);
  }
}
