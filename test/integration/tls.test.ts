import { copyFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ClientOptions, ServerOptions } from '../../proxy/options.js';
import { TestAuthority, type Issued } from '../certificates.js';
import { COMPRESSION_ALGORITHMS } from '../../src/runtime/compression.js';
import { clusterInfo, nodeInfo } from '../cluster.js';
import { asRoot, eventually, row, startProxy, temporaryDirectory, value, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

const TRUSTS_ALL = { rejectUnauthorized: false };

let authority: TestAuthority;
let certificate: Issued;
let ofApp: Issued;
beforeAll(async () => {
  authority = await TestAuthority.make(await temporaryDirectory());
  certificate = await authority.issue('proxy', '127.0.0.1');
  ofApp = await authority.issue(clusterInfo().accounts.app.user);
});

/** The proxy's own certificate, of the test's authority. */
function files(): { cert: string; key: string } {
  return { cert: certificate.certPath, key: certificate.keyPath };
}

async function proxyWith(clients: ClientOptions, servers: ServerOptions = {}): Promise<TestProxy> {
  return startProxy({ options: { clients, servers } });
}

/** As which user, over which cipher, the server sees the proxy. */
async function cipherToServer(connection: Connection): Promise<unknown> {
  return (await row(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'"))['Value'];
}

function refusal(attempt: Promise<Connection>): Promise<unknown> {
  return attempt.then(
    () => 'was let in',
    (error: unknown) => error,
  );
}

describe('TLS to clients', () => {
  test("is on with a certificate that the proxy made and keeps, signed by an authority that clients can trust, its key nobody else's", async () => {
    const dataDirectory = await temporaryDirectory();
    const options = { dataDirectory, clients: { tls: { mode: 'preferred' } } } as const;
    const first = await startProxy({ options });
    const ca = await readFile(join(dataDirectory, 'ca.pem'), 'utf8');
    const client = await first.connect({ ssl: { ca, verifyIdentity: false } });
    expect(await value(client, 'SELECT 1')).toBe(1);
    for (const name of (await readdir(dataDirectory)).filter((it) => it.includes('key') && !it.startsWith('public'))) {
      expect((await stat(join(dataDirectory, name))).mode & 0o077, name).toBe(0);
    }
    const again = await startProxy({ options });
    expect(await readFile(join(dataDirectory, 'ca.pem'), 'utf8')).toBe(ca);
    expect(await value(await again.connect({ ssl: { ca, verifyIdentity: false } }), 'SELECT 1')).toBe(1);
  });

  test('when preferred, serves clients with and without it', async () => {
    const proxy = await proxyWith({ tls: { mode: 'preferred', ...files() } });
    for (const ssl of [undefined, { ca: authority.ca }]) {
      const client = await proxy.connect(ssl === undefined ? {} : { ssl });
      expect(await value(client, 'SELECT CURRENT_USER()')).toBe('app@%');
    }
  });

  test("when required, refuses clients without it in MySQL's own code, and says what to do", async () => {
    const proxy = await proxyWith({ tls: { mode: 'required', ...files() } });
    expect(await refusal(proxy.connect())).toMatchObject({ errno: 3159, message: expect.stringContaining('TLS') });
    expect(await value(await proxy.connect({ ssl: TRUSTS_ALL }), 'SELECT 1')).toBe(1);
  });

  test('when off, is not offered', async () => {
    const proxy = await proxyWith({});
    expect(await refusal(proxy.connect({ ssl: TRUSTS_ALL }))).toMatchObject({ code: 'HANDSHAKE_NO_SSL_SUPPORT' });
  });

  test('with verify-ca, lets those in whose certificate the authority signed, and no others', async () => {
    const proxy = await proxyWith({ tls: { mode: 'verify-ca', ca: authority.caPath, ...files() } });
    const { cert, key } = certificate;
    expect(await value(await proxy.connect({ ssl: { ...TRUSTS_ALL, cert, key } }), 'SELECT 1')).toBe(1);
    const stranger = await (await TestAuthority.make(await temporaryDirectory())).issue('app');
    for (const ssl of [TRUSTS_ALL, { ...TRUSTS_ALL, cert: stranger.cert, key: stranger.key }]) {
      expect(await refusal(proxy.connect({ ssl }))).toBeInstanceOf(Error);
    }
    expect(await refusal(proxy.connect())).toMatchObject({ errno: 3159 });
  });

  test("with verify-identity, lets a user in with that user's certificate only", async () => {
    const proxy = await proxyWith({ tls: { mode: 'verify-identity', ca: authority.caPath, ...files() } });
    const own = { ...TRUSTS_ALL, cert: ofApp.cert, key: ofApp.key };
    expect(await value(await proxy.connect({ ssl: own }), 'SELECT 1')).toBe(1);
    const others = { ...TRUSTS_ALL, cert: certificate.cert, key: certificate.key };
    expect(await refusal(proxy.connect({ ssl: others }))).toMatchObject({ errno: 1045 });
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s, and resumes its sessions', async (version) => {
    const proxy = await proxyWith({ tls: { mode: 'preferred', ...files() } });
    const tls = { ...TRUSTS_ALL, minVersion: version, maxVersion: version };
    const login = { ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port };
    const first = await RawClient.logIn({ ...login, tls });
    // TLS 1.3 tells it after the handshake.
    await eventually(() => expect(first.tlsSession).toBeDefined());
    expect(securedOf(first).getProtocol()).toBe(version);
    const second = await RawClient.logIn({ ...login, tls: { ...tls, session: first.tlsSession } });
    expect(securedOf(second).isSessionReused()).toBe(true);
    await second.query('SELECT 1');
  });

  test('carries compressed answers of any length, however they are cut, each to its end', async () => {
    const tls = { mode: 'preferred', ...files() } as const;
    const proxy = await startProxy({ options: { clients: { tls, compression: COMPRESSION_ALGORITHMS } } });
    for (const compression of COMPRESSION_ALGORITHMS) {
      const login = { ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port, compression };
      const client = await RawClient.logIn({ ...login, tls: TRUSTS_ALL });
      // What can be made much shorter, and what cannot.
      for (const column of ["REPEAT('z', 500)", "CONCAT_WS('', SHA2(i, 512), SHA2(-i, 512))"]) {
        for (const count of [10, 300, 1000, 10_000]) {
          const rows = await client.query(
            `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
             SELECT /*+ SET_VAR(cte_max_recursion_depth=100000) */ ${column} FROM n`,
          );
          expect(rows.length).toBeGreaterThan(count);
        }
      }
    }
  });

  test('does not speak versions below the one that is set', async () => {
    const proxy = await proxyWith({ tls: { mode: 'preferred', minVersion: 'TLSv1.3', ...files() } });
    expect(await refusal(proxy.connect({ ssl: { ...TRUSTS_ALL, maxVersion: 'TLSv1.2' } }))).toBeInstanceOf(Error);
    expect(await value(await proxy.connect({ ssl: TRUSTS_ALL }), 'SELECT 1')).toBe(1);
  });

  test('takes new certificates without a restart, and keeps the old ones where the new cannot be used', async () => {
    const directory = await temporaryDirectory();
    const paths = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
    const use = async ({ certPath, keyPath }: Issued): Promise<void> => {
      await copyFile(keyPath, paths.key);
      await copyFile(certPath, paths.cert);
    };
    await use(certificate);
    const proxy = await proxyWith({ tls: { mode: 'preferred', ...paths } });
    const before = await proxy.connect({ ssl: TRUSTS_ALL });
    const shown = async (): Promise<string> => {
      const client = await RawClient.logIn({ ...clusterInfo().accounts.app, ...proxy, tls: TRUSTS_ALL });
      return String(securedOf(client).getPeerCertificate().subject.CN);
    };
    expect(await shown()).toBe('proxy');
    await use(await authority.issue('renewed'));
    await eventually(async () => expect(await shown()).toBe('renewed'));
    await copyFile(certificate.keyPath, paths.cert);
    expect(await shown()).toBe('renewed');
    expect(await value(before, 'SELECT 1')).toBe(1);
  });

  test('is refused a start with files that cannot be used, by a sentence that names them', async () => {
    await expect(proxyWith({ tls: { mode: 'preferred', cert: '/no/cert.pem', key: '/no/key.pem' } })).rejects.toThrow(
      /cannot read \/no\/cert.pem/,
    );
    await expect(
      proxyWith({ tls: { mode: 'preferred', cert: certificate.certPath, key: ofApp.keyPath } }),
    ).rejects.toThrow(/proxy-cert.pem, .*app-key.pem cannot be used/);
    await expect(proxyWith({ tls: { mode: 'verify-ca', ...files() } })).rejects.toThrow(/tls.ca/);
  });
});

describe('TLS to servers', () => {
  test.each(['preferred', 'required'] as const)('is used when %s, for reads and writes', async (mode) => {
    const proxy = await proxyWith({}, { tls: { mode } });
    const client = await proxy.connect();
    expect(await cipherToServer(client)).toMatch(/^TLS_/);
    await client.query('START TRANSACTION READ ONLY');
    expect(await cipherToServer(client)).toMatch(/^TLS_/);
  });

  test('is not used when off', async () => {
    const client = await (await proxyWith({})).connect();
    expect(await cipherToServer(client)).toBe('');
  });

  test('lets accounts in that the server takes with TLS only', async () => {
    await asRoot(
      'CREATE USER IF NOT EXISTS tls_only@`%` IDENTIFIED BY "secret" REQUIRE SSL',
      'GRANT SELECT ON *.* TO tls_only@`%`',
    );
    const account = { user: 'tls_only', password: 'secret' };
    const proxy = await proxyWith({}, { tls: { mode: 'preferred' } });
    expect(await value(await proxy.connect(account), 'SELECT CURRENT_USER()')).toBe('tls_only@%');
    expect(await refusal((await proxyWith({})).connect(account))).toMatchObject({ errno: 1045 });
  });

  test('refuses to start where the certificates of the servers are of no authority that it was told of', async () => {
    const tls = { mode: 'verify-ca', ca: authority.caPath } as const;
    await expect(proxyWith({}, { tls })).rejects.toThrow(/no node can be used: .*certificate/);
  });

  test('verifies who the server is: by its authority, and by its host where it is to', async () => {
    const server = await proxyWith({ tls: { mode: 'required', ...files() } });
    const elsewhere = await authority.issue('elsewhere', '192.0.2.1');
    const impostor = await proxyWith({
      tls: { mode: 'required', cert: elsewhere.certPath, key: elsewhere.keyPath },
    });
    const proxyTo = async ({ host, port }: TestProxy, mode: 'verify-ca' | 'verify-identity'): Promise<TestProxy> =>
      startProxy({ nodes: [{ host, port }], options: { servers: { tls: { mode, ca: authority.caPath } } } });
    for (const mode of ['verify-ca', 'verify-identity'] as const) {
      expect(await value(await (await proxyTo(server, mode)).connect(), 'SELECT 1')).toBe(1);
    }
    expect(await value(await (await proxyTo(impostor, 'verify-ca')).connect(), 'SELECT 1')).toBe(1);
    await expect(proxyTo(impostor, 'verify-identity')).rejects.toThrow(/IP: 127.0.0.1 is not in the cert's list/);
  });

  test('resumes its sessions', async () => {
    await asRoot('FLUSH STATUS');
    const proxy = await startProxy({ poolMax: 5, options: { servers: { tls: { mode: 'required' } } } });
    const clients = await Promise.all([1, 2, 3].map(() => proxy.connect()));
    // Each keeps a connection of its own.
    for (const client of clients) await client.query('BEGIN');
    const reused = await Promise.all(clients.map((it) => row(it, "SHOW SESSION STATUS LIKE 'Ssl_sessions_reused'")));
    expect(reused.map((it) => Number(it['Value'])).toSorted((a, b) => b - a)[0]).toBe(1);
  });
});

test('without TLS at all, passwords are still hidden on the way', async () => {
  const { host, port } = nodeInfo(0);
  expect(host).toBe('127.0.0.1');
  const proxy = await startProxy();
  const client = await RawClient.logIn({ ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port });
  expect(client.toldPassword).toBe(true);
  expect(port).not.toBe(proxy.port);
});

function securedOf({ socket }: RawClient): TLSSocket {
  if (!(socket instanceof TLSSocket)) throw new Error('the connection has no TLS');
  return socket;
}
