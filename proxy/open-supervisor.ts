import { hostname } from 'node:os';
import { DEFAULTS } from '../src/defaults.js';
import { coordinatorOf } from '../src/runtime/coordinator/coordinator-of.js';
import { Supervisor, type SupervisedCluster } from '../src/runtime/failover/supervisor.js';
import type { Log } from '../src/runtime/log.js';
import { MonitorLogin } from '../src/runtime/monitor-login.js';
import type { ServerTls } from '../src/runtime/tls/server-tls.js';
import type { ProxyOptions } from './options.js';

/** @returns undefined where somebody else promotes */
export function openSupervisor(
  { coordinator, failover = {}, monitor, nodes }: ProxyOptions,
  tls: ServerTls,
  cluster: SupervisedCluster,
  log: Log,
): Supervisor | undefined {
  if (coordinator === undefined || coordinator.kind === 'follow') return undefined;
  const account = failover.account ?? monitor;
  const login = new MonitorLogin(account, tls);
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
