import { createConnection, type Connection, type ConnectionOptions, type RowDataPacket } from 'mysql2/promise';
import { afterAll, inject } from 'vitest';
import { openServerTls } from '../proxy/tls/open-tls.js';
import { createLog } from '../src/runtime/log.js';
import { MonitorLogin } from '../src/runtime/monitor-login.js';
import type { ClusterInfo, NodeInfo } from './global-setup.js';

const CATCH_UP_TIMEOUT_S = 30;

const open: Connection[] = [];
afterAll(() => {
  for (const connection of open.splice(0)) connection.destroy();
});

/** The cluster of this worker, which runs one file after the other. Who wants to kill servers starts one of its own. */
export function clusterInfo(): ClusterInfo {
  const worker = Number(process.env['VITEST_POOL_ID']);
  const cluster = inject('clusters')[worker - 1];
  if (cluster === undefined) throw new Error(`there is no cluster for worker ${worker}`);
  return cluster;
}

/** The primary is node 0. */
export function nodeInfo(index: number): NodeInfo {
  const node = clusterInfo().nodes[index];
  if (node === undefined) throw new Error(`the cluster has no node ${index}`);
  return node;
}

/** A connection to a server without anything in between, as `app` unless told otherwise; closed when the file ends. */
export async function connectDirect(nodeIndex: number, options: ConnectionOptions = {}): Promise<Connection> {
  const { host, port } = nodeInfo(nodeIndex);
  const connection = await createConnection({ host, port, ...clusterInfo().accounts.app, ...options });
  open.push(connection);
  return connection;
}

/** How a monitor in this process gets to look at nodes. */
export function monitorLogin(): MonitorLogin {
  return new MonitorLogin(clusterInfo().accounts.monitor, openServerTls(undefined, createLog('silent')));
}

/** Makes an empty schema that all nodes have when this resolves. */
export async function freshSchema(name: string): Promise<string> {
  const primary = await connectDirect(0);
  await primary.query('DROP DATABASE IF EXISTS ??', [name]);
  await primary.query('CREATE DATABASE ??', [name]);
  await untilReplicated();
  return name;
}

/** Resolves when the replicas have applied all that the primary has executed by now. */
export async function untilReplicated(): Promise<void> {
  const { accounts, nodes } = clusterInfo();
  const primary = await connectDirect(0, accounts.root);
  const [[executed]] = await primary.query<RowDataPacket[]>('SELECT @@GLOBAL.gtid_executed AS gtids');
  for (const index of nodes.keys()) {
    const node = await connectDirect(index, accounts.root);
    const [[waited]] = await node.query<RowDataPacket[]>('SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?) AS timedOut', [
      executed?.['gtids'],
      CATCH_UP_TIMEOUT_S,
    ]);
    if (waited?.['timedOut'] !== 0) throw new Error(`node ${index} has not caught up within ${CATCH_UP_TIMEOUT_S} s`);
  }
}

/** Has a table of the primary locked for all others meanwhile. What still waited for it would keep a file from ending. */
export async function whileLocked(table: string, run: () => Promise<void>): Promise<void> {
  const locker = await connectDirect(0, clusterInfo().accounts.root);
  await locker.query(`LOCK TABLES ${table} WRITE`);
  try {
    await run();
  } finally {
    await locker.query('UNLOCK TABLES');
  }
}
