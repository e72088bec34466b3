import { connect } from 'node:net';
import { once } from 'node:events';
import { createConnection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeHandshakeResponse } from '../../src/protocol/packets/handshake-response.js';
import { decodeHandshakeV10 } from '../../src/protocol/packets/handshake-v10.js';
import { MalformedPacket } from '../../src/protocol/malformed-packet.js';
import { scramble } from '../../src/protocol/auth/caching-sha2.js';
import { clusterInfo, nodeInfo } from '../cluster.js';
import { asRoot, startProxy, value, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

let proxy: TestProxy;
beforeAll(async () => {
  proxy = await startProxy();
  await asRoot(
    'CREATE USER IF NOT EXISTS login_plain@`%` IDENTIFIED WITH caching_sha2_password BY "first"',
    'CREATE USER IF NOT EXISTS login_empty@`%` IDENTIFIED WITH caching_sha2_password BY ""',
    'ALTER USER login_plain@`%` IDENTIFIED BY "first"',
  );
});

describe('a login', () => {
  test('with the right password gets in, as the user who asked', async () => {
    const client = await proxy.connect({ user: 'login_plain', password: 'first' });
    expect(await value(client, 'SELECT CURRENT_USER()')).toBe('login_plain@%');
  });

  test('with a wrong password, of an unknown user, or without a password is refused in the words of the server', async () => {
    for (const account of [
      { user: 'login_plain', password: 'wrong' },
      { user: 'no_such_user', password: 'x' },
      { user: 'login_plain', password: '' },
    ]) {
      const direct = await refusal({ ...account, host: nodeInfo(0).host, port: nodeInfo(0).port });
      const proxied = await refusal({ ...account, host: proxy.host, port: proxy.port });
      expect(proxied).toEqual(direct);
      expect(proxied).toMatchObject({ errno: 1045, sqlState: '28000' });
    }
    // Also when the right password is known.
    await proxy.connect({ user: 'login_plain', password: 'first' });
    expect(await refusal({ user: 'login_plain', password: 'wrong', ...proxy })).toMatchObject({ errno: 1045 });
  });

  test('of an account without a password gets in with none, and not with one', async () => {
    const client = await proxy.connect({ user: 'login_empty', password: '' });
    expect(await value(client, 'SELECT CURRENT_USER()')).toBe('login_empty@%');
    expect(await refusal({ user: 'login_empty', password: 'x', ...proxy })).toMatchObject({ errno: 1045 });
  });

  test('with a password that was changed on the server gets in at once', async () => {
    const before = await proxy.connect({ user: 'login_plain', password: 'first' });
    await asRoot('ALTER USER login_plain@`%` IDENTIFIED BY "second"');
    const client = await proxy.connect({ user: 'login_plain', password: 'second' });
    for (let i = 0; i < 3; i++) expect(await value(client, 'SELECT 1')).toBe(1);
    // Who is logged in stays so, as on a server.
    expect(await value(before, 'SELECT 1')).toBe(1);
    expect(await value(before, 'SELECT 1')).toBe(1);
    expect(await refusal({ user: 'login_plain', password: 'first', ...proxy })).toMatchObject({ errno: 1045 });
    await asRoot('ALTER USER login_plain@`%` IDENTIFIED BY "first"');
  });

  test('into a schema that is not there, or not allowed, is refused in the words of the server', async () => {
    const known = { host: proxy.host, port: proxy.port, ...clusterInfo().accounts.app, database: 'no_such_schema' };
    expect(await refusal(known)).toMatchObject({ errno: 1049, message: "Unknown database 'no_such_schema'" });
    const forbidden = { user: 'login_empty', password: '', database: 'mysql' };
    const direct = await refusal({ ...forbidden, host: nodeInfo(0).host, port: nodeInfo(0).port });
    expect(await refusal({ ...forbidden, ...proxy })).toEqual(direct);
    expect(direct).toMatchObject({ errno: 1044 });
  });

  test('tells its password only until it is known, then proves it', async () => {
    const own = await startProxy();
    const account = { ...clusterInfo().accounts.app, host: own.host, port: own.port };
    const first = await RawClient.logIn(account);
    const second = await RawClient.logIn(account);
    expect([first.toldPassword, second.toldPassword]).toEqual([true, false]);
  });

  test('that begins with another plugin is switched to caching_sha2_password', async () => {
    const client = new RawClient(proxy.host, proxy.port);
    const greeting = decodeHandshakeV10((await client.read()).payload);
    if (greeting instanceof MalformedPacket) throw new Error('no greeting');
    const { user, password } = clusterInfo().accounts.app;
    await proxy.connect();
    client.send(
      encodeHandshakeResponse({
        capabilities: 0x88a201,
        maxPacketBytes: 1 << 24,
        collation: 45,
        user,
        authResponse: Buffer.alloc(20, 1),
        database: '',
        authPlugin: 'mysql_native_password',
        attributes: Buffer.alloc(0),
      }),
      1,
    );
    const { payload, sequenceId } = await client.read();
    expect(payload[0]).toBe(0xfe);
    expect(payload.subarray(1, 22).toString()).toBe('caching_sha2_password');
    client.send(scramble(password, payload.subarray(23, 43)), sequenceId + 1);
    expect((await client.read()).payload).toEqual(Buffer.from([1, 3]));
    expect((await client.read()).payload[0]).toBe(0);
  });

  test('is greeted with the version of the servers', async () => {
    const client = new RawClient(proxy.host, proxy.port);
    const greeting = decodeHandshakeV10((await client.read()).payload);
    expect(greeting).toMatchObject({ serverVersion: clusterInfo().version, authPlugin: 'caching_sha2_password' });
  });
});

describe('bytes that are no login', () => {
  const GARBAGE: readonly (readonly [string, Buffer])[] = [
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['zeros', Buffer.alloc(100)],
    ['a packet of the right form with nothing in it', Buffer.from([0, 0, 0, 1])],
    ['a packet with random bytes', Buffer.concat([Buffer.from([32, 0, 0, 1]), Buffer.alloc(32, 0xa5)])],
    [
      'a login that ends in the middle of the user',
      Buffer.from([36, 0, 0, 1, 0, 2, 0, 0, ...Array(28).fill(0), 65, 66, 67, 68]),
    ],
    ['a packet out of order', Buffer.from([1, 0, 0, 7, 0])],
  ];
  for (const [name, bytes] of GARBAGE) {
    test(`(${name}) end their connection, and others are still served`, async () => {
      const socket = connect(proxy.port, proxy.host);
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes);
      socket.end();
      await once(socket, 'close');
      const client = await proxy.connect();
      expect(await value(client, 'SELECT 1')).toBe(1);
    });
  }

  test('that never come end nothing but themselves', async () => {
    const socket = connect(proxy.port, proxy.host);
    socket.on('error', () => {});
    await once(socket, 'data');
    socket.destroy();
    const client = await proxy.connect();
    expect(await value(client, 'SELECT 1')).toBe(1);
  });
});

async function refusal(options: { host: string; port: number; user: string; password: string; database?: string }) {
  const { host, port, user, password, database } = options;
  try {
    const connection = await createConnection({
      host,
      port,
      user,
      password,
      ...(database === undefined ? {} : { database }),
    });
    connection.destroy();
    return 'was let in';
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error) || !('sqlState' in error)) throw error;
    return { errno: error.errno, sqlState: error.sqlState, message: error.message };
  }
}
