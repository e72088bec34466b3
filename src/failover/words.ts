/** What servers of one make call things, for those who read why. */
export interface Words {
  /** What the variables begin with. */
  readonly semiSyncSource: string;
  readonly semiSyncReplica: string;
  readonly replica: string;
  /** What a source needs. */
  readonly source: string;
}

const MYSQL: Words = {
  semiSyncSource: 'rpl_semi_sync_source',
  semiSyncReplica: 'rpl_semi_sync_replica',
  replica: 'replica',
  source: 'log_bin, log_replica_updates and gtid_mode',
};
const MARIADB: Words = {
  semiSyncSource: 'rpl_semi_sync_master',
  semiSyncReplica: 'rpl_semi_sync_slave',
  replica: 'slave',
  source: 'log_bin, log_slave_updates and gtid_strict_mode',
};

/** @param version a node's own */
export function wordsOf(version: string): Words {
  return /mariadb/i.test(version) ? MARIADB : MYSQL;
}
