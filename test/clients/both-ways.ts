import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, nodeInfo } from '../cluster.js';
import { startProxy, value, type TestProxy } from '../proxy.js';

/** Where a client connects: the primary itself or the proxy. */
export interface Server {
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
  /** What the client printed, the same directly and through the proxy. */
  readonly transcript: string;
  /** Statements that replicas ran for it when it was connected to the proxy. */
  readonly replicaReads: number;
}

const PROGRAM_TIMEOUT_MS = 50_000;
let proxy: Promise<TestProxy> | undefined;

/** The primary without anything in between. */
export function directly(schema: string): Server {
  const { host, port } = nodeInfo(0);
  return { host, port, ...clusterInfo().accounts.app, schema };
}

/** One proxy for all tests of a file. */
export async function throughProxy(schema: string): Promise<Server> {
  proxy ??= startProxy();
  const { host, port } = await proxy;
  return { host, port, ...clusterInfo().accounts.app, schema };
}

/**
 * A client does its work twice, each time in an empty schema of the same name: directly, and through the proxy. What it has to say must
 * be the same, byte by byte.
 * @param work gives the transcript; what differs between any two runs is masked in it
 */
export async function bothWays(schema: string, work: (server: Server) => Promise<string>): Promise<BothWays> {
  await freshSchema(schema);
  const expected = await work(directly(schema));
  await freshSchema(schema);
  const before = await readsOnReplicas();
  const transcript = await work(await throughProxy(schema));
  const replicaReads = (await readsOnReplicas()) - before;
  expect(transcript).toBe(expected);
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
): Promise<ProgramResult> {
  const child = spawn(file, args, {
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', MYSQL_PWD: password },
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

/** Runs a script of `scripts/`, which gets the server as its arguments. */
export async function runScript(
  [interpreter, ...options]: readonly [string, ...string[]],
  script: string,
  server: Server,
  more: readonly string[] = [],
): Promise<string> {
  const { host, port, user, password, schema } = server;
  const path = fileURLToPath(new URL(`scripts/${script}`, import.meta.url));
  const args = [...options, path, host, String(port), user, schema, ...more];
  return transcriptOf(await runProgram(interpreter, args, password));
}
