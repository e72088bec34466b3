import { beforeAll, expect, test } from 'vitest';
import type { Connection } from 'mysql2/promise';
import { clusterInfo, connectDirect, nodeInfo } from '../cluster.js';
import { startProxy, type Row, type TestProxy } from '../proxy.js';
import { packageVersion } from '../../proxy/package-version.js';

let observer: Connection;
beforeAll(async () => {
  observer = await connectDirect(0, clusterInfo().accounts.root);
});

/** The attributes of the connections to the primary that have one of a name and value. */
async function attributesWith(name: string, value: string): Promise<Record<string, string>[]> {
  const [rows] = await observer.query<Row[]>(
    `SELECT PROCESSLIST_ID AS id, ATTR_NAME AS name, ATTR_VALUE AS value FROM performance_schema.session_connect_attrs
     WHERE PROCESSLIST_ID IN (SELECT PROCESSLIST_ID FROM performance_schema.session_connect_attrs WHERE ATTR_NAME = ? AND ATTR_VALUE = ?)`,
    [name, value],
  );
  const byId = new Map<unknown, Record<string, string>>();
  for (const row of rows) byId.set(row['id'], { ...byId.get(row['id']), [String(row['name'])]: String(row['value']) });
  return [...byId.values()];
}

async function use(proxy: TestProxy, connectAttributes: Record<string, string>): Promise<void> {
  const client = await proxy.connect({ connectAttributes });
  await client.query('BEGIN');
}

test("servers see of which program a connection is, and that it is the proxy's", async () => {
  const proxy = await startProxy();
  await use(proxy, { program_name: 'shop', team: 'billing', _pid: '4711' });
  const [seen] = await attributesWith('team', 'billing');
  expect(seen).toMatchObject({ team: 'billing', rwsplit_version: packageVersion() });
  expect(seen).toHaveProperty('rwsplit_instance');
  expect(seen).not.toHaveProperty('_pid');
});

test('programs do not share connections, so that what servers see is true of each', async () => {
  const proxy = await startProxy();
  await use(proxy, { program_name: 'one', marker: 'shared' });
  await use(proxy, { program_name: 'two', marker: 'shared' });
  const seen = await attributesWith('marker', 'shared');
  expect(new Set(seen.map((it) => it['program_name']))).toEqual(new Set(['one', 'two']));
});

test("with attributes of 'client', servers see the client's process and address", async () => {
  const proxy = await startProxy({ options: { servers: { attributes: 'client' } } });
  await use(proxy, { marker: 'each', _pid: '4711' });
  const [seen] = await attributesWith('marker', 'each');
  expect(seen).toMatchObject({ _pid: '4711', rwsplit_client_address: '127.0.0.1' });
  expect(nodeInfo(0).host).toBe('127.0.0.1');
});
