import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { launchMariadbCluster } from '../mariadb/launch-cluster.js';
import { FAULTS, needsWays, sharesWays, type Fault } from '../faults/primary-faults.js';
import { openRelay, type OpenRelay } from '../open-relay.js';
import { faultRound, type Round } from './failover-round.js';
import { DriverSubject } from './failover-driver.js';
import { ProxySubject } from './failover-proxy.js';
import { moveSources } from './failover-sources.js';
import { FailoverSite, WRITERS, type BenchCluster, type Subject } from './failover-site.js';
import { planned } from './failover-switchovers.js';
import { failoverTable, isKept } from './failover-table.js';
import { startRwsplit } from './processes.js';

export interface FailoverBenchOptions {
  readonly kinds: readonly Fault[];
  /** How often each fault is done. */
  readonly rounds: number;
  readonly switchovers: number;
  /** Of which make the servers are. */
  readonly servers: 'mysql' | 'mariadb';
  /** What is between clients and servers. */
  readonly through: 'proxy' | 'driver';
}

/** @throws Error where one is none */
export function faultsOf(text: string): Fault[] {
  return text.split(',').map((word) => {
    const fault = FAULTS.find((it) => it === word);
    if (fault === undefined) throw new Error(`'${word}' is none of the faults ${FAULTS.join(', ')}`);
    return fault;
  });
}

/**
 * Faults of the primary under writers, with a ledger of what was acknowledged; then planned switchovers.
 * @returns whether nothing was lost, and nobody promoted who should not have been
 */
export async function benchFailover(options: FailoverBenchOptions): Promise<boolean> {
  const { kinds, rounds, switchovers, through } = options;
  const onProgress = (it: string): void => {
    process.stderr.write(`· ${it}\n`);
  };
  const cluster =
    options.servers === 'mariadb'
      ? await launchMariadbCluster(onProgress)
      : await startCluster({ fast: true, semiSync: true, onProgress });
  const results = new Map<Fault, Round[]>();
  let wasPlain = true;
  try {
    for (const fault of rounds > 0 ? kinds : []) {
      const ofFault: Round[] = [];
      results.set(fault, ofFault);
      await withSite(through, cluster, needsWays(fault, cluster), async (site) => {
        for (let round = 0; round < rounds; round++) {
          const done = await faultRound(site, fault);
          ofFault.push(done);
          const { lost, promotions, backMs } = done;
          process.stderr.write(
            `· ${fault} ${round + 1}: ${lost} lost, ${promotions} promotions; ${backMs.map((it) => it.toFixed(0)).join(' ')}\n`,
          );
        }
      });
    }
    if (switchovers > 0) {
      await withSite(through, cluster, false, async (site) => {
        wasPlain = await planned(site, switchovers);
      });
    }
  } finally {
    // What was measured until something went wrong is worth seeing, too.
    if (results.size > 0) process.stdout.write(failoverTable(results, WRITERS));
    await cluster.stop();
  }
  return wasPlain && [...results].every(([fault, ofFault]) => isKept(fault, ofFault));
}

/** A proxy or a driver of its own, for as long as `run` takes. @param isRelayed it gets to its nodes by ways that can be cut */
async function withSite(
  through: FailoverBenchOptions['through'],
  cluster: BenchCluster,
  isRelayed: boolean,
  run: (site: FailoverSite) => Promise<void>,
): Promise<void> {
  const ways: OpenRelay[] = [];
  try {
    if (isRelayed) for (const node of cluster.nodes) ways.push(await openRelay(node));
    if (isRelayed && sharesWays(cluster)) await moveSources(cluster, cluster.nodes, ways);
    const on = async (subject: Subject): Promise<void> => {
      const site = await FailoverSite.open(cluster, ways, subject);
      try {
        await run(site);
        if (isRelayed) await site.untilWhole();
      } finally {
        await site.close();
      }
      // Whoever came back meanwhile was told to follow its source by a way that is closed now.
      if (isRelayed) await moveSources(cluster, ways, cluster.nodes);
    };
    if (through === 'driver') await on(new DriverSubject(cluster, isRelayed ? ways : cluster.nodes));
    else await withProxy(cluster, isRelayed ? ways : cluster.nodes, on);
  } finally {
    for (const way of ways) way.close();
  }
}

async function withProxy(
  cluster: BenchCluster,
  nodes: readonly { readonly host: string; readonly port: number }[],
  run: (subject: Subject) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rwsplit-bench-'));
  try {
    const config = join(folder, 'rwsplit.yaml');
    const { failover, root } = cluster.accounts;
    const own = `user: ${failover.user}, password_env: RWSPLIT_BENCH_FAILOVER, pause_ms: 1`;
    const rest =
      'serverOf' in cluster
        ? `replication_user: ${root.user}, replication_password_env: RWSPLIT_BENCH_REPLICATION`
        : 'rebuild: clone';
    await writeFile(config, `coordinator: alone\nfailover: { ${own}, ${rest} }\n`);
    process.env['RWSPLIT_BENCH_FAILOVER'] = failover.password;
    process.env['RWSPLIT_BENCH_REPLICATION'] = root.password;
    const flags = ['--fixed-nodes', '--config', config, '--log-level', process.env['BENCH_LOG'] ?? 'fatal'];
    const proxy = await startRwsplit({ nodes, accounts: cluster.accounts }, flags);
    try {
      await run(await ProxySubject.connect(cluster, proxy.port));
    } finally {
      await proxy.stop();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}
