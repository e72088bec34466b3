import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfigFile } from '../../proxy/cli/config-file.js';
import type { ProxyOptions } from '../../proxy/options.js';
import { clusterInfo, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { asRoot, eventually, PRIMARY_ID, ranOn, startProxy, temporaryDirectory, value, type Row } from '../proxy.js';
import { delayReplicas } from '../replicas.js';

/** Of a source that there is none of: nobody ever has it. */
const OF_NOBODY = '99999999-9999-9999-9999-999999999999:1';
const SHOP = { user: 'fresh_shop', password: 's' };

beforeAll(async () => {
  await freshSchema('freshness');
  await asRoot(
    `CREATE USER IF NOT EXISTS ${SHOP.user} IDENTIFIED BY '${SHOP.password}'`,
    `GRANT ALL ON freshness.* TO ${SHOP.user}`,
    'CREATE TABLE freshness.t (v INT)',
    'CREATE TABLE freshness.cart (v INT)',
  );
  // From here on replicas have all of this, and get nothing more in the time that a test takes.
  await delayReplicas(3_600);
});
afterAll(async () => {
  await delayReplicas(0);
  await untilReplicated();
});

/** A proxy to which replicas that are an hour late are good enough. */
async function lenientProxy(options: Partial<ProxyOptions> = {}): ReturnType<typeof startProxy> {
  return startProxy({ options: { maxLagMs: 7_200_000, ...options } });
}

async function onReplica(client: Connection): Promise<void> {
  for (let i = 0; i < 2; i++) expect(await ranOn(client)).not.toBe(PRIMARY_ID);
}

async function onPrimary(client: Connection): Promise<void> {
  for (let i = 0; i < 2; i++) expect(await ranOn(client)).toBe(PRIMARY_ID);
}

test('a rule asks for a level: of a table that it names, and of no other', async () => {
  const own = await lenientProxy({ rules: [{ table: 'freshness.cart', to: 'consistency=global' }] });
  const [writer, reader] = [await own.connect({ database: 'freshness' }), await own.connect({ database: 'freshness' })];
  await writer.query('INSERT INTO cart VALUES (1)');
  await writer.query('INSERT INTO t VALUES (1)');
  expect(await value(reader, 'SELECT COUNT(*) FROM cart')).toBe(1);
  expect(await value(reader, 'SELECT COUNT(*) FROM t')).toBe(0);
  expect(await value(reader, 'SELECT /* rwsplit: consistency=eventual */ COUNT(*) FROM cart')).toBe(0);
});

test('a configuration file says how fresh reads are, of all and of a user', async () => {
  const path = join(await temporaryDirectory(), 'rwsplit.yaml');
  await writeFile(
    path,
    `consistency: eventual\nusers:\n  - { name: ${SHOP.user}, consistency: primary }\n  - { name: nobody, max_lag_ms: 1 }\n`,
  );
  const { users, consistency } = readConfigFile(path);
  expect(consistency).toBe('eventual');
  const own = await lenientProxy({ users, consistency: 'eventual' });
  const client = await own.connect({ database: 'freshness' });
  await client.query('INSERT INTO t VALUES (2)');
  expect(await value(client, 'SELECT COUNT(*) FROM t WHERE v = 2')).toBe(0);
  const shop = await own.connect({ ...SHOP, database: 'freshness' });
  expect(await value(shop, 'SELECT COUNT(*) FROM t WHERE v = 2')).toBe(1);
  await onPrimary(shop);
  expect(own.proxy.counts()).toContainEqual(expect.objectContaining({ target: 'primary', reason: 'consistency' }));
});

test('consistency_wait_ms is how long a read waits for a replica', async () => {
  const patient = await lenientProxy({ consistencyWaitMs: 3_600_000 });
  const client = await patient.connect({ database: 'freshness' });
  await client.query('INSERT INTO t VALUES (3)');
  const read = value(client, 'SELECT @@server_id FROM t WHERE v = 3');
  const monitor = await patient.connect(clusterInfo().accounts.monitor);
  const replicas = [1, 2].map((index) => `${nodeInfo(index).host}:${nodeInfo(index).port}`);
  await eventually(async () => {
    const [sessions] = await monitor.query<Row[]>('SHOW RWSPLIT SESSIONS');
    const runsOn = String(sessions.find((it) => it['id'] === client.threadId)?.['runs_on']).split('#')[0];
    expect(replicas).toContain(runsOn);
  });
  const impatient = await lenientProxy({ consistencyWaitMs: 1 });
  const other = await impatient.connect({ database: 'freshness' });
  await other.query('INSERT INTO t VALUES (4)');
  expect(await value(other, 'SELECT @@server_id FROM t WHERE v = 4')).toBe(PRIMARY_ID);
  await delayReplicas(0);
  expect(await read).not.toBe(PRIMARY_ID);
  await untilReplicated();
  await delayReplicas(3_600);
});

describe.each([
  ['COM_RESET_CONNECTION', async (client: Connection) => client.reset()],
  ['COM_CHANGE_USER', async (client: Connection) => client.changeUser({ ...clusterInfo().accounts.app })],
])('%s', (_command, begin) => {
  test('takes back the level', async () => {
    const client = await (await lenientProxy()).connect();
    await client.query("SET @rwsplit_consistency = 'primary'");
    await onPrimary(client);
    await begin(client);
    await onReplica(client);
  });

  test('forgets the token', async () => {
    const client = await (await lenientProxy({ consistencyWaitMs: 1 })).connect();
    await client.query(`SET @rwsplit_token = '${OF_NOBODY}'`);
    await onPrimary(client);
    expect(await value(client, 'SHOW RWSPLIT TOKEN')).toBe(OF_NOBODY);
    await begin(client);
    await onReplica(client);
    expect(await value(client, 'SHOW RWSPLIT TOKEN')).toBe('');
  });
});
