import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { median } from './median.js';
import { cpuSeconds, startRwsplit, type Measured } from './processes.js';
import { prepareTables, runSysbench } from './sysbench.js';

export interface ProbesOptions {
  readonly rounds: number;
  readonly seconds: number;
}

const CLIENTS = 16;
const WARM_UP_SECONDS = 5;
/** The default, and so seldom that it costs nothing. */
const INTERVALS_MS = [250, 60_000] as const;

interface Way {
  readonly intervalMs: number;
  readonly proxy: Measured;
  /** CPU time in each second with nothing to do, in milliseconds. */
  readonly idle: number[];
  /** The same with all that sysbench asks, and how much for each query, in microseconds. */
  readonly busy: number[];
  readonly perQuery: number[];
}

/** CPU time of a proxy that looks at its nodes as often as it does by default, beside that of one that hardly does: idle, then under load, in turn. */
export async function benchProbes({ rounds, seconds }: ProbesOptions): Promise<void> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  const folder = await mkdtemp(join(tmpdir(), 'rwsplit-bench-'));
  const ways: Way[] = [];
  try {
    await prepareTables(cluster);
    for (const intervalMs of INTERVALS_MS) {
      const config = join(folder, `${intervalMs}.yaml`);
      await writeFile(config, `monitor: { interval_ms: ${intervalMs} }\n`);
      const proxy = await startRwsplit(cluster, ['--server-tls', 'off', '--client-tls', 'off', '--config', config]);
      ways.push({ intervalMs, proxy, idle: [], busy: [], perQuery: [] });
    }
    const load = async ({ proxy }: Way, forSeconds: number) =>
      runSysbench(cluster, 'oltp_point_select', proxy.port, CLIENTS, forSeconds);
    for (const way of ways) await load(way, WARM_UP_SECONDS);
    for (let round = 0; round < rounds; round++) {
      const before = ways.map(({ proxy }) => cpuSeconds(proxy.pid));
      await pause(seconds * 1000);
      for (const [index, { idle, proxy }] of ways.entries()) {
        idle.push(((cpuSeconds(proxy.pid) - (before[index] ?? 0)) * 1000) / seconds);
      }
      for (const way of ways) {
        const began = cpuSeconds(way.proxy.pid);
        const { queries } = await load(way, seconds);
        const cpu = cpuSeconds(way.proxy.pid) - began;
        way.busy.push((cpu * 1000) / seconds);
        way.perQuery.push((cpu * 1e6) / queries);
      }
    }
    print(ways, rounds, seconds);
  } finally {
    for (const { proxy } of ways) await proxy.stop();
    await rm(folder, { recursive: true });
    await cluster.stop();
  }
}

function print(ways: readonly Way[], rounds: number, seconds: number): void {
  const [often, seldom] = ways;
  if (often === undefined || seldom === undefined) return;
  process.stdout.write(
    `\nprobes of 3 nodes, oltp_point_select with ${CLIENTS} clients, ${rounds} rounds of ${seconds} s, medians\n`,
  );
  process.stdout.write('  interval   idle, CPU ms/s   busy, CPU ms/s   CPU µs/query\n');
  for (const { intervalMs, idle, busy, perQuery } of ways) {
    const cells = [
      `${intervalMs} ms`.padEnd(9),
      median(idle).toFixed(1).padStart(15),
      median(busy).toFixed(0).padStart(16),
      median(perQuery).toFixed(1).padStart(14),
    ];
    process.stdout.write(`  ${cells.join(' ')}\n`);
  }
  const cost = median(often.idle) - median(seldom.idle);
  process.stdout.write(
    `  probes: ${cost.toFixed(1)} ms/s, ${((cost / median(often.busy)) * 100).toFixed(1)} % of the busy proxy's CPU time\n`,
  );
}
