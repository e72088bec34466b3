import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { median } from './median.js';
import { cpuSeconds, freePort, startProgram, startRwsplit, type Measured } from './processes.js';
import { prepareTables, runSysbench, type SysbenchReport } from './sysbench.js';

export interface OltpOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly clients: readonly number[];
}

const WORKLOADS = ['oltp_point_select', 'oltp_read_write'] as const;
const WARM_UP_SECONDS = 5;

/** One measurement. */
interface Sample extends SysbenchReport {
  /** Of the program between client and servers; undefined where there is none. */
  readonly cpuMicrosPerQuery: number | undefined;
}

/** A way from sysbench to the servers. */
interface Way {
  readonly name: string;
  readonly port: number;
  readonly pid: number | undefined;
}

/**
 * Drives sysbench directly, through HAProxy in TCP mode and through rwsplit, in turn within one run, and prints medians.
 * Reads go to the replicas through both proxies; HAProxy sends oltp_read_write to the primary, as it must.
 */
export async function benchOltp(options: OltpOptions): Promise<void> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  const started: Measured[] = [];
  try {
    await prepareTables(cluster);
    const rwsplit = await startRwsplit(cluster, ['--server-tls', 'off']);
    started.push(rwsplit);
    const withTls = await startRwsplit(cluster, ['--server-tls', 'required']);
    started.push(withTls);
    const readers = await startHaproxy(cluster.nodes.slice(1).map((node) => node.port));
    started.push(readers);
    const writer = await startHaproxy([cluster.nodes[0].port]);
    started.push(writer);
    for (const workload of WORKLOADS) {
      const haproxy = workload === 'oltp_read_write' ? writer : readers;
      const ways: Way[] = [
        { name: 'direct', port: cluster.nodes[0].port, pid: undefined },
        { name: 'HAProxy', port: haproxy.port, pid: haproxy.pid },
        { name: 'rwsplit', port: rwsplit.port, pid: rwsplit.pid },
        // What it does by default: the servers' side is encrypted.
        { name: '+ TLS', port: withTls.port, pid: withTls.pid },
      ];
      for (const clients of options.clients) await compare(cluster, workload, clients, ways, options);
    }
  } finally {
    for (const program of started) await program.stop();
    await cluster.stop();
  }
}

async function compare(
  cluster: Cluster,
  workload: string,
  clients: number,
  ways: readonly Way[],
  { rounds, seconds }: OltpOptions,
): Promise<void> {
  const samples = new Map<string, Sample[]>(ways.map((way) => [way.name, []]));
  for (const way of ways) await measure(cluster, workload, clients, way, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) samples.get(way.name)?.push(await measure(cluster, workload, clients, way, seconds));
  }
  process.stdout.write(`\n${workload}, ${clients} clients, ${rounds} rounds of ${seconds} s, medians\n`);
  process.stdout.write('  way       queries/s   p95 ms   errors   CPU µs/query   × HAProxy\n');
  const haproxyCpu = median(samples.get('HAProxy')?.map((it) => it.cpuMicrosPerQuery ?? NaN) ?? []);
  for (const [name, taken] of samples) {
    const cpu = median(taken.map((it) => it.cpuMicrosPerQuery ?? NaN));
    const cells = [
      name.padEnd(8),
      median(taken.map((it) => it.queriesPerSecond))
        .toFixed(0)
        .padStart(10),
      median(taken.map((it) => it.percentileMs))
        .toFixed(2)
        .padStart(8),
      String(taken.reduce((sum, it) => sum + it.errors, 0)).padStart(8),
      (Number.isNaN(cpu) ? '–' : cpu.toFixed(1)).padStart(14),
      (Number.isNaN(cpu) ? '–' : (cpu / haproxyCpu).toFixed(2)).padStart(11),
    ];
    process.stdout.write(`  ${cells.join(' ')}\n`);
  }
}

async function measure(
  cluster: Cluster,
  workload: string,
  clients: number,
  way: Way,
  seconds: number,
): Promise<Sample> {
  const before = way.pid === undefined ? 0 : cpuSeconds(way.pid);
  const report = await runSysbench(cluster, workload, way.port, clients, seconds);
  const cpu = way.pid === undefined ? undefined : cpuSeconds(way.pid) - before;
  return { ...report, cpuMicrosPerQuery: cpu === undefined ? undefined : (cpu * 1e6) / report.queries };
}

async function startHaproxy(ports: readonly number[]): Promise<Measured> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'rwsplit-bench-'));
  const config = join(folder, 'haproxy.cfg');
  const servers = ports.map((it, index) => `  server s${index} 127.0.0.1:${it}`);
  await writeFile(
    config,
    [
      'global',
      '  nbthread 1',
      'defaults',
      '  mode tcp',
      '  maxconn 4000',
      '  timeout connect 5s',
      '  timeout client 1h',
      '  timeout server 1h',
      'listen mysql',
      `  bind 127.0.0.1:${port}`,
      '  balance roundrobin',
      ...servers,
      '',
    ].join('\n'),
  );
  const started = await startProgram('haproxy', ['-db', '-f', config], port);
  return {
    ...started,
    stop: async () => {
      await started.stop();
      await rm(folder, { recursive: true });
    },
  };
}
