import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { Mysqlbinlog } from '../mysqlbinlog.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { RawClient, type RawPacket } from '../raw-client.js';

const READER = { user: 'binlog_reader', password: 'reader' };
const FROM_REPLICA = { user: 'binlog_from_replica', password: 'reader' };
const DUMP = '%Binlog Dump%';

/** One primary and two replicas, of which the last one is to replicate through the proxy. */
let cluster: Cluster;
let nodes: Connection[] = [];
let proxy: TestProxy;
beforeAll(async () => {
  cluster = await startCluster({ replicaCount: 2, fast: true });
  const { root, monitor } = cluster.accounts;
  nodes = await Promise.all(
    cluster.nodes.map(async ({ host, port }) => createConnection({ host, port, ...root, multipleStatements: true })),
  );
  const [primary, replica] = nodes;
  if (primary === undefined || replica === undefined) throw new Error('the cluster is too small');
  for (const { user, password } of [READER, FROM_REPLICA]) {
    await primary.query(`CREATE USER ${user} IDENTIFIED BY '${password}'`);
    await primary.query(`GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${user}`);
  }
  await primary.query('CREATE DATABASE logged; CREATE TABLE logged.t (id INT PRIMARY KEY, v LONGBLOB)');
  await caughtUp(replica);
  proxy = await startProxy({
    nodes: cluster.nodes.slice(0, 2),
    accounts: { monitor },
    poolMax: 2,
    options: { users: [{ name: FROM_REPLICA.user, binlogFrom: 'replica' }] },
  });
});
afterAll(async () => {
  for (const node of nodes) node.destroy();
  await cluster.stop();
});

function at(node: number): Connection {
  const connection = nodes[node];
  if (connection === undefined) throw new Error(`no node ${node}`);
  return connection;
}

async function caughtUp(replica: Connection): Promise<void> {
  const executed = await value(at(0), 'SELECT @@GLOBAL.gtid_executed');
  await eventually(async () => {
    expect(await value(replica, 'SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)', [executed])).toBe(1);
  });
}

/** The threads that send a user the binary log of a node. */
async function dumps(node: number, user: string): Promise<number> {
  const sql = 'SELECT COUNT(*) FROM performance_schema.processlist WHERE USER = ? AND COMMAND LIKE ?';
  return Number(await value(at(node), sql, [user, DUMP]));
}

async function logOf(node: number): Promise<string> {
  const [rows] = await at(node).query<Row[]>('SHOW BINARY LOGS');
  return String(rows.at(-1)?.['Log_name']);
}

describe('mysqlbinlog', () => {
  test('reads a log to its end', async () => {
    await at(0).query("INSERT INTO logged.t VALUES (1, 'read to the end')");
    const reader = await Mysqlbinlog.start({ port: proxy.port, ...READER }, [
      '--read-from-remote-server',
      await logOf(0),
    ]);
    expect(await reader.ended, reader.output).toBe(0);
    expect(reader.output).toContain("@2='read to the end'");
    await eventually(async () => expect(await dumps(0, READER.user)).toBe(0));
  });

  test('is told that there is no such log', async () => {
    const reader = await Mysqlbinlog.start({ port: proxy.port, ...READER }, [
      '--read-from-remote-server',
      'binlog.999999',
    ]);
    expect(await reader.ended).toBe(1);
    expect(reader.output).toContain('Could not find first log file name in binary log index file');
  });

  test('reads by GTIDs', async () => {
    const reader = await Mysqlbinlog.start({ port: proxy.port, ...READER }, [
      '--read-from-remote-source=BINLOG-DUMP-GTIDS',
      await logOf(0),
    ]);
    expect(await reader.ended, reader.output).toBe(0);
    expect(reader.output).toContain("@2='read to the end'");
  });

  for (const [name, account, node] of [
    ['the primary', READER, 0],
    ['a replica, where the user is to', FROM_REPLICA, 1],
  ] as const) {
    test(`goes on with what comes, from ${name}, until it goes: then nothing is left on the server`, async () => {
      const reader = await Mysqlbinlog.start({ port: proxy.port, ...account }, [
        '--read-from-remote-server',
        '--stop-never',
        `--connection-server-id=${900 + node}`,
        await logOf(node),
      ]);
      try {
        await eventually(async () => expect(await dumps(node, account.user), reader.output).toBe(1));
        expect(await dumps(1 - node, account.user)).toBe(0);
        await at(0).query(`INSERT INTO logged.t VALUES (${10 + node}, 'live ${node}')`);
        await eventually(() => expect(reader.output).toContain(`@2='live ${node}'`));
      } finally {
        reader.stop();
      }
      await eventually(async () => expect(await dumps(node, account.user)).toBe(0));
    });
  }
});

