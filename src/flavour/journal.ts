import type { Command } from '../failover/task.js';
import { quoted, type HaStatement } from './failover-statements.js';

/** Where the servers themselves keep who has been the primary since which epoch. */
export const JOURNAL = 'rwsplit.journal';

export const MAKE_JOURNAL: readonly string[] = [
  'CREATE DATABASE IF NOT EXISTS rwsplit',
  // A leader, whose epoch it is, may change the primary more than once.
  `CREATE TABLE IF NOT EXISTS ${JOURNAL} (
     epoch BIGINT UNSIGNED NOT NULL, change_no INT UNSIGNED NOT NULL, server_uuid VARCHAR(300) NOT NULL, node VARCHAR(300) NOT NULL,
     at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (epoch, change_no))`,
];

export function journalRow({ epoch, serverUuid, node }: Extract<Command, { kind: 'journal' }>): HaStatement {
  return {
    sql:
      `INSERT INTO ${JOURNAL} (epoch, change_no, server_uuid, node) SELECT ${epoch}, COALESCE(MAX(change_no), 0) + 1, ` +
      `${quoted(serverUuid)}, ${quoted(node)} FROM ${JOURNAL} WHERE epoch = ${epoch}`,
  };
}
