import type { Policy } from '../../failover/durability.js';
import type { Preference } from '../../failover/view.js';
import type { MonitorAccount } from '../monitor-login.js';

/** How failovers are done. */
export interface FailoverSettings {
  /** What all proxies of these servers call them. */
  readonly cluster: string;
  readonly policy: Policy;
  /** For a candidate to apply what it has received. */
  readonly drainTimeoutMs: number;
  /** After a failover there is no other one by itself for so long. */
  readonly pauseMs: number;
  /** With which replicas log in to their source; what a replica has in `mysql.slave_master_info` when absent. */
  readonly replication: MonitorAccount | undefined;
  /** A node with transactions that the primary lacks gets the primary's data by CLONE: its own are lost then. */
  readonly rebuilds: boolean;
  /** Who is told of each change: programs, and addresses. */
  readonly hooks: readonly string[];
  /** Each decision is added to this file, where one is named. */
  readonly audit: string | undefined;
  /** By their names; neutral when absent. */
  readonly preferences: ReadonlyMap<string, Preference>;
}
