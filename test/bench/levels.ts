import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { median } from './median.js';
import { cpuSeconds, startRwsplit } from './processes.js';
import { prepareTables, runSysbench } from './sysbench.js';

export interface LevelsOptions {
  readonly rounds: number;
  readonly seconds: number;
}

const CLIENTS = 16;
const WARM_UP_SECONDS = 5;
/** In a transaction all goes to the primary; without one, each read has to see the writes before it. */
const WORKLOADS = {
  oltp_read_write: [],
  'oltp_read_write without transactions': ['--skip-trx=on', '--delete-inserts=0'],
} as const;

/** What it costs that a session sees its own writes: two users of one proxy, under eventual, under session, and under eventual again. */
export async function benchLevels({ rounds, seconds }: LevelsOptions): Promise<void> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  const folder = await mkdtemp(join(tmpdir(), 'rwsplit-bench-'));
  try {
    await prepareTables(cluster);
    const { app, root } = cluster.accounts;
    const config = join(folder, 'levels.yaml');
    await writeFile(config, `users: [{ name: ${root.user}, consistency: eventual }]\n`);
    const rwsplit = await startRwsplit(cluster, ['--server-tls', 'off', '--config', config]);
    try {
      for (const [name, flags] of Object.entries(WORKLOADS)) {
        const micros = async ({ user, password }: Account, time: number): Promise<number> => {
          const before = cpuSeconds(rwsplit.pid);
          const account = [`--mysql-user=${user}`, `--mysql-password=${password}`];
          const { queries } = await runSysbench(cluster, 'oltp_read_write', rwsplit.port, CLIENTS, time, [
            ...flags,
            ...account,
          ]);
          return ((cpuSeconds(rwsplit.pid) - before) * 1e6) / queries;
        };
        for (const account of [root, app]) await micros(account, WARM_UP_SECONDS);
        const [costs, noise, sessions]: [number[], number[], number[]] = [[], [], []];
        for (let round = 0; round < rounds; round++) {
          const before = await micros(root, seconds);
          const session = await micros(app, seconds);
          const after = await micros(root, seconds);
          sessions.push(session);
          costs.push((session * 2) / (before + after) - 1);
          noise.push(Math.abs(after / before - 1));
        }
        process.stdout.write(
          `${name}, ${CLIENTS} clients, ${rounds} rounds of ${seconds} s, medians: under session ${median(sessions).toFixed(1)} µs of CPU for ` +
            `each query, ${(median(costs) * 100).toFixed(1)} % more than under eventual before and after; those two differ by ` +
            `${(median(noise) * 100).toFixed(1)} %\n`,
        );
      }
    } finally {
      await rwsplit.stop();
    }
  } finally {
    await rm(folder, { recursive: true });
    await cluster.stop();
  }
}
