import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { listens } from '../../docker/cluster/listens.js';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { Ledger, type Entry } from '../faults/ledger.js';
import { startRwsplit, type Measured } from './processes.js';

export interface FailoverBenchOptions {
  /** How often each fault is done. */
  readonly rounds: number;
  readonly switchovers: number;
}

const WRITERS = 16;
const TIMEOUT_MS = 60_000;
const SCHEMA = 'bench_failover';

type Fault = 'killed' | 'frozen' | 'cut from its replicas, then killed';
const FAULTS: readonly Fault[] = ['killed', 'frozen', 'cut from its replicas, then killed'];

interface Seen {
  /** From the fault to the next write that was acknowledged, in milliseconds. */
  readonly ms: number[];
  lost: number;
  /** Rows that clients were told not to have been written, and that are there. */
  wrong: number;
  acknowledged: number;
  unknown: number;
  readonly errors: string[];
}

/** Faults of the primary under writers, with a ledger of what was acknowledged; then planned switchovers. @returns whether nothing was lost */
export async function benchFailover({ rounds, switchovers }: FailoverBenchOptions): Promise<boolean> {
  const cluster = await startCluster({
    fast: true,
    semiSync: true,
    onProgress: (it) => process.stderr.write(`· ${it}\n`),
  });
  const folder = await mkdtemp(join(tmpdir(), 'rwsplit-bench-'));
  try {
    const config = join(folder, 'rwsplit.yaml');
    const { user } = cluster.accounts.failover;
    await writeFile(
      config,
      `coordinator: alone\nfailover: { user: ${user}, password_env: RWSPLIT_BENCH_FAILOVER, pause_ms: 1, rebuild: clone }\n`,
    );
    process.env['RWSPLIT_BENCH_FAILOVER'] = cluster.accounts.failover.password;
    const proxy = await startRwsplit(cluster, ['--config', config, '--log-level', process.env['BENCH_LOG'] ?? 'fatal']);
    try {
      return await measure(cluster, proxy, rounds, switchovers);
    } finally {
      await proxy.stop();
    }
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true });
  }
}

async function measure(cluster: Cluster, proxy: Measured, rounds: number, switchovers: number): Promise<boolean> {
  const admin = await createConnection({ host: '127.0.0.1', port: proxy.port, ...cluster.accounts.monitor });
  const client = await createConnection({ host: '127.0.0.1', port: proxy.port, ...cluster.accounts.app });
  await client.query(`CREATE DATABASE ${SCHEMA}`);
  await client.query(`CREATE TABLE ${SCHEMA}.ledger (id VARCHAR(40) PRIMARY KEY)`);
  await client.end();
  let isKept = true;
  for (const fault of FAULTS) {
    const seen: Seen = { ms: [], lost: 0, wrong: 0, acknowledged: 0, unknown: 0, errors: [] };
    for (let round = 0; round < rounds; round++) await oneFault(cluster, proxy, admin, fault, seen);
    const { ms, lost, wrong, acknowledged, unknown, errors } = seen;
    process.stdout.write(
      `primary ${fault}, ${ms.length} times under ${WRITERS} writers: to the next acknowledged write p50 ${part(ms, 0.5)} ms, p95 ${part(ms, 0.95)} ms, ` +
        `at most ${part(ms, 1)} ms; ${acknowledged} acknowledged, ${lost} lost, ${wrong} written in spite of an error; ` +
        `${unknown} of unknown outcome, ${errors.length} other errors\n`,
    );
    for (const error of new Set(errors)) process.stdout.write(`  ${error}\n`);
    isKept &&= lost === 0 && wrong === 0;
  }
  if (switchovers > 0) isKept = (await planned(cluster, proxy, admin, switchovers)) && isKept;
  await admin.end();
  return isKept;
}

async function oneFault(cluster: Cluster, proxy: Measured, admin: Connection, fault: Fault, seen: Seen): Promise<void> {
  await allServe(cluster, admin);
  const primary = await primaryOf(cluster, admin);
  const ledger = writers(cluster, proxy);
  await waitUntil('writes', TIMEOUT_MS, async () => Promise.resolve(ledger.acknowledgedSince(0) > 200 || undefined));
  if (fault.startsWith('cut')) {
    for (const node of cluster.nodes) if (node !== primary) await asRoot(cluster, node, 'STOP REPLICA IO_THREAD');
    // Writes hang meanwhile: nobody acknowledges them.
    await pause(500);
  }
  const atMs = ledger.nowMs;
  await (fault === 'frozen' ? primary.freeze() : primary.kill());
  await waitUntil('another primary', TIMEOUT_MS, async () => {
    const name = (await nodesOf(admin)).find(({ role }) => role === 'primary')?.node;
    return name !== undefined && name !== `${primary.host}:${primary.port}` ? name : undefined;
  });
  await pause(500);
  seen.ms.push(backAfter(ledger.entries, atMs));
  if (fault === 'frozen') await primary.thaw();
  await ledger.stop();
  const now = await primaryOf(cluster, admin);
  const server = await createConnection({ host: now.host, port: now.port, ...cluster.accounts.root, database: SCHEMA });
  seen.lost += (await ledger.lostOn(server)).length;
  seen.wrong += (await ledger.unexpectedOn(server)).length;
  await server.end();
  seen.acknowledged += ledger.acknowledgedSince(0);
  for (const entry of ledger.entries) count(entry, seen);
}

