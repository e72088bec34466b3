import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { BALANCE_POLICIES, type BalancePolicyName } from '../../src/topology/balance/policy.js';
import { startRwsplit, type Measured } from './processes.js';
import { median } from './median.js';
import { prepareTables, runSysbench } from './sysbench.js';

export interface BalanceOptions {
  readonly rounds: number;
  readonly seconds: number;
}

const READS = 100_000;
const CLIENTS = 16;
/** Far from what the machine can do: it is the slow replica that is looked at, not a queue before all of them. */
const READS_PER_SECOND = 1_500;
const WARM_UP_SECONDS = 3;
/** Of each period, the slow replica runs for a quarter and is stopped for the rest: for longer than a busy machine holds anybody up. */
const RUNS_MS = 50;
const STOPS_MS = 150;

/** How even turns are, by what the servers count; and what balancing policies make of a replica that is four times slower. */
export async function benchBalance({ rounds, seconds }: BalanceOptions): Promise<void> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  const folder = await mkdtemp(join(tmpdir(), 'rwsplit-bench-'));
  const proxies = new Map<BalancePolicyName, Measured>();
  try {
    await prepareTables(cluster);
    for (const policy of BALANCE_POLICIES) {
      if (policy === 'weighted') continue;
      const config = join(folder, `${policy}.yaml`);
      await writeFile(config, `balance: { policy: ${policy} }\n`);
      proxies.set(policy, await startRwsplit(cluster, ['--server-tls', 'off', '--config', config]));
    }
    await countTurns(cluster, proxies);
    await compareWithSlow(cluster, proxies, rounds, seconds);
  } finally {
    for (const rwsplit of proxies.values()) await rwsplit.stop();
    await rm(folder, { recursive: true });
    await cluster.stop();
  }
}

async function countTurns(cluster: Cluster, proxies: ReadonlyMap<string, Measured>): Promise<void> {
  const rwsplit = proxies.get('round-robin');
  if (rwsplit === undefined) return;
  const before = await readsOf(cluster);
  await runSysbench(cluster, 'oltp_point_select', rwsplit.port, CLIENTS, 0, [`--events=${READS}`]);
  const counted = (await readsOf(cluster)).map((reads, at) => reads - (before[at] ?? 0));
  const total = counted.reduce((sum, reads) => sum + reads, 0);
  const shares = counted.map((reads) => `${reads} (${((reads * 100) / total).toFixed(3)} %)`);
  process.stdout.write(
    `round-robin, ${READS} reads, as the servers count them: ${shares.join(', ')}, the primary first\n`,
  );
  const monitor = await createConnection({ host: '127.0.0.1', port: rwsplit.port, ...cluster.accounts.monitor });
  const [routes] = await monitor.query<RowDataPacket[]>('SHOW RWSPLIT ROUTES');
  await monitor.end();
  const own = routes.filter((it) => it['reason'] === 'read').map((it) => `${it['node']} ${it['count']}`);
  process.stdout.write(`  as the proxy counts them: ${own.join(', ')}\n`);
}

/** How many reads of the application each server has had. */
async function readsOf({ nodes, accounts }: Cluster): Promise<number[]> {
  return Promise.all(
    nodes.map(async ({ host, port }) => {
      const root = await createConnection({ host, port, ...accounts.root });
      const [[row]] = await root.query<RowDataPacket[]>(
        `SELECT SUM(COUNT_STAR) AS n FROM performance_schema.events_statements_summary_by_user_by_event_name
         WHERE USER = ? AND EVENT_NAME IN ('statement/sql/select', 'statement/com/Execute')`,
        [accounts.app.user],
      );
      await root.end();
      return Number(row?.['n']);
    }),
  );
}

async function compareWithSlow(
  cluster: Cluster,
  proxies: ReadonlyMap<string, Measured>,
  rounds: number,
  seconds: number,
): Promise<void> {
  const p99s = new Map<string, number[]>();
  const shares = new Map<string, number[]>();
  const slow = cluster.nodes[1];
  if (slow === undefined) return;
  const measure = async (port: number, time: number): Promise<number> => {
    const flags = [`--rate=${READS_PER_SECOND}`, '--percentile=99'];
    return (await runSysbench(cluster, 'oltp_point_select', port, CLIENTS, time, flags)).percentileMs;
  };
  const even = await measure(proxies.get('round-robin')?.port ?? 0, WARM_UP_SECONDS);
  const speedUp = slowDown(slow);
  try {
    for (const { port } of proxies.values()) await measure(port, WARM_UP_SECONDS);
    for (let round = 0; round < rounds; round++) {
      for (const [policy, { port }] of proxies) {
        const before = await readsOf(cluster);
        listOf(p99s, policy).push(await measure(port, seconds));
        const counted = (await readsOf(cluster)).map((reads, at) => reads - (before[at] ?? 0));
        listOf(shares, policy).push((counted[1] ?? 0) / counted.reduce((sum, reads) => sum + reads, 0));
      }
    }
  } finally {
    await speedUp();
  }
  const how = `one of two replicas stopped for ${STOPS_MS} of each ${RUNS_MS + STOPS_MS} ms`;
  process.stdout.write(
    `${READS_PER_SECOND} reads/s of ${CLIENTS} clients, ${rounds} rounds of ${seconds} s, medians; ${how}\n`,
  );
  process.stdout.write(`  none slow          p99 ${even.toFixed(2)} ms (round-robin)\n`);
  for (const [policy, taken] of p99s) {
    const share = (median(listOf(shares, policy)) * 100).toFixed(1);
    process.stdout.write(
      `  ${policy.padEnd(18)} p99 ${median(taken).toFixed(2)} ms, ${share} % of the reads on the slow one\n`,
    );
  }
}

/** The server gets a quarter of the time. @returns what ends that */
function slowDown(node: ClusterNode): () => Promise<void> {
  let timer: NodeJS.Timeout;
  const run = (): void => {
    void node.thaw();
    timer = setTimeout(stop, RUNS_MS);
  };
  const stop = (): void => {
    void node.freeze();
    timer = setTimeout(run, STOPS_MS);
  };
  run();
  return async () => {
    clearTimeout(timer);
    await node.thaw();
  };
}

function listOf(lists: Map<string, number[]>, name: string): number[] {
  let list = lists.get(name);
  if (list === undefined) {
    list = [];
    lists.set(name, list);
  }
  return list;
}
