export interface ServerOptions {
  readonly serverId: number;
  readonly port: number;
  readonly readOnly: boolean;
  readonly fast: boolean;
  readonly semiSync: boolean;
}

/**
 * What `rwsplit check` asks for where replicas are promoted. Each is ready for either part; the primary is told when its replicas are there. `loose`: the
 * plugins are not loaded while data are made.
 */
const FOR_FAILOVERS = [
  'loose-rpl-semi-sync-replica-enabled=ON',
  'loose-rpl-semi-sync-source-timeout=4294967295',
  'relay-log-recovery=OFF',
  'skip-replica-start=ON',
  'max-binlog-size=64M',
];

/** The part of my.cnf that does not depend on where the server runs. */
export function serverOptions({ serverId, port, readOnly, fast, semiSync }: ServerOptions): string[] {
  return [
    'bind-address=127.0.0.1',
    `port=${port}`,
    'mysqlx=OFF',
    `server-id=${serverId}`,
    'log-bin=binlog',
    'log-replica-updates=ON',
    'gtid-mode=ON',
    'enforce-gtid-consistency=ON',
    'relay-log=relay',
    // What `SHOW REPLICAS` tells on the primary: without it a replica's address is not known from there.
    'report-host=127.0.0.1',
    `report-port=${port}`,
    // A replica takes a silent source for gone after this; the default of a minute is longer than a failover.
    'replica-net-timeout=10',
    'skip-name-resolve=ON',
    'max-connections=500',
    'local-infile=ON',
    'secure-file-priv=NULL',
    // Lets the application's account, which has no SUPER, create functions and triggers while the binary log is on.
    'log-bin-trust-function-creators=ON',
    'performance-schema=ON',
    'innodb-buffer-pool-size=128M',
    'loose-innodb-redo-log-capacity=64M',
    // Loaded but not enabled. A server without one of these files says so in its log and goes on.
    'plugin-load-add=semisync_source.so',
    'plugin-load-add=semisync_replica.so',
    'plugin-load-add=mysql_clone.so',
    ...(readOnly ? ['super-read-only=ON'] : []),
    ...(semiSync ? FOR_FAILOVERS : ['relay-log-recovery=ON']),
    ...(fast ? ['sync-binlog=0', 'innodb-flush-log-at-trx-commit=2'] : []),
  ];
}

export function optionFile(options: readonly string[]): string {
  return `[mysqld]\n${options.join('\n')}\n`;
}
