import { randomBytes } from 'node:crypto';
import type { Account, ClusterAccounts } from './cluster.js';

export interface AllAccounts extends ClusterAccounts {
  /** The replicas' own. */
  readonly replication: Account;
}

export function newAccounts(): AllAccounts {
  return {
    root: newAccount('root'),
    monitor: newAccount('rwsplit_monitor'),
    app: newAccount('app'),
    failover: newAccount('rwsplit_failover'),
    replication: newAccount('rwsplit_replication'),
  };
}

function newAccount(user: string): Account {
  // No sign that a shell, an option file or SQL would read as more than a letter.
  return { user, password: randomBytes(18).toString('base64url') };
}

/** Run by each server on its own while its data directory is made: before that, nobody could log in over TCP. */
export function initSql({ root }: AllAccounts): string {
  return [
    `ALTER USER root@localhost IDENTIFIED WITH caching_sha2_password BY '${root.password}';`,
    createUser(root),
    'GRANT ALL ON *.* TO root@`%` WITH GRANT OPTION;',
    '',
  ].join('\n');
}

/** Run once on the primary; the replicas get them by replication. */
export function accountStatements({ monitor, app, failover, replication }: AllAccounts): string[] {
  return [
    createUser(replication),
    `GRANT REPLICATION SLAVE ON *.* TO ${replication.user}`,

    createUser(monitor),
    // REPLICATION CLIENT: SHOW REPLICA STATUS and SHOW BINARY LOG STATUS. REPLICATION SLAVE: SHOW REPLICAS, which finds a primary's
    // replicas. PROCESS: who is connected, and from where. SHOW_ROUTINE: which stored functions only read.
    `GRANT REPLICATION CLIENT, REPLICATION SLAVE, PROCESS, SHOW_ROUTINE ON *.* TO ${monitor.user}`,
    // The state of each replication channel, worker and applied transaction, with times in microseconds.
    `GRANT SELECT ON performance_schema.* TO ${monitor.user}`,

    createUser(failover),
    // Replication: which source, whether it goes on. Variables: read-only or not, for now and after a restart, acknowledgements, offline mode.
    // Connections: those of an older proxy. RELOAD: RESET REPLICA.
    `GRANT REPLICATION CLIENT, REPLICATION SLAVE, PROCESS, RELOAD ON *.* TO ${failover.user}`,
    `GRANT REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, PERSIST_RO_VARIABLES_ADMIN, CONNECTION_ADMIN, BACKUP_ADMIN, CLONE_ADMIN
     ON *.* TO ${failover.user}`,
    `GRANT SELECT ON performance_schema.* TO ${failover.user}`,
    // With which account a replica replicates.
    `GRANT SELECT ON mysql.slave_master_info TO ${failover.user}`,
    // The journal of primaries.
    `GRANT ALL ON rwsplit.* TO ${failover.user}`,

    createUser(app),
    // All that concerns data, in all schemas. Not SUPER, CONNECTION_ADMIN and their like, which would write through read_only.
    `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE,
       CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER, SHOW DATABASES, RELOAD, PROCESS, REPLICATION CLIENT
     ON *.* TO ${app.user}`,
  ];
}

function createUser({ user, password }: Account): string {
  return `CREATE USER ${user}@\`%\` IDENTIFIED WITH caching_sha2_password BY '${password}';`;
}
