import type { Connection } from 'mysql2/promise';
import type { Account, ClusterAccounts } from '../../docker/cluster/cluster.js';

/** @param semiSync each transaction is to wait until a replica has it: then all servers are closed when they start */
export function serverOptions(id: number, semiSync: boolean): string[] {
  const own = [`server-id=${id}`, 'log-bin=binlog', 'log-slave-updates', 'gtid-strict-mode=ON', 'sync-binlog=0'];
  return semiSync ? [...own, ...LOSSLESS] : own;
}

/** As README.md asks for where nothing acknowledged may be lost. */
const LOSSLESS = [
  ...['read-only=1', 'skip-slave-start', 'performance-schema=ON', 'max-binlog-size=64M'],
  ...['rpl-semi-sync-master-timeout=4294967295', 'rpl-semi-sync-master-wait-point=AFTER_SYNC'],
];

/** Run by each server for itself. Replicas replicate as `root`. */
export function accountStatements({ root, monitor, app, failover }: ClusterAccounts): string[] {
  const create = ({ user, password }: Account): string =>
    `CREATE USER IF NOT EXISTS ${user}@'%' IDENTIFIED BY '${password}'`;
  return [
    'SET sql_log_bin = 0',
    // Those that a new data directory has, without passwords.
    "DROP USER IF EXISTS root@'127.0.0.1', root@localhost, root@'::1'",
    create(root),
    "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION",
    create(monitor),
    `GRANT BINLOG MONITOR, SLAVE MONITOR, REPLICATION SLAVE, PROCESS ON *.* TO ${monitor.user}@'%'`,
    create(failover),
    `GRANT BINLOG MONITOR, SLAVE MONITOR, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN, RELOAD, PROCESS ON *.*
     TO ${failover.user}@'%'`.replaceAll('\n', ' '),
    `GRANT ALL ON rwsplit.* TO ${failover.user}@'%'`,
    `GRANT SELECT ON performance_schema.* TO ${failover.user}@'%'`,
    create(app),
    `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE,
     CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER, SHOW DATABASES, RELOAD, PROCESS, BINLOG MONITOR
     ON *.* TO ${app.user}@'%'`.replaceAll('\n', ' '),
  ];
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Makes a primary of the first of these, and replicas of the others. @param roots a connection to each */
export async function replicate(
  nodes: readonly Place[],
  roots: readonly Connection[],
  root: Account,
  semiSync: boolean,
): Promise<void> {
  const [source = { host: '', port: 0 }] = nodes;
  const [primary, ...replicas] = roots;
  if (semiSync) {
    await Promise.all(replicas.map(async (it) => it.query('SET GLOBAL rpl_semi_sync_slave_enabled = ON')));
  }
  await Promise.all(replicas.map(async (replica) => followSource(replica, source, root)));
  if (!semiSync) return;
  await primary?.query('SET GLOBAL rpl_semi_sync_master_enabled = ON');
  await primary?.query('SET GLOBAL read_only = OFF');
}

export async function followSource(replica: Connection, { host, port }: Place, root: Account): Promise<void> {
  await replica.query(
    `CHANGE MASTER TO MASTER_HOST=?, MASTER_PORT=?, MASTER_USER=?, MASTER_PASSWORD=?, MASTER_USE_GTID=slave_pos,
     MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=0.2`,
    [host, port, root.user, root.password],
  );
  await replica.query('START SLAVE');
  await replica.query('SET GLOBAL read_only = 1');
}
