import type { TestProject } from 'vitest/node';
import type { ClusterAccounts, ProviderName } from '../docker/cluster/cluster.js';
import { startCluster } from '../docker/cluster/start-cluster.js';
import { installPrograms } from './clients/programs.js';

/** The cluster of a test run, as a test file can have it: plain data, since each file runs in a process of its own. */
export interface ClusterInfo {
  readonly provider: ProviderName;
  readonly version: string;
  /** The first is the primary. */
  readonly nodes: readonly [NodeInfo, ...NodeInfo[]];
  readonly accounts: ClusterAccounts;
}

export interface NodeInfo {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly serverId: number;
}

declare module 'vitest' {
  interface ProvidedContext {
    cluster: ClusterInfo;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await installPrograms(say);
  const cluster = await startCluster({ fast: true, onProgress: say });
  const [primary, ...replicas] = cluster.nodes;
  project.provide('cluster', {
    provider: cluster.provider,
    version: cluster.version,
    nodes: [infoOf(primary), ...replicas.map(infoOf)],
    accounts: cluster.accounts,
  });
  say(`the tests run against MySQL ${cluster.version} (provider: ${cluster.provider})`);
  return () => cluster.stop();
}

function infoOf({ name, host, port, serverId }: NodeInfo): NodeInfo {
  return { name, host, port, serverId };
}

function say(line: string): void {
  process.stderr.write(`set-up: ${line}\n`);
}
