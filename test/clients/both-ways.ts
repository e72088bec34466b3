import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { CompressionAlgorithm } from '../../src/protocol/compression/codec.js';
import { COMPRESSION_ALGORITHMS } from '../../src/runtime/compression.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo } from '../cluster.js';
import { startProxy, temporaryDirectory, value, type TestProxy } from '../proxy.js';

/** What a client's bytes go over, besides plain TCP. */
export interface Way {
  readonly tls?: true;
  readonly compression?: CompressionAlgorithm;
  /** A Unix socket. */
  readonly local?: true;
}

/** Where a client connects: the primary itself or the proxy. */
export interface Server {
  /** The authority's certificate, where the client has to use TLS. */
  readonly ca: string | undefined;
  readonly compression: CompressionAlgorithm | undefined;
  /** The path of a Unix socket, where the client has to take that. */
  readonly socket: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly schema: string;
}

export interface ProgramResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface BothWays {
  /** What the client printed, the same directly and through the proxy by all ways. */
  readonly transcript: string;
  /** Statements that replicas ran for it when it was connected to the proxy. */
  readonly replicaReads: number;
}

export const PLAIN: Way = {};
export const SECURED: Way = { tls: true };
export const COMPRESSED: Way = { compression: 'zlib' };
export const SECURED_AND_COMPRESSED: Way = { tls: true, compression: 'zlib' };

const PROGRAM_TIMEOUT_MS = 50_000;
let proxy: Promise<{ readonly started: TestProxy; readonly directory: string }> | undefined;

/** The primary without anything in between. */
export function directly(schema: string): Server {
  const { host, port } = nodeInfo(0);
  const plain = { ca: undefined, compression: undefined, socket: undefined };
  return { host, port, ...plain, ...clusterInfo().accounts.app, schema };
}

/** One proxy for all tests of a file, which offers all ways. */
export async function throughProxy(schema: string, { tls, compression, local }: Way = PLAIN): Promise<Server> {
  proxy ??= startProxyWithAll();
  const { started, directory } = await proxy;
  const { host, port } = started;
  const ca = tls === true ? join(directory, 'ca.pem') : undefined;
  const socket = local === true ? join(directory, 'mysql.sock') : undefined;
  return { host, port, ca, compression, socket, ...clusterInfo().accounts.app, schema };
}

async function startProxyWithAll(): Promise<{ readonly started: TestProxy; readonly directory: string }> {
  const directory = await temporaryDirectory();
  const started = await startProxy({
    options: {
      listen: [{ host: '127.0.0.1', port: 0 }, { path: join(directory, 'mysql.sock') }],
      dataDirectory: directory,
      clients: { tls: { mode: 'preferred' }, compression: COMPRESSION_ALGORITHMS },
    },
  });
  return { started, directory };
}

/**
 * A client does its work several times, each time in an empty schema of the same name: directly and over plain TCP, then through the
 * proxy by each of the ways. What it has to say must be the same, byte by byte.
 * @param work gives the transcript; what differs between any two runs is masked in it
 * @returns of the way on which replicas ran least
 */
export async function bothWays(
  schema: string,
  work: (server: Server) => Promise<string>,
  ways: readonly [Way, ...Way[]] = [PLAIN],
): Promise<BothWays> {
  await freshSchema(schema);
  const transcript = await work(directly(schema));
  let replicaReads = Infinity;
  for (const way of ways) {
    await freshSchema(schema);
    const before = await readsOnReplicas();
    const proxied = await work(await throughProxy(schema, way));
    expect(proxied, `over ${JSON.stringify(way)}`).toBe(transcript);
    replicaReads = Math.min(replicaReads, (await readsOnReplicas()) - before);
  }
  return { transcript, replicaReads };
}

/** Texts and executions of prepared statements; what a replica runs of either reads. */
async function readsOnReplicas(): Promise<number> {
  const { accounts, nodes } = clusterInfo();
  const counts = await Promise.all(
    [...nodes.keys()].slice(1).map(async (index) => {
      const root = await connectDirect(index, accounts.root);
      const count = await value(
        root,
        `SELECT SUM(COUNT_STAR) FROM performance_schema.events_statements_summary_by_user_by_event_name
         WHERE USER = ? AND EVENT_NAME IN ('statement/sql/select', 'statement/com/Execute')`,
        [accounts.app.user],
      );
      root.destroy();
      return Number(count);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Runs a program to its end. The password goes by the environment, as the clients' own documentation has it. */
export async function runProgram(
  file: string,
  args: readonly string[],
  password: string,
  input: string | Buffer = '',
  environment: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  const child = spawn(file, args, {
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', MYSQL_PWD: password, ...environment },
    stdio: 'pipe',
    timeout: PROGRAM_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  // A program that ends early does not read all of its input; its exit code tells.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? -1));
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [stderr, exitCode] = await Promise.all([text(child.stderr), ended]);
  return { exitCode, stdout: Buffer.concat(chunks), stderr };
}

/** All that a program has to say, as one text. */
export function transcriptOf({ exitCode, stdout, stderr }: ProgramResult): string {
  return `${stdout.toString()}\n--- stderr\n${stderr}--- exit code ${exitCode}\n`;
}

/** Runs a script of `scripts/`, which gets the server as its arguments, and what lies between in `WAY_CA` and `WAY_COMPRESSION`. */
export async function runScript(
  [interpreter, ...options]: readonly [string, ...string[]],
  script: string,
  server: Server,
  more: readonly string[] = [],
): Promise<string> {
  const { host, port, user, password, schema, ca, compression } = server;
  const way = {
    ...(ca === undefined ? {} : { WAY_CA: ca }),
    ...(compression === undefined ? {} : { WAY_COMPRESSION: compression }),
  };
  const path = fileURLToPath(new URL(`scripts/${script}`, import.meta.url));
  const args = [...options, path, host, String(port), user, schema, ...more];
  return transcriptOf(await runProgram(interpreter, args, password, '', way));
}
