import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { report } from '../staleness/report.js';
import { lookForStaleReads } from '../staleness/stale-reads.js';
import { startRwsplit } from './processes.js';

const HOST = '127.0.0.1';
const DISTURBED_READS = 2_000;
/** So often it is told how it goes on. */
const TELL_EVERY_MS = 60_000;

/** Looks for reads that are staler than promised. @returns whether there were none */
export async function benchStaleness({ seconds }: { readonly seconds: number }): Promise<boolean> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  const rwsplit = await startRwsplit(cluster);
  try {
    const seed = Date.now() % 1_000_000;
    process.stdout.write(`staleness, ${seconds} s, seed ${seed}\n`);
    const proxy = { host: HOST, port: rwsplit.port };
    const { nodes, accounts } = cluster;
    const begin = performance.now();
    let told = begin;
    const found = await lookForStaleReads(
      { proxy, nodes, accounts, seed, disturbedReads: DISTURBED_READS },
      (sofar) => {
        const now = performance.now();
        if (now - told > TELL_EVERY_MS) {
          told = now;
          process.stderr.write(`· after ${((now - begin) / 1_000).toFixed(0)} s:\n${report(sofar)}`);
        }
        return now - begin > seconds * 1_000;
      },
    );
    process.stdout.write(report(found));
    process.stdout.write(await waits(cluster, rwsplit.port));
    return found.run.violations.length === 0;
  } finally {
    await rwsplit.stop();
    await cluster.stop();
  }
}

async function waits({ accounts }: Cluster, port: number): Promise<string> {
  const monitor = await createConnection({ host: HOST, port, ...accounts.monitor });
  const [rows] = await monitor.query<RowDataPacket[]>('SHOW RWSPLIT WAITS');
  await monitor.end();
  const names = Object.keys(rows[0] ?? {});
  const lines = [names, ...rows.map((row) => names.map((name) => String(row[name])))];
  return `waits for replicas\n${lines.map((cells) => cells.map((cell) => cell.padStart(12)).join('')).join('\n')}\n`;
}