/** How long after the fault the first write was acknowledged by the new primary: the one behind the longest silence. */
function backAfter(entries: readonly Entry[], faultMs: number): number {
  const acknowledged = entries.filter((it) => it.fate === 'acknowledged' && it.answeredMs > faultMs);
  let lastMs = faultMs;
  let longest = 0;
  let backMs = NaN;
  for (const atMs of acknowledged.map((it) => it.answeredMs).toSorted((x, y) => x - y)) {
    if (atMs - lastMs > longest) {
      longest = atMs - lastMs;
      backMs = atMs;
    }
    lastMs = atMs;
  }
  return backMs - faultMs;
}

function count({ fate, error }: Entry, seen: Seen): void {
  if (fate === 'acknowledged') return;
  if (error.includes('is not known')) seen.unknown++;
  else seen.errors.push(error.replaceAll(/\d+/g, 'N'));
}

/** One after another, from node to node, under the same writers. @returns whether no client had an error */
async function planned(cluster: Cluster, proxy: Measured, admin: Connection, count: number): Promise<boolean> {
  await allServe(cluster, admin);
  const ledger = writers(cluster, proxy);
  const stalls: number[] = [];
  let refused = 0;
  for (let i = 0; i < count; i++) {
    await allServe(cluster, admin);
    const primary = await primaryOf(cluster, admin);
    const to = cluster.nodes[(cluster.nodes.indexOf(primary) + 1) % cluster.nodes.length] ?? primary;
    const fromMs = ledger.nowMs;
    try {
      await admin.query(`RWSPLIT SWITCHOVER TO '${to.host}:${to.port}'`);
    } catch (error) {
      refused++;
      process.stdout.write(`  refused: ${String(error)}\n`);
    }
    await pause(50);
    stalls.push(longestStall(ledger.entries, fromMs, ledger.nowMs));
  }
  await ledger.stop();
  const primary = await primaryOf(cluster, admin);
  const server = await createConnection({
    host: primary.host,
    port: primary.port,
    ...cluster.accounts.root,
    database: SCHEMA,
  });
  const lost = (await ledger.lostOn(server)).length;
  await server.end();
  const errors = ledger.entries.filter(({ fate }) => fate !== 'acknowledged');
  process.stdout.write(
    `${count} planned switchovers under ${WRITERS} writers: ${refused} refused, ${errors.length} errors of clients, ${lost} of ${ledger.acknowledgedSince(0)} lost; ` +
      `longest time without an acknowledged write, p50 ${part(stalls, 0.5)} ms, p99 ${part(stalls, 0.99)} ms\n`,
  );
  for (const { error } of errors.slice(0, 5)) process.stdout.write(`  ${error}\n`);
  return errors.length === 0 && lost === 0;
}

/** Between two acknowledgements, of whichever writers. */
function longestStall(entries: readonly Entry[], fromMs: number, toMs: number): number {
  const times = entries
    .filter((it) => it.fate === 'acknowledged' && it.answeredMs >= fromMs)
    .map((it) => it.answeredMs);
  let longest = 0;
  let lastMs = fromMs;
  for (const atMs of [...times.toSorted((a, b) => a - b), toMs]) {
    longest = Math.max(longest, atMs - lastMs);
    lastMs = atMs;
  }
  return longest;
}

function writers(cluster: Cluster, { port }: Measured): Ledger {
  const ledger = new Ledger({ host: '127.0.0.1', port, ...cluster.accounts.app, database: SCHEMA });
  ledger.start(WRITERS);
  return ledger;
}

interface NodeRow extends RowDataPacket {
  readonly node: string;
  readonly role: string;
  readonly health: string;
}

async function nodesOf(admin: Connection): Promise<NodeRow[]> {
  const [rows] = await admin.query<NodeRow[]>('SHOW RWSPLIT NODES');
  return rows;
}

async function primaryOf(cluster: Cluster, admin: Connection): Promise<ClusterNode> {
  return waitUntil('a primary', TIMEOUT_MS, async () => {
    const name = (await nodesOf(admin)).find(({ role }) => role === 'primary')?.node;
    return cluster.nodes.find(({ host, port }) => `${host}:${port}` === name);
  });
}

/** Starts what is down: an old primary with transactions of its own gets its data anew, for which its server ends once more. */
async function allServe(cluster: Cluster, admin: Connection): Promise<void> {
  await waitUntil('all nodes serving', 2 * TIMEOUT_MS, async () => {
    for (const node of cluster.nodes) if (!(await listens(node.port))) await node.restart();
    const rows = await nodesOf(admin);
    return rows.every(({ role, health }) => role !== 'unknown' && health === 'up') || undefined;
  });
}

async function asRoot({ accounts }: Cluster, { host, port }: ClusterNode, sql: string): Promise<void> {
  const server = await createConnection({ host, port, ...accounts.root });
  await server.query(sql);
  await server.end();
}

function part(values: readonly number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN).toFixed(0);
}
