import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterInfo } from '../cluster.js';
import { eventually, temporaryDirectory, value } from '../proxy.js';
import { RawClient } from '../raw-client.js';

/** A proxy of its own process, whose memory can be seen. */
let proxy: ChildProcess;
let port: number;
let neighbour: Connection;
const sockets: Socket[] = [];

beforeAll(async () => {
  const { nodes, accounts } = clusterInfo();
  const args = nodes.flatMap((node) => ['--node', `${node.host}:${node.port}`]);
  proxy = spawn(
    process.execPath,
    [
      join(import.meta.dirname, '../../dist/proxy/cli/bin.js'),
      'proxy',
      ...['--listen', '127.0.0.1:0', '--data-dir', await temporaryDirectory(), '--log-level', 'error'],
      ...['--monitor-user', accounts.monitor.user, '--monitor-password-env', 'MONITOR_PASSWORD'],
      ...args,
    ],
    { env: { ...process.env, MONITOR_PASSWORD: accounts.monitor.password }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (proxy.stdout === null) throw new Error('no output');
  const [line] = await once(createInterface(proxy.stdout), 'line');
  port = Number(/:(\d+)$/.exec(String(line))?.[1]);
  neighbour = await createConnection({ host: '127.0.0.1', port, ...accounts.app });
  // The code that a login needs is loaded, and compiled, once.
  await (await createConnection({ host: '127.0.0.1', port, ...accounts.app })).end();
});
beforeEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  neighbour.destroy();
  proxy.kill();
  if (proxy.exitCode === null) await once(proxy, 'exit');
});

/** Resident memory of the proxy, in bytes. */
function memoryBytes(): number {
  const status = readFileSync(`/proc/${proxy.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** So many connections, each of which sends something and then nothing more. */
async function flood(count: number, bytes: Buffer): Promise<Socket[]> {
  const flooding = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1' }));
  sockets.push(...flooding);
  await Promise.all(
    flooding.map(async (socket) => {
      socket.on('error', () => {});
      socket.resume();
      await once(socket, 'connect');
      socket.write(bytes);
    }),
  );
  return flooding;
}

async function neighbourIsServed(): Promise<void> {
  for (let i = 0; i < 20; i++) expect(await value(neighbour, 'SELECT 1')).toBe(1);
  const another = await createConnection({ host: '127.0.0.1', port, ...clusterInfo().accounts.app });
  expect(await value(another, 'SELECT 1')).toBe(1);
  another.destroy();
}

const LOGIN_HEAD = Buffer.from('0000010185a60f00', 'hex');

describe('a flood of connections', () => {
  test.each([
    ['say nothing', Buffer.alloc(0), 20],
    ['send half a packet', LOGIN_HEAD, 20],
    [
      'send as much as a login may have, and no end',
      Buffer.concat([Buffer.from([0xff, 0xff, 1, 1]), Buffer.alloc(120_000)]),
      140,
    ],
    ['send garbage', Buffer.alloc(1_000, 0xa5), 20],
    ['send no MySQL', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 20],
    ['begin TLS and do not go on', Buffer.concat([Buffer.from('200000018dae0f00', 'hex'), Buffer.alloc(28)]), 60],
    [
      'begin TLS with garbage',
      Buffer.concat([Buffer.from('200000018dae0f00', 'hex'), Buffer.alloc(28), Buffer.alloc(500, 7)]),
      60,
    ],
  ])('that %s leaves others served, and takes a bounded memory', async (_what, bytes, maxMegabytes) => {
    const before = memoryBytes();
    await flood(500, bytes);
    await neighbourIsServed();
    expect((memoryBytes() - before) / 1_048_576).toBeLessThan(maxMegabytes);
  });

  test('that send more than a login may have are ended, whatever length they say', async () => {
    const before = memoryBytes();
    const flooding = await flood(100, Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 1]), Buffer.alloc(2_000_000)]));
    await neighbourIsServed();
    await eventually(() => expect(flooding.filter((socket) => socket.destroyed)).toHaveLength(100));
    expect((memoryBytes() - before) / 1_048_576).toBeLessThan(120);
  });
});

test('wrong logins by the hundred are refused, and others still get in', async () => {
  const { app } = clusterInfo().accounts;
  const attempts = Array.from({ length: 300 }, async (_, i) =>
    createConnection({ host: '127.0.0.1', port, user: `nobody_${i % 7}`, password: 'guess' }).then(
      () => 'was let in',
      (error: unknown) => (error instanceof Error && 'errno' in error ? error.errno : error),
    ),
  );
  const [right] = await Promise.all([createConnection({ host: '127.0.0.1', port, ...app }), neighbourIsServed()]);
  expect(await value(right, 'SELECT CURRENT_USER()')).toBe('app@%');
  right.destroy();
  expect(new Set(await Promise.all(attempts))).toEqual(new Set([1045]));
});

test('messages that never end are held only as far as they came, and let go with their clients', async () => {
  const { app } = clusterInfo().accounts;
  const before = memoryBytes();
  const clients = await Promise.all(
    Array.from({ length: 30 }, async () => RawClient.logIn({ host: '127.0.0.1', port, ...app })),
  );
  for (const client of clients)
    client.socket.write(Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0]), Buffer.alloc(1_000_000)]));
  await neighbourIsServed();
  expect((memoryBytes() - before) / 1_048_576).toBeLessThan(120);
  for (const client of clients) client.destroy();
  await neighbourIsServed();
});

test('a compressed packet that is no such thing, or more than it says, ends its connection only', async () => {
  const { app } = clusterInfo().accounts;
  for (const body of [Buffer.alloc(60, 0xa5), Buffer.from('789c', 'hex')]) {
    const client = await RawClient.logIn({ host: '127.0.0.1', port, ...app, compression: 'zlib' });
    const head = Buffer.from([body.length, 0, 0, 0, 100, 0, 0]);
    client.socket.write(Buffer.concat([head, body]));
    await client.ended();
  }
  await neighbourIsServed();
});
