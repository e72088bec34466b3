import { beforeAll, describe, expect, test } from 'vitest';
import { LoginRefused } from '../../src/errors.js';
import { framePackets } from '../../src/protocol/framing.js';
import type { CompressionAlgorithm } from '../../src/protocol/compression/codec.js';
import type { TlsMode } from '../../src/protocol/tls-mode.js';
import { logInToServer, type LoggedIn } from '../../src/runtime/dial-server.js';
import { createLog } from '../../src/runtime/log.js';
import { ServerTls } from '../../src/runtime/tls/server-tls.js';
import { TlsFiles } from '../../src/runtime/tls/tls-files.js';
import type { Wire, WireOwner } from '../../src/runtime/wire.js';
import { TestAuthority } from '../certificates.js';
import { startMariadb } from '../mariadb/server.js';
import { temporaryDirectory } from '../proxy.js';

const PASSWORD = 'pässwörd 1';
const COM_QUERY = 0x03;
const TIMEOUT_MS = 20_000;

let server: { readonly host: string; readonly port: number };
let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.make(await temporaryDirectory());
  const certificate = await authority.issue('mariadb', '127.0.0.1');
  server = await startMariadb(
    [`ssl-cert=${certificate.certPath}`, `ssl-key=${certificate.keyPath}`, `ssl-ca=${authority.caPath}`],
    [
      'SET NAMES utf8mb4',
      `CREATE USER by_native@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('${PASSWORD}')`,
      `CREATE USER by_ed25519@'%' IDENTIFIED VIA ed25519 USING PASSWORD('${PASSWORD}')`,
      `CREATE USER by_either@'%' IDENTIFIED VIA ed25519 USING PASSWORD('another') OR mysql_native_password USING PASSWORD('${PASSWORD}')`,
      `CREATE USER with_tls@'%' IDENTIFIED VIA ed25519 USING PASSWORD('${PASSWORD}') REQUIRE SSL`,
    ],
  );
});

interface Way {
  readonly tls?: TlsMode;
  readonly compression?: readonly CompressionAlgorithm[];
}

/** Logs in and asks a question. @returns the bytes of the answer */
async function ask(
  user: string,
  password: string,
  sql: string,
  { tls = 'off', compression = [] }: Way,
): Promise<string> {
  const serverTls = new ServerTls(tls, new TlsFiles({ ca: authority.caPath }, {}, createLog('silent')));
  const login = { user, password, capabilities: 0, collation: 45, attributes: Buffer.alloc(0), tls, compression };
  const node = { name: 'mariadb', ...server };
  const answer = new Promise<string>((resolve, reject) => {
    let answered = '';
    const owned = ({ wire }: LoggedIn): WireOwner & { readonly wire: Wire } => ({
      wire,
      received: (bytes, end) => {
        answered += bytes.toString('latin1', 0, end);
        if (!hasEnded(answered)) return;
        resolve(answered);
        wire.destroy();
      },
      drained: () => {},
      failed: reject,
      ended: () => reject(new Error(`it ended after ${answered}`)),
    });
    logInToServer(node, { login, tls: serverTls }, TIMEOUT_MS, owned).then(({ wire }) => {
      wire.beginCommand();
      wire.write(framePackets(Buffer.from(`${String.fromCharCode(COM_QUERY)}${sql}`), 0));
    }, reject);
  });
  return answer.finally(() => serverTls.stop());
}

/** Without DEPRECATE_EOF, an EOF ends the columns, and another one the rows. */
function hasEnded(answered: string): boolean {
  return answered.split('\xfe\0\0').length === 3;
}

const WAYS: readonly Way[] = [
  {},
  { tls: 'verify-identity' },
  { compression: ['zlib'] },
  { tls: 'verify-ca', compression: ['zlib'] },
];

describe.each(WAYS)('logging in to MariaDB over %o', (way) => {
  test.each(['by_native', 'by_ed25519', 'by_either'])(
    'works for an account %s, and its answers are read',
    async (user) => {
      expect(await ask(user, PASSWORD, "SELECT CONCAT(CURRENT_USER(), ' ', REPEAT('z', 100000))", way)).toContain(
        `${user}@% ${'z'.repeat(100_000)}`,
      );
      const cipher = await ask(user, PASSWORD, "SHOW SESSION STATUS LIKE 'Ssl_cipher'", way);
      expect(cipher.includes('TLS_')).toBe(way.tls !== undefined);
      const compressed = await ask(user, PASSWORD, "SHOW SESSION STATUS LIKE 'Compression'", way);
      expect(compressed.includes('\x02ON')).toBe(way.compression !== undefined);
    },
  );

  test.each(['by_native', 'by_ed25519', 'by_either'])(
    "with a wrong password gets the server's own error for an account %s",
    async (user) => {
      for (const password of ['wrong', '', `${PASSWORD} `]) {
        const error: unknown = await ask(user, password, 'SELECT 1', way).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(LoginRefused);
        expect(error).toMatchObject({ message: expect.stringMatching(`Access denied for user '${user}'@`) });
      }
    },
  );

  test('with an account that needs TLS works with TLS only', async () => {
    const attempt = ask('with_tls', PASSWORD, 'SELECT CURRENT_USER()', way);
    if (way.tls === undefined) await expect(attempt).rejects.toBeInstanceOf(LoginRefused);
    else expect(await attempt).toContain('with_tls@%');
  });
});

test('logging in to MariaDB a hundred times at once works, whatever its nonces are', async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => ask('by_ed25519', PASSWORD, `SELECT CONCAT('n', ${n}, 'n')`, {})),
  );
  for (const [n, answer] of answers.entries()) expect(answer).toContain(`n${n}n`);
});
