import { createConnection, type Connection, type ResultSetHeader } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo } from '../cluster.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { prepareFault } from './primary-faults.js';

/** Clients that move one thing after another from stock to orders, each in a transaction of its own. */
const MOVERS = 8;

let cluster: Cluster;
let proxy: TestProxy;
beforeAll(async () => {
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  proxy = await startProxy({
    nodes: cluster.nodes,
    accounts: cluster.accounts,
    options: {
      coordinator: { kind: 'alone' },
      failover: { account: cluster.accounts.failover, pauseMs: 0 },
      replay: { transactions: true },
    },
  });
  const client = await proxy.connect(cluster.accounts.app);
  await client.query('CREATE DATABASE shop');
  await client.query('CREATE TABLE shop.stock (id INT PRIMARY KEY, n INT NOT NULL)');
  await client.query(
    'CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) UNIQUE, stock INT NOT NULL)',
  );
  await client.query('INSERT INTO shop.stock VALUES (1, 1000000), (2, 1000000), (3, 1000000)');
});
afterAll(async () => cluster.stop());

async function connect(): Promise<Connection> {
  return proxy.connect({ ...cluster.accounts.app, database: 'shop' });
}

interface Moved {
  readonly name: string;
  readonly fate: 'committed' | 'lost' | 'unknown';
  readonly error: string;
}

/** What became of one order. */
async function move(client: Connection, name: string, prepared: boolean): Promise<Moved> {
  let isCommitting = false;
  try {
    await client.beginTransaction();
    if (prepared) await client.execute('INSERT INTO orders (name, stock) VALUES (?, ?)', [name, 1]);
    else await client.query('INSERT INTO orders (name, stock) VALUES (?, 1)', [name]);
    await client.query('UPDATE stock SET n = n - 1 WHERE id = 1');
    isCommitting = true;
    await client.commit();
    return { name, fate: 'committed', error: '' };
  } catch (error) {
    const isLost = error instanceof Error && 'errno' in error && error.errno === 1213;
    return { name, fate: isCommitting && !isLost ? 'unknown' : 'lost', error: String(error) };
  }
}

function primary(): ClusterNode {
  const port = proxy.proxy.snapshot.primary?.address.port;
  return cluster.nodes.find((it) => it.port === port) ?? cluster.nodes[0];
}

test('a transaction whose COMMIT waits for its acknowledgement when the primary is killed is not run again', async () => {
  const client = await connect();
  const before = primary();
  const fault = await prepareFault('cut', { cluster, primary: before, table: 'shop.orders' });
  await client.beginTransaction();
  await client.query("INSERT INTO orders (name, stock) VALUES ('nobody knows', 4)");
  const struck = fault.strike();
  await expect(client.commit()).rejects.toThrow(/whether the statement was executed is not known/);
  await struck;
  await eventually(() => expect(primary()).not.toBe(before));
  expect(await value(await connect(), "SELECT COUNT(*) FROM orders WHERE name = 'nobody knows' FOR UPDATE")).toBe(0);
  await fault.undo();
});

test('transactions that are open when the primary is killed go on on the next one', async () => {
  const [several, blocked, blocker, reader] = [await connect(), await connect(), await connect(), await connect()];
  await several.beginTransaction();
  const [order] = await several.query<ResultSetHeader>("INSERT INTO orders (name, stock) VALUES ('several', 2)");
  await several.execute('UPDATE stock SET n = n - ? WHERE id = ?', [1, 2]);
  expect(await value(several, 'SELECT n FROM stock WHERE id = 2')).toBe(999_999);

  await blocker.beginTransaction();
  await blocker.query('UPDATE stock SET n = n - 1 WHERE id = 3');
  await blocked.beginTransaction();
  await blocked.query("INSERT INTO orders (name, stock) VALUES ('blocked', 3)");
  const update = blocked.query('UPDATE stock SET n = n - 1 WHERE id = 3');

  await reader.beginTransaction();
  const server = await value(reader, 'SELECT @@server_id');
  await reader.query("INSERT INTO orders (name, stock) VALUES ('reader', 1)");

  const load = { isOver: false };
  const moved: Moved[] = [];
  const movers = Array.from({ length: MOVERS }, async (_, mover) => {
    const client = await connect();
    for (let at = 0; !load.isOver; at++) {
      moved.push(await move(client, `${mover}-${at}`, mover % 2 === 0));
      // As an application that tries again.
      if (moved.at(-1)?.fate !== 'committed') await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  await eventually(() => expect(moved.length).toBeGreaterThan(100));
  const before = primary();
  await before.kill();
  await eventually(() => expect(proxy.proxy.snapshot.primary?.address.port).not.toBe(before.port));
  await eventually(() => expect(proxy.proxy.snapshot.primary).toBeDefined());

  // Nobody has another server's number.
  await expect(reader.query('UPDATE stock SET n = n - 1 WHERE id = 1')).rejects.toMatchObject({
    errno: 1213,
    sqlState: '40001',
  });
  expect((await move(reader, 'reader', false)).fate).toBe('committed');
  expect(await value(reader, 'SELECT @@server_id FROM stock WHERE id = 1 FOR UPDATE')).not.toBe(server);

  // Whoever comes first now has what the other one had.
  await update;
  await blocked.commit();
  await blocker.commit();
  await several.query('UPDATE stock SET n = n - 10 WHERE id = 2');
  expect(await value(several, 'SELECT LAST_INSERT_ID()')).toBe(order.insertId);
  await several.commit();

  const count = moved.length;
  await eventually(() => expect(moved.length).toBeGreaterThan(count + 100));
  load.isOver = true;
  await Promise.all(movers);

  const { host, port } = primary();
  const now = await createConnection({ ...cluster.accounts.root, host, port, database: 'shop' });
  try {
    const [rows] = await now.query<Row[]>('SELECT name FROM orders');
    const names = new Set(rows.map((it) => String(it['name'])));
    expect(moved.filter(({ fate, name }) => fate === 'committed' && !names.has(name))).toEqual([]);
    expect(moved.filter(({ fate, name }) => fate === 'lost' && names.has(name))).toEqual([]);
    // Whoever sent a COMMIT cannot be told what became of it. Nobody else need know of anything but numbers given twice.
    const told = moved.filter(({ fate }) => fate !== 'committed').map(({ error }) => error);
    expect(told.filter((it) => !/not known|another result/.test(it))).toEqual([]);
    expect(told.length).toBeLessThanOrEqual(MOVERS);
    // Each order has taken one thing from the stock, once.
    expect(await value(now, 'SELECT 1000000 - n FROM stock WHERE id = 1')).toBe(
      await value(now, 'SELECT COUNT(*) FROM orders WHERE stock = 1'),
    );
    expect(await value(now, 'SELECT n FROM stock WHERE id = 2')).toBe(999_989);
    expect(await value(now, 'SELECT n FROM stock WHERE id = 3')).toBe(999_998);
    expect(await value(now, "SELECT COUNT(*) FROM orders WHERE name IN ('several', 'blocked', 'reader')")).toBe(3);
  } finally {
    now.destroy();
  }
});
