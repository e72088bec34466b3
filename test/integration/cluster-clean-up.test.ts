import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection as connectSocket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo } from '../cluster.js';

const COMPILED = fileURLToPath(new URL('../../dist/docker/cluster/start-cluster.js', import.meta.url));
// One server is enough to be left behind.
const OPTIONS = { replicaCount: 0, fast: true } as const;

test('a program that is killed leaves no server that outlives the next start', async () => {
  const { provider } = clusterInfo();
  const orphanPort = await startAndKillProgram();
  if (provider !== 'container') {
    // Local servers are held by a pipe and need no next start.
    await vi.waitFor(async () => expect(await isServing(orphanPort)).toBe(false), { timeout: 30_000 });
  }

  const next = await startCluster({ ...OPTIONS, provider });
  onTestFinished(() => next.stop());
  expect(await isServing(orphanPort)).toBe(false);
  expect(await isServing(next.nodes[0].port)).toBe(true);
});

test('a server that is killed comes back with its data, and one that is frozen goes on', async () => {
  const cluster = await startCluster({ ...OPTIONS, provider: clusterInfo().provider });
  const [node] = cluster.nodes;
  await node.kill();
  expect(await isServing(node.port)).toBe(false);
  await node.restart();
  expect(await isServing(node.port)).toBe(true);
  await node.freeze();
  await node.thaw();
  expect(await isServing(node.port)).toBe(true);
  await cluster.stop();
  expect(await isServing(node.port)).toBe(false);
});

test('a start that is aborted leaves no server', async () => {
  const abort = new AbortController();
  const starting = startCluster({
    ...OPTIONS,
    provider: clusterInfo().provider,
    signal: abort.signal,
    onProgress: (line) => {
      if (line.startsWith('starting')) abort.abort(new Error('enough'));
    },
  });
  await expect(starting).rejects.toThrow('enough');
});

/** The port of the server that a program had when it was ended by SIGKILL. */
async function startAndKillProgram(): Promise<number> {
  if (!existsSync(COMPILED)) throw new Error(`${COMPILED} is missing: run "npm run build" first`);
  const program = `
    import { startCluster } from ${JSON.stringify(COMPILED)};
    const { nodes } = await startCluster(${JSON.stringify({ ...OPTIONS, provider: clusterInfo().provider })});
    process.stdout.write(nodes[0].port + '\\n');
    setInterval(() => {}, 60_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const port = Number(await firstLine(child));
  expect(await isServing(port)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return port;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout !== null) for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('the program ended before its cluster was up');
}

/** A server greets whoever connects. */
function isServing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket({ host: '127.0.0.1', port, timeout: 5_000 });
    const end = (serving: boolean): void => {
      socket.destroy();
      resolve(serving);
    };
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
