import { beforeAll, describe, expect, test } from 'vitest';
import { encryptPassword, scramble } from '../../src/protocol/auth/caching-sha2.js';
import { encodeClearPassword } from '../../src/protocol/auth/clear-password.js';
import { encodeChangeUser } from '../../src/protocol/packets/change-user.js';
import { COMPRESSION_ALGORITHMS } from '../../src/runtime/compression.js';
import { clusterInfo, freshSchema, nodeInfo } from '../cluster.js';
import { asRoot, eventually, ranOn, startProxy, temporaryDirectory, value, type TestProxy } from '../proxy.js';
import { RawClient, type RawLogin } from '../raw-client.js';

const OTHER = { user: 'changed_to', password: 'second secret' };

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('change_user');
  await asRoot(
    `CREATE USER IF NOT EXISTS changed_to@\`%\` IDENTIFIED BY '${OTHER.password}'`,
    'GRANT SELECT, CREATE TEMPORARY TABLES ON *.* TO changed_to@`%`',
    'CREATE TABLE change_user.t (v INT)',
    'INSERT INTO change_user.t VALUES (1)',
  );
  proxy = await startProxy({
    options: {
      dataDirectory: await temporaryDirectory(),
      clients: { tls: { mode: 'preferred' }, compression: COMPRESSION_ALGORITHMS },
    },
  });
});

describe('COM_CHANGE_USER', () => {
  test("makes the session another user's, with nothing left of the one before", async () => {
    const client = await proxy.connect();
    await client.query('USE change_user');
    await client.query("SET SESSION sql_mode = 'ANSI', @mine = 7");
    await client.query('CREATE TEMPORARY TABLE own (a INT)');
    await client.query("SELECT GET_LOCK('change_user', 0)");
    await client.query('BEGIN');
    await client.query('INSERT INTO t VALUES (2)');
    await client.changeUser(OTHER);
    expect(await value(client, 'SELECT CURRENT_USER()')).toBe('changed_to@%');
    expect(await value(client, 'SELECT DATABASE()')).toBeNull();
    expect(await value(client, 'SELECT @mine')).toBeNull();
    expect(await value(client, 'SELECT @@sql_mode')).not.toContain('ANSI');
    await expect(client.query('SELECT * FROM change_user.own')).rejects.toMatchObject({ errno: 1146 });
    expect(await value(client, 'SELECT COUNT(*) FROM change_user.t')).toBe(1);
    await eventually(async () => expect(await value(client, "SELECT IS_FREE_LOCK('change_user')")).toBe(1));
    expect(await ranOn(client)).toBeGreaterThan(1);
  });

  test('goes there and back, any number of times, into a schema too', async () => {
    const client = await proxy.connect();
    for (let i = 0; i < 5; i++) {
      await client.changeUser({ ...OTHER, database: 'change_user' });
      expect(await value(client, 'SELECT CONCAT(CURRENT_USER(), DATABASE())')).toBe('changed_to@%change_user');
      expect(await value(client, 'SELECT COUNT(*) FROM t')).toBe(1);
      await client.changeUser({ ...clusterInfo().accounts.app });
      expect(await value(client, 'SELECT CURRENT_USER()')).toBe('app@%');
    }
  });

  test('serves commands that were sent right behind it', async () => {
    const client = await proxy.connect();
    const [, row] = await Promise.all([client.changeUser(OTHER), value(client, 'SELECT CURRENT_USER()')]);
    expect(row).toBe('changed_to@%');
  });

  test.each([
    ['a wrong password', { user: 'changed_to', password: 'wrong' }],
    ['an unknown user', { user: 'no_such_user', password: 'x' }],
    ['an unknown schema', { ...OTHER, database: 'no_such_schema' }],
  ])("with %s gets the server's error, and ends the connection, as on a server", async (_what, account) => {
    const outcomes = await Promise.all(
      [proxy, nodeInfo(0)].map(async ({ host, port }) => {
        const client = await proxy.connect({ host, port });
        const refused = await client.changeUser(account).catch((error: unknown) => error);
        const after = await client.query('SELECT 1').catch((error: unknown) => error);
        const code = (it: unknown): unknown => (it instanceof Error && 'code' in it ? it.code : it);
        return [code(refused), code(after)];
      }),
    );
    expect(outcomes[0]).toEqual(outcomes[1]);
  });

  const WAYS: readonly (readonly [string, Pick<RawLogin, 'tls' | 'compression'>])[] = [
    ['as it is', {}],
    ['over TLS', { tls: { rejectUnauthorized: false } }],
    ['compressed', { compression: 'zlib' }],
  ];
  test.each(WAYS)('sets the collation, of any number (%s)', async (_way, transport) => {
    const seen = [];
    for (const { host, port } of [proxy, nodeInfo(0)]) {
      const client = await RawClient.logIn({ ...clusterInfo().accounts.app, host, port, ...transport });
      await changeUser(client, 278, transport.tls !== undefined);
      const packets = await client.query(
        'SELECT @@character_set_client, @@character_set_results, @@collation_connection, CURRENT_USER()',
      );
      seen.push(packets.at(-2)?.payload.toString());
      // Other connections of the session's group have it, too.
      await client.query('BEGIN');
      expect((await client.query('SELECT @@collation_connection')).at(-2)?.payload.toString()).toContain('0900_as_cs');
    }
    expect(seen[0]).toContain('utf8mb4_0900_as_cs');
    expect(seen[0]).toBe(seen[1]);
  });
});

/** Changes to {@link OTHER}, by a proof or, where that is not enough, by the password. */
async function changeUser(client: RawClient, collation: number, secure: boolean): Promise<void> {
  const { user, password } = OTHER;
  const { capabilities } = client;
  const common = { capabilities, maxPacketBytes: 0, collation, database: '', attributes: Buffer.alloc(0) };
  let { nonce } = client;
  // As the client library of MySQL does it, with or without a password.
  const authResponse = Buffer.alloc(0);
  client.send(encodeChangeUser({ ...common, user, authResponse, authPlugin: 'caching_sha2_password' }));
  for (;;) {
    const { payload, sequenceId } = await client.read();
    if (payload[0] === 0x00) return;
    if (payload[0] === 0xff) throw new Error(payload.toString('latin1'));
    if (payload[0] === 0xfe) {
      nonce = Buffer.from(payload.subarray(-21, -1));
      client.send(scramble(password, nonce), sequenceId + 1);
    } else if (payload[1] === 4) {
      client.send(secure ? encodeClearPassword(password) : Buffer.from([2]), sequenceId + 1);
    } else if (payload[1] !== 3) {
      client.send(encryptPassword(password, nonce, payload.subarray(1)), sequenceId + 1);
    }
  }
}
