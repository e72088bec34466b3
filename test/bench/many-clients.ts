import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { prepareTables, runSysbench, TELL_ERRORS } from './sysbench.js';
import { memoryBytes, startRwsplit } from './processes.js';

export interface ManyClientsOptions {
  readonly seconds: number;
  /** All clients, and how many of them work. */
  readonly clients: number;
  readonly active: number;
}

/** Server connections for each node. */
const POOL_MAX = 20;
const AT_ONCE = 100;

/**
 * Many clients, most of them idle, over few server connections, beside as many connections to a server of their own: errors, what
 * the workers get done, and what an idle client costs.
 */
export async function benchManyClients(options: ManyClientsOptions): Promise<void> {
  const cluster = await startCluster({ fast: true, onProgress: (line) => process.stderr.write(`· ${line}\n`) });
  const [primary] = cluster.nodes;
  const { root } = cluster.accounts;
  try {
    await prepareTables(cluster);
    const server = await createConnection({ host: primary.host, port: primary.port, ...root });
    await server.query('SET GLOBAL max_connections = ?', [options.clients + 100]);
    // Without anything that shares them, sysbench's statements are more than a server takes by default.
    await server.query('SET GLOBAL max_prepared_stmt_count = 200000');
    await server.end();
    const folder = await mkdtemp(join(tmpdir(), 'rwsplit-bench-'));
    const config = join(folder, 'rwsplit.yaml');
    // With fifty clients for each connection, a transaction waits for others' as a matter of course.
    await writeFile(config, `pool: { max: ${POOL_MAX}, acquire_timeout_ms: 120000 }\n`);
    const rwsplit = await startRwsplit(cluster, ['--server-tls', 'off', '--client-tls', 'off', '--config', config]);
    try {
      await measure('rwsplit', cluster, rwsplit.port, rwsplit.pid, options);
    } finally {
      await rwsplit.stop();
      await rm(folder, { recursive: true });
    }
    await measure('direct', cluster, primary.port, undefined, options);
  } finally {
    await cluster.stop();
  }
}

async function measure(
  name: string,
  cluster: Cluster,
  port: number,
  pid: number | undefined,
  { clients, active, seconds }: ManyClientsOptions,
): Promise<void> {
  const idle: Connection[] = [];
  try {
    // What the first clients need is loaded once.
    await connect(cluster, port, AT_ONCE, idle);
    const before = pid === undefined ? 0 : memoryBytes(pid);
    await connect(cluster, port, clients - active - AT_ONCE, idle);
    const after = pid === undefined ? 0 : memoryBytes(pid);
    const raisedBefore = await errorsRaised(cluster);
    const report = await runSysbench(cluster, 'oltp_read_write', port, active, seconds, [TELL_ERRORS]);
    const raisedAfter = await errorsRaised(cluster);
    const { queriesPerSecond, percentileMs, errors, errorsByNumber } = report;
    const perIdle =
      pid === undefined
        ? ''
        : `, ${((after - before) / (clients - active - AT_ONCE) / 1024).toFixed(1)} kB for each idle client`;
    process.stdout.write(
      `${name}: ${clients} clients, ${active} of them at work for ${seconds} s: ${queriesPerSecond.toFixed(0)} queries/s, p95 ${percentileMs} ms, ` +
        `${errors} errors and reconnects${perIdle}\n`,
    );
    for (const [number, count] of errorsByNumber) {
      const raised = (raisedAfter.get(number) ?? 0) - (raisedBefore.get(number) ?? 0);
      process.stdout.write(`  error ${number}: ${count} times; the primary itself has raised it ${raised} times\n`);
    }
  } finally {
    for (const connection of idle) connection.destroy();
  }
}

/** How often the primary has raised each error so far, by its number. */
async function errorsRaised({ nodes: [{ host, port }], accounts: { root } }: Cluster): Promise<Map<number, number>> {
  const server = await createConnection({ host, port, ...root });
  try {
    const [rows] = await server.query<RowDataPacket[]>(
      'SELECT ERROR_NUMBER, SUM_ERROR_RAISED FROM performance_schema.events_errors_summary_global_by_error WHERE SUM_ERROR_RAISED > 0',
    );
    return new Map(rows.map((row) => [Number(row['ERROR_NUMBER']), Number(row['SUM_ERROR_RAISED'])]));
  } finally {
    await server.end();
  }
}

async function connect(cluster: Cluster, port: number, count: number, into: Connection[]): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE) {
    const made = Array.from({ length: Math.min(AT_ONCE, count - done) }, async () => {
      const connection = await createConnection({ host: '127.0.0.1', port, ...cluster.accounts.app });
      connection.on('error', () => {});
      await connection.query('SELECT 1');
      return connection;
    });
    into.push(...(await Promise.all(made)));
  }
}
