import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createConnection } from 'mysql2/promise';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo, nodeInfo } from '../cluster.js';
import { temporaryDirectory, value } from '../proxy.js';

const BIN = fileURLToPath(new URL('../../dist/proxy/cli/bin.js', import.meta.url));
let dataDirectory: string;
beforeAll(async () => {
  dataDirectory = await temporaryDirectory();
  if (!existsSync(BIN)) throw new Error(`${BIN} is missing: run "npm run build" first`);
});

function start(args: readonly string[], password = clusterInfo().accounts.monitor.password): ChildProcess {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...process.env, MONITOR_PASSWORD: password },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

function proxyArgs(...nodes: { host: string; port: number }[]): string[] {
  return [
    'proxy',
    ...nodes.flatMap(({ host, port }) => ['--node', `${host}:${port}`]),
    ...['--listen', '127.0.0.1:0', '--log-level', 'silent', '--data-dir', dataDirectory],
    ...['--monitor-user', clusterInfo().accounts.monitor.user, '--monitor-password-env', 'MONITOR_PASSWORD'],
  ];
}

async function ended(child: ChildProcess): Promise<{ code: unknown; out: string; error: string }> {
  const [[code], out, error] = await Promise.all([
    once(child, 'exit'),
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
  ]);
  return { code, out, error };
}

async function readyPort(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^rwsplit: ready on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error('it ended before it was ready');
}

describe('rwsplit proxy', () => {
  test('says when it is ready, serves, and ends with 0 when told to', async () => {
    const child = start(proxyArgs(...clusterInfo().nodes));
    const port = await readyPort(child);
    const client = await createConnection({ host: '127.0.0.1', port, ...clusterInfo().accounts.app });
    client.on('error', () => {});
    expect([2, 3]).toContain(await value(client, 'SELECT @@server_id'));
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    client.destroy();
  });

  test('that is told to end lets a transaction come to its end', async () => {
    const child = start(proxyArgs(...clusterInfo().nodes));
    const port = await readyPort(child);
    const client = await createConnection({ host: '127.0.0.1', port, ...clusterInfo().accounts.app });
    client.on('error', () => {});
    await client.query('BEGIN');
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await value(client, 'SELECT 1')).toBe(1);
    await client.query('COMMIT');
    expect((await exit)[0]).toBe(0);
    client.destroy();
  });

  test('reads its settings from a file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rwsplit-test-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const path = join(directory, 'rwsplit.yaml');
    const nodes = clusterInfo().nodes.map(({ host, port }) => `  - ${host}:${port}\n`);
    const { user } = clusterInfo().accounts.monitor;
    await writeFile(
      path,
      `listen: 127.0.0.1:0\nnodes:\n${nodes.join('')}monitor: { user: ${user}, password_env: MONITOR_PASSWORD }\nlog: { level: silent }\n`,
    );
    const child = start(['proxy', '--config', path]);
    const port = await readyPort(child);
    const client = await createConnection({ host: '127.0.0.1', port, ...clusterInfo().accounts.app });
    expect(await value(client, 'SELECT 1')).toBe(1);
    await client.end();
    child.kill('SIGINT');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  test('finds the primary from a single replica, and starts although a server that is named is down', async () => {
    const child = start(proxyArgs(nodeInfo(1), { host: '127.0.0.1', port: await freePort() }));
    const port = await readyPort(child);
    const client = await createConnection({ host: '127.0.0.1', port, ...clusterInfo().accounts.app });
    expect(await value(client, 'SELECT /* rwsplit: primary */ @@server_id')).toBe(1);
    const ids = new Set<unknown>();
    for (let i = 0; i < 4; i++) ids.add(await value(client, 'SELECT @@server_id'));
    expect(ids).toEqual(new Set([2, 3]));
    await client.end();
    child.kill('SIGINT');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  describe('ends with one sentence', () => {
    async function sentence(args: readonly string[], password?: string): Promise<{ code: unknown; error: string }> {
      const { code, out, error } = await ended(start(args, password));
      expect(out).toBe('');
      expect(error).toMatch(/^rwsplit: [^\n]+\n$/);
      return { code, error };
    }

    test('when a flag is unknown', async () => {
      expect(await sentence(['proxy', '--nodes', 'x'])).toEqual({
        code: 2,
        error: expect.stringContaining("'--nodes'"),
      });
    });

    test('when there is no such verb', async () => {
      expect(await sentence(['prxy'])).toEqual({ code: 2, error: expect.stringContaining("no verb 'prxy'") });
    });

    test('when no server is named, an address is none, or one is named twice', async () => {
      expect(await sentence(['proxy', '--monitor-user', 'm'])).toMatchObject({ code: 2 });
      expect(await sentence([...proxyArgs(), '--node', 'a:b:c'])).toEqual({
        code: 2,
        error: expect.stringContaining("not 'a:b:c'"),
      });
      expect(await sentence(proxyArgs(nodeInfo(0), nodeInfo(0)))).toEqual({
        code: 2,
        error: expect.stringContaining('twice'),
      });
    });

    test('when no server can be reached', async () => {
      // Nobody listens where nobody can: the port was given back a moment ago.
      const port = await freePort();
      const outcome = await sentence(proxyArgs({ host: '127.0.0.1', port }));
      const error = expect.stringMatching(new RegExp(`no node can be used: 127.0.0.1:${port}: .*ECONNREFUSED`));
      expect(outcome).toEqual({ code: 1, error });
    });

    test("when the monitor's password is wrong", async () => {
      const outcome = await sentence(proxyArgs(...clusterInfo().nodes), 'wrong');
      expect(outcome).toEqual({ code: 1, error: expect.stringMatching(/refused the monitor's login.*--monitor-user/) });
    });

    test('when two servers take writes', async () => {
      const other = await startCluster({ replicaCount: 0, fast: true, provider: clusterInfo().provider });
      onTestFinished(() => other.stop());
      const { user, password } = clusterInfo().accounts.monitor;
      const root = await createConnection({ host: '127.0.0.1', port: other.nodes[0].port, ...other.accounts.root });
      await root.query(`DROP USER IF EXISTS ${user}`);
      await root.query(`CREATE USER ${user} IDENTIFIED BY ?`, [password]);
      await root.query(`GRANT REPLICATION CLIENT ON *.* TO ${user}`);
      await root.end();
      const outcome = await sentence([...proxyArgs(nodeInfo(0), other.nodes[0]), '--fixed-nodes']);
      expect(outcome).toEqual({ code: 1, error: expect.stringMatching(/ and .* all take writes/) });
    });

    test('when its port is in use', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      onTestFinished(() => void server.close());
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const outcome = await sentence([...proxyArgs(...clusterInfo().nodes), '--listen', `127.0.0.1:${port}`]);
      expect(outcome).toEqual({ code: 1, error: expect.stringMatching(new RegExp(`127.0.0.1:${port} is in use`)) });
    });

    test('when the configuration has an unknown key: where it is, and what may be meant', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'rwsplit-test-'));
      onTestFinished(() => rm(directory, { recursive: true }));
      const path = join(directory, 'wrong.yaml');
      await writeFile(path, 'listen: 127.0.0.1:0\nnode:\n  - 127.0.0.1:1\n');
      const outcome = await sentence(['proxy', '--config', path]);
      expect(outcome).toEqual({ code: 2, error: `rwsplit: ${path}:2:1: unknown key 'node'; did you mean 'nodes'?\n` });
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
