import type { TestProject } from 'vitest/node';
import type { Cluster, ClusterAccounts, ProviderName } from '../docker/cluster/cluster.js';
import { startCluster } from '../docker/cluster/start-cluster.js';
import { installPrograms } from './clients/programs.js';

/** A cluster of a test run, as a test file can have it: plain data, since each file runs in a process of its own. */
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
    /** By worker: files that run at once do not meet. */
    clusters: readonly ClusterInfo[];
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await installPrograms(say);
  const clusters: Cluster[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  };
  const start = async (): Promise<Cluster> => {
    const cluster = await startCluster({ fast: true, onProgress: say });
    clusters.push(cluster);
    return cluster;
  };
  try {
    // One after the other: what the first has to fetch is there for the others.
    const { version, provider } = await start();
    say(`the tests run against MySQL ${version} (provider: ${provider})`);
    while (clusters.length < project.config.maxWorkers) await start();
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide('clusters', clusters.map(clusterInfoOf));
  return stop;
}

function clusterInfoOf({ provider, version, nodes: [primary, ...replicas], accounts }: Cluster): ClusterInfo {
  return { provider, version, nodes: [infoOf(primary), ...replicas.map(infoOf)], accounts };
}

function infoOf({ name, host, port, serverId }: NodeInfo): NodeInfo {
  return { name, host, port, serverId };
}

function say(line: string): void {
  process.stderr.write(`set-up: ${line}\n`);
}
