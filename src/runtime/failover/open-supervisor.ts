import { hostname } from 'node:os';
import { DEFAULTS } from '../../defaults.js';
import type { Policy } from '../../failover/durability.js';
import type { Preference } from '../../failover/view.js';
import type { NodeAddress } from '../../topology/snapshot.js';
import { coordinatorOf, type CoordinatorSettings } from '../coordinator/coordinator-of.js';
import type { EventLog } from '../event-log.js';
import type { MonitorAccount, PromoterLogin } from '../monitor-login.js';
import type { SupervisedCluster } from './supervised-cluster.js';
import { Supervisor } from './supervisor.js';

/** How a dead primary is replaced; see `defaults.ts` for what counts when absent. */
export interface FailoverOptions {
  /** Who does it on the servers; the monitor's account when absent. */
  readonly account?: MonitorAccount | undefined;
  /** `lossless` when absent. */
  readonly policy?: Policy | undefined;
  readonly drainTimeoutMs?: number | undefined;
  readonly pauseMs?: number | undefined;
  /** As replicas log in to their source; what a replica knows of that when absent. */
  readonly replication?: MonitorAccount | undefined;
  /** A node with transactions that the primary lacks gets the primary's data by CLONE; not when absent. */
  readonly rebuilds?: boolean | undefined;
  /** Programs and addresses that are told of each change. */
  readonly hooks?: readonly string[] | undefined;
  /** A file to which each decision is added as a line of JSON; none when absent. */
  readonly audit?: string | undefined;
  /** Of nodes, by their names. */
  readonly preferences?: ReadonlyMap<string, Preference> | undefined;
}

/** Who may promote, with what, and which servers are named. */
export interface Promotion {
  readonly coordinator: CoordinatorSettings | undefined;
  readonly failover: FailoverOptions;
  readonly account: MonitorAccount;
  readonly login: PromoterLogin;
  readonly nodes: readonly NodeAddress[];
}

/** @returns undefined where somebody else promotes */
export function openSupervisor(
  { coordinator, failover, account, login, nodes }: Promotion,
  cluster: SupervisedCluster,
  log: EventLog,
): Supervisor | undefined {
  if (coordinator === undefined || coordinator.kind === 'follow') return undefined;
  return new Supervisor(
    {
      cluster: 'cluster' in coordinator ? coordinator.cluster : 'default',
      policy: failover.policy ?? 'lossless',
      drainTimeoutMs: failover.drainTimeoutMs ?? DEFAULTS.failoverDrainMs,
      pauseMs: failover.pauseMs ?? DEFAULTS.failoverPauseMs,
      replication: failover.replication,
      rebuilds: failover.rebuilds ?? false,
      hooks: failover.hooks ?? [],
      audit: failover.audit,
      preferences: failover.preferences ?? new Map(),
    },
    account,
    login,
    (lastEpoch) => coordinatorOf(coordinator, { name: `${hostname()}:${process.pid}`, nodes, login, lastEpoch }),
    cluster,
    log,
    () => performance.now(),
  );
}
