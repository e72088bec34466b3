import { beforeAll, describe, expect, test } from 'vitest';
import type { ProxyOptions } from '../../proxy/options.js';
import { Capability, SERVER_CONNECTION_FLAGS } from '../../src/protocol/capabilities.js';
import { encryptPassword, scramble } from '../../src/protocol/auth/caching-sha2.js';
import { encodeClearPassword } from '../../src/protocol/auth/clear-password.js';
import { nativeScramble } from '../../src/protocol/auth/native-password.js';
import { MalformedPacket } from '../../src/protocol/malformed-packet.js';
import { decodeAuthSwitchRequest } from '../../src/protocol/packets/auth-switch-request.js';
import { decodeErr } from '../../src/protocol/packets/err.js';
import { encodeHandshakeResponse } from '../../src/protocol/packets/handshake-response.js';
import { decodeHandshakeV10, type HandshakeV10 } from '../../src/protocol/packets/handshake-v10.js';
import { encodeSslRequest } from '../../src/protocol/packets/ssl-request.js';
import { clusterInfo } from '../cluster.js';
import { asRoot, eventually, startProxy, temporaryDirectory, value, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

const NATIVE = 'mysql_native_password';
const SHA2 = 'caching_sha2_password';
const CLEAR = 'mysql_clear_password';
const SECRET = { user: 'auth_user', password: 'sécret' };

beforeAll(async () => {
  await asRoot(
    `CREATE USER IF NOT EXISTS auth_user@\`%\` IDENTIFIED BY '${SECRET.password}'`,
    'GRANT SELECT ON *.* TO auth_user@`%`',
    'CREATE USER IF NOT EXISTS auth_empty@`%` IDENTIFIED BY ""',
  );
});

async function proxyWith(options: Partial<ProxyOptions> = {}): Promise<TestProxy> {
  const dataDirectory = await temporaryDirectory();
  return startProxy({ options: { dataDirectory, clients: { tls: { mode: 'preferred' } }, ...options } });
}

/** A login taken step by step. */
class Attempt {
  readonly #client: RawClient;
  readonly #greeting: HandshakeV10;
  #sequenceId = 0;

  private constructor(client: RawClient, greeting: HandshakeV10) {
    this.#client = client;
    this.#greeting = greeting;
  }

  static async begin({ host, port }: TestProxy): Promise<Attempt> {
    const client = new RawClient(host, port);
    const greeting = decodeHandshakeV10((await client.read()).payload);
    if (greeting instanceof MalformedPacket) throw new Error('no greeting');
    return new Attempt(client, greeting);
  }

  get nonce(): Buffer {
    return this.#greeting.nonce;
  }

  get plugin(): string {
    return this.#greeting.authPlugin;
  }

  async startTls(): Promise<void> {
    this.#client.send(encodeSslRequest(SERVER_CONNECTION_FLAGS | Capability.SSL, 1 << 24, 255), ++this.#sequenceId);
    await this.#client.startTls({ rejectUnauthorized: false });
  }

  async respond(user: string, authPlugin: string, authResponse: Buffer, without = 0): Promise<Buffer> {
    const capabilities = (SERVER_CONNECTION_FLAGS & ~Capability.CONNECT_ATTRS & ~without) >>> 0;
    const attributes = Buffer.alloc(0);
    const common = { capabilities, maxPacketBytes: 1 << 24, collation: 45, database: '' };
    const response = encodeHandshakeResponse({ ...common, user, authResponse, authPlugin, attributes });
    return this.answer(response);
  }

  /** @returns the next packet's payload */
  async answer(payload: Buffer): Promise<Buffer> {
    this.#client.send(payload, ++this.#sequenceId);
    return this.next();
  }

  async next(): Promise<Buffer> {
    const packet = await this.#client.read();
    this.#sequenceId = packet.sequenceId;
    return packet.payload;
  }

  async user(): Promise<string> {
    const packets = await this.#client.query('SELECT CURRENT_USER()');
    return String(packets.at(-2)?.payload.subarray(1));
  }
}

function errnoOf(payload: Buffer): number {
  const error = decodeErr(payload);
  return error instanceof MalformedPacket ? 0 : error.errno;
}

function switchOf(payload: Buffer): { plugin: string; nonce: Buffer } {
  const request = decodeAuthSwitchRequest(payload);
  if (request instanceof MalformedPacket) throw new Error(`no switch: ${payload.toString('latin1')}`);
  return request;
}

const OK = 0x00;
const FAST = Buffer.from([1, 3]);
const FULL = Buffer.from([1, 4]);

describe('caching_sha2_password', () => {
  test('tells the password once in full, by RSA, then proves it', async () => {
    const proxy = await proxyWith();
    const first = await Attempt.begin(proxy);
    expect(first.plugin).toBe(SHA2);
    expect(await first.respond(SECRET.user, SHA2, scramble(SECRET.password, first.nonce))).toEqual(FULL);
    const key = (await first.answer(Buffer.from([2]))).subarray(1);
    expect((await first.answer(encryptPassword(SECRET.password, first.nonce, key)))[0]).toBe(OK);
    const second = await Attempt.begin(proxy);
    expect(await second.respond(SECRET.user, SHA2, scramble(SECRET.password, second.nonce))).toEqual(FAST);
    expect((await second.next())[0]).toBe(OK);
    expect(await second.user()).toBe('auth_user@%');
  });

  test('takes the password as it is over TLS', async () => {
    const attempt = await Attempt.begin(await proxyWith());
    await attempt.startTls();
    expect(await attempt.respond(SECRET.user, SHA2, scramble(SECRET.password, attempt.nonce))).toEqual(FULL);
    expect((await attempt.answer(encodeClearPassword(SECRET.password)))[0]).toBe(OK);
    expect(await attempt.user()).toBe('auth_user@%');
  });

  test('never takes it as it is without TLS', async () => {
    const attempt = await Attempt.begin(await proxyWith());
    await attempt.respond(SECRET.user, SHA2, scramble(SECRET.password, attempt.nonce));
    expect((await attempt.answer(encodeClearPassword(SECRET.password)))[0]).toBe(0xff);
  });

  test('keeps the same public key over restarts, for clients that were given it', async () => {
    const options = { dataDirectory: await temporaryDirectory() };
    const keyOf = async (): Promise<Buffer> => {
      const attempt = await Attempt.begin(await startProxy({ options }));
      await attempt.respond(SECRET.user, SHA2, scramble(SECRET.password, attempt.nonce));
      return attempt.answer(Buffer.from([2]));
    };
    expect(await keyOf()).toEqual(await keyOf());
  });
});

describe('mysql_native_password, of clients that know no better', () => {
  test('is enough where the password is known from another login', async () => {
    const proxy = await proxyWith();
    const unknown = await Attempt.begin(proxy);
    const switched = switchOf(
      await unknown.respond(SECRET.user, NATIVE, nativeScramble(SECRET.password, unknown.nonce)),
    );
    expect(switched.plugin).toBe(SHA2);
    await proxy.connect(SECRET);
    const known = await Attempt.begin(proxy);
    const answer = await known.respond(SECRET.user, NATIVE, nativeScramble(SECRET.password, known.nonce));
    expect(answer[0]).toBe(OK);
    expect(await known.user()).toBe('auth_user@%');
  });

  test('is enough, and asked for, where the configuration has the password', async () => {
    const proxy = await proxyWith({
      users: [{ name: SECRET.user, password: SECRET.password }],
      clients: { authPlugin: NATIVE },
    });
    const attempt = await Attempt.begin(proxy);
    expect(attempt.plugin).toBe(NATIVE);
    const { plugin, nonce } = switchOf(await attempt.respond(SECRET.user, 'dialog', Buffer.alloc(0)));
    expect(plugin).toBe(NATIVE);
    expect((await attempt.answer(nativeScramble(SECRET.password, nonce)))[0]).toBe(OK);
    const old = await Attempt.begin(proxy);
    const answer = await old.respond(
      SECRET.user,
      '',
      nativeScramble(SECRET.password, old.nonce),
      Capability.PLUGIN_AUTH,
    );
    expect(answer[0]).toBe(OK);
  });

  test('with a wrong password gets nobody in', async () => {
    const proxy = await proxyWith({ users: [{ name: SECRET.user, password: SECRET.password }] });
    const attempt = await Attempt.begin(proxy);
    const { plugin } = switchOf(await attempt.respond(SECRET.user, NATIVE, nativeScramble('wrong', attempt.nonce)));
    expect(plugin).toBe(SHA2);
    const old = await Attempt.begin(proxy);
    const answer = await old.respond(SECRET.user, '', nativeScramble('wrong', old.nonce), Capability.PLUGIN_AUTH);
    expect(errnoOf(answer)).toBe(2059);
  });
});

describe('mysql_clear_password', () => {
  test('is taken over TLS', async () => {
    const attempt = await Attempt.begin(await proxyWith());
    await attempt.startTls();
    expect((await attempt.respond(SECRET.user, CLEAR, encodeClearPassword(SECRET.password)))[0]).toBe(OK);
    const wrong = await Attempt.begin(await proxyWith());
    await wrong.startTls();
    expect(errnoOf(await wrong.respond(SECRET.user, CLEAR, encodeClearPassword('wrong')))).toBe(1045);
  });

  test('is switched to one that hides the password without TLS', async () => {
    const attempt = await Attempt.begin(await proxyWith());
    expect(switchOf(await attempt.respond(SECRET.user, CLEAR, Buffer.alloc(0))).plugin).toBe(SHA2);
  });
});

test.each([SHA2, NATIVE, CLEAR])('an account without a password gets in by %s', async (plugin) => {
  const attempt = await Attempt.begin(await proxyWith());
  await attempt.startTls();
  const answer = await attempt.respond('auth_empty', plugin, plugin === CLEAR ? Buffer.from([0]) : Buffer.alloc(0));
  expect(answer[0]).toBe(OK);
  expect(await attempt.user()).toBe('auth_empty@%');
});

test('a client of a plugin that nobody knows is switched to one that it may know', async () => {
  const attempt = await Attempt.begin(await proxyWith());
  const { plugin, nonce } = switchOf(await attempt.respond(SECRET.user, 'client_ed25519', Buffer.alloc(0)));
  expect(plugin).toBe(SHA2);
  expect(await attempt.answer(scramble(SECRET.password, nonce))).toEqual(FULL);
});

describe('what the configuration asks of users', () => {
  test('TLS, and a network, or they are refused', async () => {
    const users = [
      { name: SECRET.user, requireTls: true },
      { name: 'auth_empty', networks: ['192.0.2.0/24'] },
    ];
    const proxy = await proxyWith({ users });
    await expect(proxy.connect(SECRET)).rejects.toMatchObject({ errno: 1045, message: expect.stringMatching(/TLS/) });
    const secure = await proxy.connect({ ...SECRET, ssl: { rejectUnauthorized: false } });
    expect(await value(secure, 'SELECT CURRENT_USER()')).toBe('auth_user@%');
    await expect(proxy.connect({ user: 'auth_empty', password: '' })).rejects.toMatchObject({
      errno: 1045,
      message: expect.stringMatching(/may not connect from 127.0.0.1/),
    });
    // Nobody else is concerned.
    expect(await value(await proxy.connect(), 'SELECT 1')).toBe(1);
  });

  test('a password that the server does not take lets nobody in', async () => {
    const proxy = await proxyWith({ users: [{ name: SECRET.user, password: 'of last year' }] });
    await expect(proxy.connect({ user: SECRET.user, password: 'of last year' })).rejects.toMatchObject({ errno: 1045 });
    expect(await value(await proxy.connect(SECRET), 'SELECT 1')).toBe(1);
  });
});

test('after a change of the password on the server the old one is refused within a bounded time, the new one taken at once', async () => {
  await asRoot(
    'CREATE USER IF NOT EXISTS auth_changing@`%` IDENTIFIED BY "old"',
    'ALTER USER auth_changing@`%` IDENTIFIED BY "old"',
  );
  const proxy = await proxyWith();
  await proxy.connect({ user: 'auth_changing', password: 'old' });
  await asRoot('ALTER USER auth_changing@`%` IDENTIFIED BY "new"');
  const old = { user: 'auth_changing', password: 'old' };
  await eventually(async () => {
    const outcome = await proxy.connect(old).then(
      async (client) => client.end(),
      (error: unknown) => error,
    );
    expect(outcome).toMatchObject({ errno: 1045 });
  });
  const client = await proxy.connect({ user: 'auth_changing', password: 'new' });
  expect(await value(client, 'SELECT CURRENT_USER()')).toBe('auth_changing@%');
  await expect(proxy.connect({ user: 'auth_changing', password: 'old' })).rejects.toMatchObject({ errno: 1045 });
});

test('many clients that log in at once, with right and wrong passwords, each get their own answer', async () => {
  const proxy = await proxyWith();
  const { app } = clusterInfo().accounts;
  const outcomes = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const password = i % 3 === 0 ? 'wrong' : app.password;
      return proxy.connect({ ...app, password }).then(
        async (client) => value(client, 'SELECT CURRENT_USER()'),
        (error: unknown) => (error instanceof Error && 'errno' in error ? error.errno : error),
      );
    }),
  );
  expect(outcomes).toEqual(Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? 1045 : 'app@%')));
});
