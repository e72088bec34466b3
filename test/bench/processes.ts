import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../../docker/cluster/cluster.js';

/** Linux counts a process's time in so many ticks a second (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = 100;

/** A program under measurement. */
export interface Measured {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** @returns user and system time of a process and its threads so far */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, in parentheses, may have blanks; after it the 12th and 13th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** @returns the most memory that a process has had resident, in bytes */
export function peakMemoryBytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1]) * 1024;
}

/** @returns the memory that a process has resident now, in bytes */
export function memoryBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1]) * 1024;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (typeof address !== 'object' || address === null) throw new Error('no port is free');
  return address.port;
}

/** Starts `rwsplit proxy` as a process of its own, before a cluster. @param flags beside those that it needs */
export async function startRwsplit(
  cluster: {
    readonly nodes: readonly { readonly host: string; readonly port: number }[];
    readonly accounts: Pick<Cluster['accounts'], 'monitor'>;
  },
  flags: readonly string[] = [],
): Promise<Measured> {
  const port = await freePort();
  const bin = fileURLToPath(new URL('../../proxy/cli/bin.js', import.meta.url));
  const nodes = cluster.nodes.flatMap((node) => ['--node', `${node.host}:${node.port}`]);
  const { user, password } = cluster.accounts.monitor;
  const child = spawn(
    process.execPath,
    [bin, 'proxy', '--listen', `127.0.0.1:${port}`, ...nodes, '--monitor-user', user].concat([
      '--monitor-password-env',
      'RWSPLIT_BENCH_PASSWORD',
      '--log-level',
      'error',
      '--data-dir',
      join(tmpdir(), 'rwsplit-bench-data'),
      ...flags,
    ]),
    { env: { ...process.env, RWSPLIT_BENCH_PASSWORD: password }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  return { pid: pidOf(child), port, stop: async () => end(child, 'SIGTERM') };
}

/** Starts a program and waits until it listens on `port`. */
export async function startProgram(command: string, args: readonly string[], port: number): Promise<Measured> {
  const child = spawn(command, [...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) =>
      reject(new Error(`${command} cannot be run; apt-get install ${command}`, { cause })),
    );
    child.once('exit', (code) => reject(new Error(`${command} ended with code ${code}`)));
  });
  failed.catch(() => undefined);
  await Promise.race([failed, untilListening(port)]);
  return { pid: pidOf(child), port, stop: async () => end(child, 'SIGTERM') };
}

async function untilListening(port: number): Promise<void> {
  const { connect } = await import('node:net');
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const listening = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (listening) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the program did not start');
  return child.pid;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
