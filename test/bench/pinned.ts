import { fileURLToPath } from 'node:url';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { median } from './median.js';
import { cpuSeconds, startRwsplit } from './processes.js';
import { prepareTables, runSysbench } from './sysbench.js';

export interface PinnedOptions {
  readonly rounds: number;
  readonly seconds: number;
}

/** Below dist/bench/ there is no Lua: it is read where it was written. */
const SCRIPT = fileURLToPath(new URL('../../../../test/bench/pinned.lua', import.meta.url));
const CLIENTS = 16;

/**
 * What sharing connections costs: sessions that keep a connection of their own, and sessions that share as many, in turn. Without
 * replicas, so that both run on the same server.
 */
export async function benchPinned({ rounds, seconds }: PinnedOptions): Promise<void> {
  const cluster = await startCluster({
    fast: true,
    replicaCount: 0,
    onProgress: (line) => process.stderr.write(`· ${line}\n`),
  });
  try {
    await prepareTables(cluster);
    const rwsplit = await startRwsplit(cluster, ['--server-tls', 'off', '--pool-max', String(CLIENTS)]);
    try {
      const micros = async (pin: string, time: number): Promise<number> => {
        const before = cpuSeconds(rwsplit.pid);
        const { queries } = await runSysbench(cluster, SCRIPT, rwsplit.port, CLIENTS, time, [`--pin=${pin}`]);
        return ((cpuSeconds(rwsplit.pid) - before) * 1e6) / queries;
      };
      for (const pin of ['on', 'off']) await micros(pin, 3);
      const ratios: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const [pinned, shared] = [await micros('on', seconds), await micros('off', seconds)];
        ratios.push(shared / pinned);
        process.stdout.write(`pinned ${pinned.toFixed(1)} µs, shared ${shared.toFixed(1)} µs of CPU for each query\n`);
      }
      process.stdout.write(`sharing costs ${median(ratios).toFixed(2)} times what keeping does (median)\n`);
    } finally {
      await rwsplit.stop();
    }
  } finally {
    await cluster.stop();
  }
}
