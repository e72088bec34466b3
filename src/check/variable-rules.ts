import type { ServerFacts } from './facts.js';
import type { Concern, Severity } from './finding.js';

/** What a variable of a server has to be. */
export interface VariableRule {
  readonly variable: string;
  readonly concern: Concern;
  readonly severity: Severity;
  /** `lossless`: less than that where the policy is another one. */
  readonly ofPolicy?: 'lossless';
  /** Only from its next start on does it count: what is persisted outweighs what is. */
  readonly atStart?: true;
  readonly should: string;
  isRight(value: string): boolean;
  readonly why: string;
  readonly mend: string;
}

const isOn = (value: string): boolean => value === 'ON' || value === '1';
const isOff = (value: string): boolean => value === 'OFF' || value === '0';

/** MySQL's. What the primary's semi-synchronous replication has to be is in `semi-sync-rules.ts`. */
export const VARIABLE_RULES: readonly VariableRule[] = [
  {
    variable: 'gtid_mode',
    concern: 'own-writes',
    severity: 'error',
    should: 'ON',
    isRight: isOn,
    why: 'by GTIDs it is known what a replica has, so that sessions read what they wrote, and who may be promoted',
    mend: 'SET PERSIST_ONLY gtid_mode = ON, PERSIST_ONLY enforce_gtid_consistency = ON, then restart (or step by step, see the manual)',
  },
  {
    variable: 'session_track_gtids',
    concern: 'own-writes',
    severity: 'error',
    should: 'a variable that the server has (MySQL 5.7)',
    isRight: () => true,
    why: 'without it nobody tells what a session wrote',
    mend: '',
  },
  {
    variable: 'enforce_gtid_consistency',
    concern: 'failover',
    severity: 'error',
    should: 'ON',
    isRight: isOn,
    why: 'gtid_mode needs it',
    mend: 'SET PERSIST enforce_gtid_consistency = ON',
  },
  {
    variable: 'log_bin',
    concern: 'failover',
    severity: 'error',
    should: 'ON',
    isRight: isOn,
    why: 'who has no binary log cannot be the source of others, nor the primary',
    mend: 'log_bin in its option file, then restart',
  },
  {
    variable: 'log_replica_updates',
    concern: 'failover',
    severity: 'error',
    should: 'ON',
    isRight: isOn,
    why: 'a replica that is promoted has to have in its binary log what it has applied',
    mend: 'log_replica_updates in its option file, then restart',
  },
  {
    variable: 'super_read_only',
    concern: 'failover',
    severity: 'error',
    atStart: true,
    should: 'ON from its start on (S1)',
    isRight: isOn,
    why: 'a primary that dies and comes back takes writes beside the new one',
    mend: 'SET PERSIST_ONLY super_read_only = ON',
  },
  {
    variable: 'skip_replica_start',
    concern: 'failover',
    severity: 'error',
    ofPolicy: 'lossless',
    atStart: true,
    should: 'ON (S2)',
    isRight: isOn,
    why: 'a replica that restarts in the middle of a failover acknowledges what the old primary writes; who leads starts it',
    mend: 'SET PERSIST_ONLY skip_replica_start = ON',
  },
  {
    variable: 'relay_log_recovery',
    concern: 'failover',
    severity: 'error',
    ofPolicy: 'lossless',
    atStart: true,
    should: 'OFF (S3)',
    isRight: isOff,
    why: 'what a replica has acknowledged, and not applied yet, is gone with its restart',
    mend: 'SET PERSIST_ONLY relay_log_recovery = OFF',
  },
  {
    variable: 'sync_binlog',
    concern: 'failover',
    severity: 'warning',
    should: '1',
    isRight: (value) => value === '1',
    why: 'a power cut takes transactions that it has acknowledged, or said to have',
    mend: 'SET PERSIST sync_binlog = 1',
  },
  {
    variable: 'innodb_flush_log_at_trx_commit',
    concern: 'failover',
    severity: 'warning',
    should: '1',
    isRight: (value) => value === '1',
    why: 'a power cut takes transactions that it has acknowledged, or said to have',
    mend: 'SET PERSIST innodb_flush_log_at_trx_commit = 1',
  },
  {
    variable: 'replica_preserve_commit_order',
    concern: 'failover',
    severity: 'warning',
    should: 'ON',
    isRight: isOn,
    why: 'else a replica shows later transactions before earlier ones, and has gaps when it is promoted',
    mend: 'STOP REPLICA SQL_THREAD; SET PERSIST replica_preserve_commit_order = ON; START REPLICA SQL_THREAD',
  },
  {
    variable: 'replica_net_timeout',
    concern: 'failover',
    severity: 'hint',
    should: '10 or less',
    isRight: (value) => Number(value) <= 10,
    why: 'for so long a replica goes on waiting for a source that is gone without a word, and does not connect anew',
    mend: 'SET PERSIST replica_net_timeout = 10',
  },
];

const MAX_LOG_BYTES = 134_217_728;

/** Of both makes. */
export const LOG_SIZE_RULE: VariableRule = {
  variable: 'max_binlog_size',
  concern: 'failover',
  severity: 'hint',
  should: `${MAX_LOG_BYTES} or less`,
  isRight: (value) => Number(value) <= MAX_LOG_BYTES,
  why: 'a new primary looks through a file of its log from the beginning for what a replica lacks, a second for each gigabyte, and writes wait for that',
  mend: 'SET GLOBAL max_binlog_size = 67108864, and the same in its option file',
};

/** What it is now, or will be from the next start on; undefined where the server has no such variable. */
export function valueOf(rule: VariableRule, { variables, persisted, dynamic }: ServerFacts): string | undefined {
  const value = variables.get(rule.variable);
  if (rule.atStart !== true) return value;
  const kept = persisted?.get(rule.variable);
  if (kept !== undefined || value === undefined) return kept;
  // What its option file says is not told where the variable has been set since.
  return dynamic?.has(rule.variable) === true ? `${value}, and not persisted` : value;
}
