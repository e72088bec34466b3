import { createConnection as connectSocket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { RowDataPacket } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';

const REPLICAS = [1, 2] as const;
const NODES = [0, ...REPLICAS] as const;

let schema: string;
beforeAll(async () => {
  schema = await freshSchema('cluster_test');
});

describe('the cluster of a test run', () => {
  test('is MySQL of one version on three servers with identities of their own', async () => {
    const identities = await Promise.all(
      NODES.map((index) => queryRow(index, 'SELECT VERSION() AS version, @@server_id AS id, @@server_uuid AS uuid')),
    );
    expect(new Set(identities.map((row) => row['version']))).toEqual(new Set([clusterInfo().version]));
    expect(clusterInfo().version).not.toMatch(/mariadb/i);
    expect(identities.map((row) => row['id'])).toEqual([1, 2, 3]);
    expect(new Set(identities.map((row) => row['uuid'])).size).toBe(3);
  });

  test('replicates what the primary commits', async () => {
    const primary = await connectDirect(0, { database: schema });
    await primary.query('CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))');
    await primary.query("INSERT INTO t VALUES (1, 'naïve – 日本')");
    await untilReplicated();
    for (const index of REPLICAS) {
      expect(await queryRow(index, `SELECT v FROM ${schema}.t WHERE id = 1`)).toEqual({ v: 'naïve – 日本' });
    }
  });

  test('refuses writes of an application, and of root, on the replicas', async () => {
    for (const index of REPLICAS) {
      for (const account of [clusterInfo().accounts.app, clusterInfo().accounts.root]) {
        const replica = await connectDirect(index, account);
        await expect(replica.query(`CREATE TABLE ${schema}.refused (id INT)`)).rejects.toMatchObject({ errno: 1290 });
      }
    }
  });

  test('can be found from the primary by the addresses of its replicas', async () => {
    const primary = await connectDirect(0, clusterInfo().accounts.monitor);
    const [rows] = await primary.query<RowDataPacket[]>('SHOW REPLICAS');
    const found = rows.map((row) => `${row['Host']}:${row['Port']}`).sort();
    expect(found).toEqual(REPLICAS.map((index) => `127.0.0.1:${nodeInfo(index).port}`).sort());
  });

  test('shows a prober the replication of each replica', async () => {
    for (const index of REPLICAS) {
      const replica = await connectDirect(index, clusterInfo().accounts.monitor);
      const [[status]] = await replica.query<RowDataPacket[]>('SHOW REPLICA STATUS');
      expect(status).toMatchObject({
        Replica_IO_Running: 'Yes',
        Replica_SQL_Running: 'Yes',
        Source_Port: nodeInfo(0).port,
      });
      const [channels] = await replica.query<RowDataPacket[]>(
        'SELECT * FROM performance_schema.replication_connection_status',
      );
      expect(channels).toHaveLength(1);
    }
  });

  test('listens on the loopback interface only', async () => {
    const ownAddresses = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    const outside = ownAddresses
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address);
    for (const index of NODES) {
      expect(await accepts('127.0.0.1', nodeInfo(index).port)).toBe(true);
      for (const address of outside) expect(await accepts(address, nodeInfo(index).port)).toBe(false);
    }
  });
});

async function queryRow(nodeIndex: number, sql: string): Promise<RowDataPacket> {
  const connection = await connectDirect(nodeIndex);
  const [[row]] = await connection.query<RowDataPacket[]>(sql);
  if (row === undefined) throw new Error(`no row from ${sql}`);
  return row;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket({ host, port, timeout: 2_000 });
    const end = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
