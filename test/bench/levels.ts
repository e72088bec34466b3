import { startCluster } from '../../docker/cluster/start-cluster.js';
import { cpuSeconds, startRwsplit, type Measured } from './processes.js';
import { median } from './median.js';
import { prepareTables, runSysbench } from './sysbench.js';

export interface LevelsOptions {
  readonly rounds: number;
  readonly seconds: number;
}

const CLIENTS = 16;
const WARM_UP_SECONDS = 5;
const LEVELS = ['eventual', 'session'] as const;
/** In a transaction all goes to the primary; without one, each read has to see the writes before it. */
const WORKLOADS = {
  oltp_read_write: [],
  'oltp_read_write without transactions': ['--skip-trx=on', '--delete-inserts=0'],
} as const;

/** What it costs that a session sees its own writes: a proxy for each level, in turn in one run. */
export async function benchLevels({ rounds, seconds }: LevelsOptions): Promise<void> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  const proxies: { readonly level: string; readonly rwsplit: Measured }[] = [];
  try {
    await prepareTables(cluster);
    for (const level of LEVELS) {
      const rwsplit = await startRwsplit(cluster, ['--server-tls', 'off', '--consistency', level]);
      proxies.push({ level, rwsplit });
    }
    for (const [name, flags] of Object.entries(WORKLOADS)) {
      const measure = async ({ pid, port }: Measured, time: number): Promise<number> => {
        const before = cpuSeconds(pid);
        const { queries } = await runSysbench(cluster, 'oltp_read_write', port, CLIENTS, time, flags);
        return ((cpuSeconds(pid) - before) * 1e6) / queries;
      };
      for (const { rwsplit } of proxies) await measure(rwsplit, WARM_UP_SECONDS);
      const ratios: number[] = [];
      process.stdout.write(`${name}, ${CLIENTS} clients, ${rounds} rounds of ${seconds} s: CPU µs for each query\n`);
      for (let round = 0; round < rounds; round++) {
        const micros: number[] = [];
        // The one that goes first is another one each time.
        const order = round % 2 === 0 ? proxies : proxies.toReversed();
        for (const { level, rwsplit } of order) micros[level === 'eventual' ? 0 : 1] = await measure(rwsplit, seconds);
        const [eventual = NaN, session = NaN] = micros;
        ratios.push(session / eventual);
        process.stdout.write(`  eventual ${eventual.toFixed(1)}, session ${session.toFixed(1)}\n`);
      }
      process.stdout.write(`  session costs ${((median(ratios) - 1) * 100).toFixed(1)} % more (median)\n`);
    }
  } finally {
    for (const { rwsplit } of proxies) await rwsplit.stop();
    await cluster.stop();
  }
}
