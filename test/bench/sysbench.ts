import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';

/** What sysbench says of a run. */
export interface SysbenchReport {
  readonly queries: number;
  readonly queriesPerSecond: number;
  /** The 95th percentile of latencies, unless `--percentile` asks for another. */
  readonly percentileMs: number;
  /** Errors that it went on after, and connections that it had to make again. */
  readonly errors: number;
  /** The former, as far as they were told, by MySQL's numbers. */
  readonly errorsByNumber: ReadonlyMap<number, number>;
}

const SCHEMA = 'sbtest';
/** Makes sysbench tell each error that it goes on after. */
export const TELL_ERRORS = '--verbosity=5';

/** @param workload one of sysbench's own, or the path of a script */
export async function runSysbench(
  cluster: Cluster,
  workload: string,
  port: number,
  clients: number,
  seconds: number,
  more: readonly string[] = [],
): Promise<SysbenchReport> {
  const report = await sysbench(cluster, workload, port, 'run', [`--threads=${clients}`, `--time=${seconds}`, ...more]);
  const queries = numberIn(report, /^\s+total:\s+(\d+)$/m);
  return {
    queries,
    queriesPerSecond: queries / numberIn(report, /total time:\s+([\d.]+)s/),
    percentileMs: numberIn(report, /\d+th percentile:\s+([\d.]+)/),
    errors: numberIn(report, /ignored errors:\s+(\d+)/) + numberIn(report, /reconnects:\s+(\d+)/),
    errorsByNumber: errorsTold(report),
  };
}

/** Of a message that comes again, sysbench tells how often. */
function errorsTold(report: string): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  const told = /Ignoring error (\d+)[^\n]*\n(?:\(last message repeated (\d+) times\))?/g;
  for (const [, number, repeated] of report.matchAll(told)) {
    counts.set(Number(number), (counts.get(Number(number)) ?? 0) + 1 + Number(repeated ?? 0));
  }
  return counts;
}

async function sysbench(
  cluster: Cluster,
  workload: string,
  port: number,
  command: string,
  more: readonly string[],
): Promise<string> {
  const { user, password } = cluster.accounts.app;
  const { stdout } = await promisify(execFile)(
    'sysbench',
    [workload, '--db-driver=mysql', '--mysql-host=127.0.0.1', `--mysql-port=${port}`, `--mysql-db=${SCHEMA}`]
      .concat([`--mysql-user=${user}`, `--mysql-password=${password}`, '--tables=4', '--table-size=10000'])
      .concat(more, command),
    { maxBuffer: 1 << 24 },
  );
  return stdout;
}

/** Makes sysbench's tables, and waits until all nodes have them. */
export async function prepareTables(cluster: Cluster): Promise<void> {
  const [primary, ...replicas] = cluster.nodes;
  const { root } = cluster.accounts;
  const connection = await createConnection({ host: primary.host, port: primary.port, ...root });
  await connection.query(`CREATE DATABASE ${SCHEMA}`);
  await connection.end();
  await sysbench(cluster, 'oltp_read_write', primary.port, 'prepare', []);
  for (const replica of replicas) {
    const reader = await createConnection({ host: replica.host, port: replica.port, ...root });
    await waitUntil('replication of the benchmark tables', 60_000, async () => {
      const [rows] = await reader.query(`SELECT COUNT(*) AS n FROM ${SCHEMA}.sbtest4 HAVING n = 10000`);
      return Array.isArray(rows) && rows.length > 0 ? true : undefined;
    });
    await reader.end();
  }
}

function numberIn(report: string, pattern: RegExp): number {
  const match = pattern.exec(report);
  if (match === null) throw new Error(`sysbench's report has no ${String(pattern)}:\n${report}`);
  return Number(match[1]);
}
