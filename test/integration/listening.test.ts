import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createConnection, type Connection, type ConnectionOptions } from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import type { ProxyOptions } from '../../proxy/options.js';
import { Proxy } from '../../proxy/proxy.js';
import { createLog } from '../../src/runtime/log.js';
import { clusterInfo } from '../cluster.js';
import { asRoot, eventually, startProxy, temporaryDirectory, value, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

async function connectTo(where: ConnectionOptions): Promise<Connection> {
  return createConnection({ ...clusterInfo().accounts.app, ...where });
}

describe('a Unix socket', () => {
  test('serves beside TCP, and passwords need not be hidden on it', async () => {
    const path = join(await temporaryDirectory(), 'mysql.sock');
    const proxy = await startProxy({ options: { listen: [LOOPBACK, { path }] } });
    const client = await connectTo({ socketPath: path });
    expect(await value(client, 'SELECT CURRENT_USER()')).toBe('app@%');
    await client.end();
    expect(await value(await proxy.connect(), 'SELECT 1')).toBe(1);
    await proxy.proxy.stop();
    expect(existsSync(path)).toBe(false);
  });

  test('serves clients that insist on TLS, each its own, any number at once', async () => {
    const path = join(await temporaryDirectory(), 'mysql.sock');
    const dataDirectory = await temporaryDirectory();
    const clients = { tls: { mode: 'required' } } as const;
    await startProxy({ options: { listen: [LOOPBACK, { path }], dataDirectory, clients } });
    const ssl = { rejectUnauthorized: false };
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const answers = await Promise.all(
      numbers.map(async (n) => {
        const client = await connectTo({ socketPath: path, ...(n % 4 === 0 ? {} : { ssl }) });
        const answer = await value(client, `SELECT ${n}`);
        await client.end();
        return answer;
      }),
    );
    expect(answers).toEqual(numbers);
  });

  test('of a process that is gone is taken over; one in use, and a file that is none, are left alone', async () => {
    const path = join(await temporaryDirectory(), 'mysql.sock');
    const other = createServer().listen(path);
    await once(other, 'listening');
    await expect(startProxy({ options: { listen: [{ path }] } })).rejects.toThrow(/mysql.sock is in use by another/);
    // Closing it would remove the file.
    const stale = join(await temporaryDirectory(), 'stale.sock');
    abandonSocket(stale);
    const proxy = new Proxy(optionsFor(stale), createLog('silent'));
    await proxy.start();
    const client = await connectTo({ socketPath: stale });
    expect(await value(client, 'SELECT 1')).toBe(1);
    await client.end();
    await proxy.stop();
    other.close();
    const file = join(await temporaryDirectory(), 'precious.txt');
    await writeFile(file, 'keep me');
    await expect(startProxy({ options: { listen: [{ path: file }] } })).rejects.toThrow(/precious.txt is in use/);
    expect(existsSync(file)).toBe(true);
  });
});

test('IPv6 is served like IPv4', async () => {
  const proxy = await startProxy({ options: { listen: [{ host: '::1', port: 0 }] } });
  const client = await connectTo({ host: '::1', port: proxy.port });
  expect(await value(client, 'SELECT CURRENT_USER()')).toBe('app@%');
  client.destroy();
});

describe('the PROXY protocol', () => {
  const V1 = Buffer.from('PROXY TCP4 192.0.2.77 198.51.100.1 4711 3306\r\n');
  const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000fc000024dc633640112670cea030000', 'hex');
  const V2_LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

  /** Where the proxy takes a client to be, told by a refusal. */
  async function seenAt(proxy: TestProxy, header: Buffer): Promise<string> {
    const client = await RawClient.logIn({
      ...clusterInfo().accounts.app,
      host: proxy.host,
      port: proxy.port,
      preamble: header,
    }).catch((error: unknown) => error);
    if (client instanceof RawClient) return 'was let in';
    return /may not connect from (\S+)/.exec(String(client))?.[1] ?? String(client);
  }

  /** Refuses `app` from everywhere, and so tells where it comes from. */
  async function tellingProxy(proxyProtocol: readonly string[]): Promise<TestProxy> {
    const users = [{ name: 'app', networks: ['203.0.113.0/24'] }];
    return startProxy({ options: { users, clients: { proxyProtocol } } });
  }

  test('tells where clients come from, in both versions, whole or cut at any place', async () => {
    const proxy = await tellingProxy(['127.0.0.0/8']);
    for (const header of [V1, V2]) expect(await seenAt(proxy, header)).toBe('192.0.2.77');
    expect(await seenAt(proxy, Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n'))).toBe('2001:db8::7');
  });

  test('is optional, and may say nothing of a client', async () => {
    const proxy = await tellingProxy(['127.0.0.1']);
    for (const header of [Buffer.alloc(0), V2_LOCAL, Buffer.from('PROXY UNKNOWN\r\n')]) {
      expect(await seenAt(proxy, header)).toBe('127.0.0.1');
    }
  });

  test('is taken from the networks that are named only', async () => {
    const proxy = await tellingProxy(['192.0.2.0/24']);
    for (const header of [V1, V2]) expect(await seenAt(proxy, header)).toMatch(/out of order|may have 131072 bytes/);
    expect(await seenAt(proxy, Buffer.alloc(0))).toBe('127.0.0.1');
  });

  test('that is malformed ends the connection', async () => {
    const proxy = await tellingProxy(['127.0.0.1']);
    for (const text of [
      'PROXY TCP4 nonsense\r\n',
      `PROXY ${'x'.repeat(200)}`,
      'PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n',
    ]) {
      expect(await seenAt(proxy, Buffer.from(text))).toMatch(/PROXY protocol header cannot be read/);
    }
  });
});

describe('limits', () => {
  async function refusal(attempt: Promise<Connection>): Promise<unknown> {
    return attempt.then(
      () => 'was let in',
      (error: unknown) => error,
    );
  }

  test('of clients in all: one more gets 1040, and there is room again when one leaves', async () => {
    const proxy = await startProxy({ options: { limits: { connections: 2 } } });
    const first = await proxy.connect();
    await proxy.connect();
    expect(await refusal(proxy.connect())).toMatchObject({ errno: 1040 });
    await first.end();
    await eventually(async () => expect(await refusal(proxy.connect())).toBe('was let in'));
  });

  test('of clients for each user, also of those that the configuration gives another one', async () => {
    const users = [{ name: 'limited', connections: 1 }];
    await asRoot('CREATE USER IF NOT EXISTS limited@`%` IDENTIFIED BY "l"');
    const proxy = await startProxy({ options: { users, limits: { connectionsPerUser: 2 } } });
    await proxy.connect();
    const second = await proxy.connect();
    expect(await refusal(proxy.connect())).toMatchObject({ errno: 1203 });
    const limited = await proxy.connect({ user: 'limited', password: 'l' });
    expect(await refusal(proxy.connect({ user: 'limited', password: 'l' }))).toMatchObject({ errno: 1203 });
    // A change of user counts for both.
    await limited.end();
    await eventually(async () => second.changeUser({ user: 'limited', password: 'l' }));
    expect(await refusal(proxy.connect())).toBe('was let in');
    expect(await refusal(proxy.connect({ user: 'limited', password: 'l' }))).toMatchObject({ errno: 1203 });
  });

  test('of clients for each address, by the PROXY protocol too', async () => {
    const proxy = await startProxy({
      options: { limits: { connectionsPerAddress: 1 }, clients: { proxyProtocol: ['127.0.0.1'] } },
    });
    const login = { ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port };
    const from = (address: string): Buffer => Buffer.from(`PROXY TCP4 ${address} 192.0.2.1 1 2\r\n`);
    const moved = await RawClient.logIn({ ...login, preamble: from('192.0.2.7') });
    await expect(RawClient.logIn({ ...login, preamble: from('192.0.2.7') })).rejects.toThrow(
      /192.0.2.7, which is the max/,
    );
    await RawClient.logIn({ ...login, preamble: from('192.0.2.8') });
    moved.destroy();
    await eventually(async () => {
      await RawClient.logIn({ ...login, preamble: from('192.0.2.7') });
    });
  });

  test('of time to log in', async () => {
    const proxy = await startProxy({ options: { limits: { loginTimeoutMs: 200 } } });
    const silent = new RawClient(proxy.host, proxy.port);
    await silent.read();
    const { payload } = await silent.read();
    expect(payload.readUInt16LE(1)).toBe(1159);
    await silent.ended();
    expect(await value(await proxy.connect(), 'SELECT 1')).toBe(1);
  });

  test("of idle time, or a session's own wait_timeout: MySQL's error, then the end", async () => {
    const proxy = await startProxy({ options: { limits: { idleTimeoutMs: 1_500 } } });
    const login = { ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port };
    const idle = await RawClient.logIn(login);
    const patient = await RawClient.logIn(login);
    await patient.query('SET wait_timeout = 1000');
    const { payload, sequenceId } = await idle.read();
    expect([sequenceId, payload.readUInt16LE(1)]).toEqual([0, 4031]);
    await idle.ended();
    expect((await patient.query('SELECT 1')).length).toBeGreaterThan(1);
    await asRoot('SET GLOBAL wait_timeout = 1');
    try {
      const ofServer = await RawClient.logIn({ ...clusterInfo().accounts.app, ...(await startProxy()) });
      expect((await ofServer.read()).payload.readUInt16LE(1)).toBe(4031);
    } finally {
      await asRoot('SET GLOBAL wait_timeout = DEFAULT');
    }
    const hasty = await RawClient.logIn({ ...clusterInfo().accounts.app, ...(await startProxy()) });
    await hasty.query('SET wait_timeout = 1');
    expect((await hasty.read()).payload.readUInt16LE(1)).toBe(4031);
  });

  test("of a message's length: MySQL's error, and nobody else is disturbed", async () => {
    const proxy = await startProxy({ options: { limits: { packetBytes: 100_000 } } });
    const client = await proxy.connect();
    const other = await proxy.connect();
    expect(await value(client, `SELECT LENGTH('${'x'.repeat(99_000)}')`)).toBe(99_000);
    await expect(client.query(`SELECT '${'x'.repeat(100_000)}'`)).rejects.toMatchObject({ errno: 1153 });
    expect(await value(other, 'SELECT 1')).toBe(1);
  });

  test('before the login a message is short, whatever its header says', async () => {
    const proxy = await startProxy();
    const client = new RawClient(proxy.host, proxy.port);
    await client.read();
    client.socket.write(Buffer.from([0xff, 0xff, 0xff, 1]));
    client.socket.write(Buffer.alloc(200_000, 1));
    expect((await client.read()).payload.readUInt16LE(1)).toBe(1153);
    await client.ended();
  });
});

/** Leaves a socket's file behind as a killed process does. */
function abandonSocket(path: string): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  expect(existsSync(path)).toBe(true);
}

function optionsFor(path: string): ProxyOptions {
  const { nodes, accounts } = clusterInfo();
  return {
    listen: [{ path }],
    nodes: nodes.map(({ host, port }) => ({ name: `${host}:${port}`, host, port })),
    monitor: accounts.monitor,
    poolMax: 5,
  };
}

describe('a client that is told to go', () => {
  /** Never closes its side, and goes on sending. @returns what it was told, when the proxy has closed its own */
  async function staysOn({ host, port }: TestProxy): Promise<string> {
    const socket = connect({ host, port, allowHalfOpen: true });
    let told = '';
    socket.on('data', (chunk: Buffer) => (told += chunk.toString('latin1')));
    await once(socket, 'end');
    const sending = setInterval(() => socket.write('\0'), 50);
    // Bytes to a socket that nobody has any more are answered so.
    const [error]: unknown[] = await once(socket, 'error').catch((reason: unknown) => [reason]);
    clearInterval(sending);
    expect(String(error)).toMatch(/ECONNRESET|EPIPE/);
    return told;
  }

  test('since there are too many, is not kept for its not going', async () => {
    const proxy = await startProxy({ options: { limits: { connections: 1 } } });
    const client = await proxy.connect();
    expect(await staysOn(proxy)).toContain('which is the maximum');
    expect(await value(client, 'SELECT 1')).toBe(1);
  });

  test('since it does not log in, is not kept for its sending on', async () => {
    const proxy = await startProxy({ options: { limits: { loginTimeoutMs: 200 } } });
    expect(await staysOn(proxy)).toContain('no login in 200 ms');
  });
});
