import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type Connection } from 'mysql2/promise';
import { expect } from 'vitest';
import type { Account, Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { listens } from '../../docker/cluster/listens.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import type { FailoverOptions } from '../../src/runtime/failover/open-supervisor.js';
import { clusterInfo } from '../cluster.js';
import { eventually, startProxy, temporaryDirectory, type TestProxy } from '../proxy.js';
import { Ledger } from './ledger.js';

/** What a proxy has decided, as it writes it down. */
export interface Decided {
  readonly kind: string;
  readonly why: string;
  readonly diagnosis?: string;
  readonly outcome: string;
  readonly steps: readonly { readonly step: string; readonly node: string; readonly outcome: string }[];
}

/** A semi-synchronous cluster with a table `faults.ledger`, and a proxy that promotes its replicas. For one test file. */
export class PromotingCluster {
  readonly cluster: Cluster;
  readonly #audit: string;
  readonly #failover: FailoverOptions;
  readonly #open: Connection[] = [];
  #proxy: TestProxy;

  private constructor(cluster: Cluster, proxy: TestProxy, failover: FailoverOptions, audit: string) {
    this.cluster = cluster;
    this.#proxy = proxy;
    this.#failover = failover;
    this.#audit = audit;
  }

  static async start(options: FailoverOptions = {}): Promise<PromotingCluster> {
    const audit = join(await temporaryDirectory(), 'decisions.jsonl');
    const cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
    const failover = { account: cluster.accounts.failover, pauseMs: 0, rebuilds: true, audit, ...options };
    const proxy = await proxyBefore(cluster, cluster.nodes, failover);
    const client = await proxy.connect(cluster.accounts.app);
    await client.query('CREATE DATABASE faults');
    await client.query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
    return new PromotingCluster(cluster, proxy, failover, audit);
  }

  get proxy(): TestProxy {
    return this.#proxy;
  }

  /** Another one, which knows nothing but what the servers tell. */
  async restartProxy(): Promise<void> {
    await this.#proxy.proxy.stop();
    this.#proxy = await proxyBefore(this.cluster, this.cluster.nodes, this.#failover);
  }

  /** Another one beside it. @param nodes as it reaches them */
  async anotherProxy(nodes: readonly { readonly host: string; readonly port: number }[]): Promise<TestProxy> {
    const { account, pauseMs } = this.#failover;
    return proxyBefore(this.cluster, nodes, { account, pauseMs });
  }

  /** Of the cluster's nodes; -1 while there is none. */
  get primaryIndex(): number {
    const { primary } = this.#proxy.proxy.snapshot;
    return this.cluster.nodes.findIndex(({ port }) => port === primary?.address.port);
  }

  get primary(): ClusterNode | undefined {
    return this.cluster.nodes[this.primaryIndex];
  }

  nameOf(node: number): string {
    return `127.0.0.1:${this.cluster.nodes[node]?.port}`;
  }

  /** A client's connection. */
  async client(): Promise<Connection> {
    return this.#proxy.connect({ ...this.cluster.accounts.app, database: 'faults' });
  }

  /** Past the proxy; as root unless told otherwise. */
  async direct(node: number, account: Account = this.cluster.accounts.root): Promise<Connection> {
    const { host, port } = this.cluster.nodes[node] ?? this.cluster.nodes[0];
    const connection = await createConnection({ host, port, ...account, database: 'faults' });
    connection.on('error', () => {});
    this.#open.push(connection);
    return connection;
  }

  ledger(): Ledger {
    const { host, port } = this.#proxy;
    return new Ledger({ host, port, ...this.cluster.accounts.app, database: 'faults' });
  }

  /** The oldest first. */
  decisions(): Decided[] {
    const lines = readFileSync(this.#audit, 'utf8').split('\n');
    return lines.filter((it) => it !== '').map((line) => JSON.parse(line));
  }

  get audit(): string {
    return readFileSync(this.#audit, 'utf8');
  }

  /** Starts what is down, until all nodes serve: an old primary with transactions of its own gets its data anew, for which its server ends once more. */
  async allBack(): Promise<ClusterNode> {
    for (const [index, node] of this.cluster.nodes.entries()) {
      for (let starts = 0; !this.#serves(index);) {
        if (await listens(node.port)) await new Promise((resolve) => setTimeout(resolve, 100));
        else {
          expect(starts++).toBeLessThan(4);
          await node.restart();
        }
      }
    }
    await eventually(() => expect(this.primary).toBeDefined());
    return this.primary ?? this.cluster.nodes[0];
  }

  #serves(node: number): boolean {
    const { nodes } = this.#proxy.proxy.snapshot;
    const found = nodes.find(({ address }) => address.port === this.cluster.nodes[node]?.port);
    return found?.health === 'up' && found.role !== 'unknown';
  }

  async stop(): Promise<void> {
    for (const connection of this.#open) connection.destroy();
    await this.cluster.stop();
  }
}

async function proxyBefore(
  cluster: Cluster,
  nodes: readonly { readonly host: string; readonly port: number }[],
  failover: FailoverOptions,
): Promise<TestProxy> {
  const options = { coordinator: { kind: 'alone' }, failover } as const;
  return startProxy({ nodes, accounts: cluster.accounts, options });
}
