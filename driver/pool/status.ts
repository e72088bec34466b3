import type { Consistency } from '../../src/session/consistency.js';
import type { FailoverStatus } from '../../src/runtime/failover/supervised-cluster.js';
import type { Health } from '../../src/topology/health.js';
import type { Role } from '../../src/topology/snapshot.js';
import type { RouteCount } from '../cluster/route-counts.js';

/** Where a statement of the pool would run now. */
export interface Explanation {
  readonly to: 'primary' | 'replica';
  /** In one word: those of `rwsplit explain`. */
  readonly reason: string;
  /** Undefined where any replica may be the one. */
  readonly node: string | undefined;
  /** What it would leave on its connection. */
  readonly pins: readonly string[];
  readonly consistency: Consistency;
}

export interface NodeStatus {
  readonly name: string;
  readonly role: Role;
  readonly health: Health;
  /** Why it is not up; '' where it is. */
  readonly why: string;
  /** How late it is, at the most. */
  readonly lagMs: number;
  readonly connections: number;
  readonly free: number;
  /** Who waits for a connection. */
  readonly waiting: number;
}

export interface PoolStatus {
  readonly primary: string | undefined;
  /** Why there is no primary. */
  readonly problem: string | undefined;
  readonly nodes: readonly NodeStatus[];
  /** Statements that wait for a primary. */
  readonly held: number;
  /** Of who promotes in this process; undefined where nobody does. */
  readonly failover: FailoverStatus | undefined;
  /** Statements that ran, by node and reason, most first. */
  readonly routes: readonly RouteCount[];
}