describe('a session that asks for a binary log', () => {
  const dump = async (sets: readonly string[]): Promise<{ client: RawClient; first: RawPacket }> => {
    const client = await RawClient.logIn({ ...READER, host: proxy.host, port: proxy.port });
    for (const set of sets) await client.query(set);
    const log = sets.some((set) => set.includes('rwsplit')) ? await logOf(1) : await logOf(0);
    client.send(Buffer.concat([Buffer.from([0x12, 4, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0, 0]), Buffer.from(log)]));
    return { client, first: await client.read() };
  };

  test('gets it from a replica where a hint asks for that', async () => {
    const { client, first } = await dump([
      'SET /* rwsplit: replica */ @source_binlog_checksum = @@global.binlog_checksum',
    ]);
    expect(first.payload[0]).toBe(0);
    expect([await dumps(0, READER.user), await dumps(1, READER.user)]).toEqual([0, 1]);
    client.destroy();
    await eventually(async () => expect(await dumps(1, READER.user)).toBe(0));
  });

  test('gets it from the node that a hint names', async () => {
    const node = cluster.nodes[1];
    const { client, first } = await dump([
      `SET /* rwsplit: node=127.0.0.1:${node?.port} */ @source_binlog_checksum = 'CRC32', @x = -1.5`,
    ]);
    expect(first.payload[0]).toBe(0);
    expect(await dumps(1, READER.user)).toBe(1);
    client.destroy();
  });

  test('gets it from the primary where what it said before cannot be said again', async () => {
    const client = await RawClient.logIn({ ...FROM_REPLICA, host: proxy.host, port: proxy.port });
    await client.query('SET @source_binlog_checksum = CONCAT("CRC", 32)');
    client.send(Buffer.concat([Buffer.from([0x12, 4, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0, 0]), Buffer.from(await logOf(0))]));
    expect((await client.read()).payload[0]).toBe(0);
    expect([await dumps(0, FROM_REPLICA.user), await dumps(1, FROM_REPLICA.user)]).toEqual([1, 0]);
    client.destroy();
    await eventually(async () => expect(await dumps(0, FROM_REPLICA.user)).toBe(0));
  });

  test('is told so where the replica refuses what goes before it', async () => {
    const node = cluster.nodes[1];
    // Of the replica alone.
    await at(1).query('SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0');
    await at(1).query(`REVOKE REPLICATION SLAVE ON *.* FROM ${READER.user}`);
    try {
      const client = await RawClient.logIn({ ...READER, host: proxy.host, port: proxy.port });
      await client.query(`SET /* rwsplit: node=127.0.0.1:${node?.port} */ @source_binlog_checksum = 'CRC32'`);
      client.send(Buffer.concat([Buffer.from([0x15, 77, 0, 0, 0]), Buffer.alloc(13)]));
      expect((await client.read()).payload[0]).toBe(0);
      client.send(Buffer.concat([Buffer.from([0x12, 4, 0, 0, 0, 0, 0, 77, 0, 0, 0]), Buffer.from(await logOf(1))]));
      const { payload } = await client.read();
      expect(payload[0]).toBe(0xff);
      expect(payload.toString()).toMatch(/could not be set on .*Access denied/);
      client.destroy();
    } finally {
      await at(1).query(`GRANT REPLICATION SLAVE ON *.* TO ${READER.user}`);
      await at(1).query('SET sql_log_bin = 1; SET GLOBAL super_read_only = ON');
    }
  });

  test('and reads it slowly gets all of it, and no more than it takes is held', async () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 24; i++) await at(0).query("REPLACE INTO logged.t VALUES (99, REPEAT('z', 4000000))");
    const { client } = await dump(['SET @source_binlog_checksum = @@global.binlog_checksum']);
    client.socket.pause();
    await at(0).query("INSERT INTO logged.t VALUES (100, 'after the large ones')");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60_000_000);
    client.socket.resume();
    for (;;) {
      const { payload } = await client.read();
      if (payload.includes('after the large ones')) break;
    }
    client.destroy();
  });
});

describe('a replica that replicates through the proxy', () => {
  test.each([
    ['the primary', READER, 0],
    ['a replica', FROM_REPLICA, 1],
  ] as const)('applies what comes from %s', async (_name, { user, password }, node) => {
    const replica = at(2);
    await replica.query('STOP REPLICA; RESET REPLICA ALL');
    await replica.query(
      `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ?, SOURCE_USER = ?, SOURCE_PASSWORD = ?,
         SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 0, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_HEARTBEAT_PERIOD = 0.5`,
      [proxy.port, user, password],
    );
    await replica.query('START REPLICA');
    await at(0).query(`INSERT INTO logged.t VALUES (${200 + node}, 'through the proxy')`);
    await eventually(async () => {
      const [[status]] = await replica.query<Row[]>('SHOW REPLICA STATUS');
      expect(
        await value(replica, `SELECT COUNT(*) FROM logged.t WHERE id = ${200 + node}`),
        JSON.stringify(status),
      ).toBe(1);
    });
    expect(await dumps(node, user)).toBe(1);
  });

  test('acknowledges what it received, where the source waits for that', async () => {
    const replica = at(2);
    await replica.query('STOP REPLICA');
    await at(1).query('STOP REPLICA');
    await replica.query('SET GLOBAL rpl_semi_sync_replica_enabled = ON');
    await replica.query("CHANGE REPLICATION SOURCE TO SOURCE_USER = 'binlog_reader'");
    await at(0).query('SET GLOBAL rpl_semi_sync_source_enabled = ON; SET GLOBAL rpl_semi_sync_source_timeout = 60000');
    try {
      await replica.query('START REPLICA');
      const status = async (name: string): Promise<unknown> =>
        (await at(0).query<Row[]>('SHOW STATUS LIKE ?', [`rpl_semi_sync_source_${name}`]))[0][0]?.['Value'];
      await eventually(async () => expect(await status('clients')).toBe('1'));
      const acknowledged = Number(await status('yes_tx'));
      for (let i = 0; i < 5; i++) await at(0).query(`INSERT INTO logged.t VALUES (${300 + i}, 'acknowledged')`);
      expect(Number(await status('yes_tx'))).toBe(acknowledged + 5);
      await caughtUp(replica);
    } finally {
      await at(0).query('SET GLOBAL rpl_semi_sync_source_enabled = OFF');
      await at(1).query('START REPLICA');
    }
  });
});
