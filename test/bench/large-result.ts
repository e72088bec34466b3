import { createConnection } from 'mysql2';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { peakMemoryBytes, startRwsplit } from './processes.js';

const ROWS = 16_384;
const ROW_BYTES = 65_536;
const MB = 1_048_576;
/** Rows after which the slow reader rests: long enough that, without back-pressure, all the rest would be in memory. */
const REST_EVERY_ROWS = 4_096;
const REST_MS = 2_000;

/** Reads a result of 1 GB through the proxy, with rests, and prints what memory the proxy took. */
export async function benchLargeResult(): Promise<void> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  try {
    const proxy = await startRwsplit(cluster);
    try {
      const { app } = cluster.accounts;
      const before = peakMemoryBytes(proxy.pid);
      const received = await readSlowly({ host: '127.0.0.1', port: proxy.port, ...app });
      process.stdout.write(
        `\na result of ${(received / MB).toFixed(0)} MB, read with rests: rwsplit's memory at its peak ` +
          `${(peakMemoryBytes(proxy.pid) / MB).toFixed(0)} MB (${(before / MB).toFixed(0)} MB before)\n`,
      );
    } finally {
      await proxy.stop();
    }
  } finally {
    await cluster.stop();
  }
}

async function readSlowly(options: Parameters<typeof createConnection>[0]): Promise<number> {
  const connection = createConnection(options);
  // Rows come from nowhere, so that no server needs to hold them.
  const digits = '(SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3)';
  const tables = Array.from({ length: 7 }, (_, i) => `${digits} AS t${i}`).join(' CROSS JOIN ');
  const rows = connection.query(`SELECT REPEAT('x', ${ROW_BYTES}) AS filler FROM ${tables}`).stream();
  let bytes = 0;
  let count = 0;
  for await (const row of rows as AsyncIterable<{ filler: string }>) {
    bytes += row.filler.length;
    count++;
    if (count % REST_EVERY_ROWS === 0) await new Promise((resolve) => setTimeout(resolve, REST_MS));
  }
  await new Promise((resolve) => connection.end(resolve));
  if (count !== ROWS) throw new Error(`${count} rows came instead of ${ROWS}`);
  return bytes;
}
