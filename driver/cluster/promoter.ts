import type { PoolOptions } from 'mysql2';
import type { SupervisedCluster } from '../../src/runtime/failover/supervised-cluster.js';
import type { Supervisor } from '../../src/runtime/failover/supervisor.js';
import type { EventLog } from '../../src/runtime/event-log.js';
import type { Split } from '../options.js';
import { PoolLogin } from './pool-login.js';

/** What a process that may promote has to tell, beside the change itself. */
export interface LogEntry {
  readonly level: keyof EventLog;
  readonly message: string;
  readonly fields: object;
}

/** Opens what promotes, where this process may. What that needs is loaded only then. */
export async function openPromoter(
  driver: PoolOptions,
  { coordinator, failover, monitor, nodes }: Split,
  cluster: SupervisedCluster,
  tell: (entry: LogEntry) => void,
): Promise<Supervisor | undefined> {
  if (coordinator.kind === 'follow') return undefined;
  const { openSupervisor } = await import('../../src/runtime/failover/open-supervisor.js');
  const login = new PoolLogin(driver, failover.account ?? monitor);
  const say =
    (level: keyof EventLog) =>
    (given: object | string, what = ''): void => {
      if (typeof given === 'string') tell({ level, message: given, fields: {} });
      else tell({ level, message: what, fields: given });
    };
  const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  const { account } = login;
  return openSupervisor({ coordinator, failover, account, login, nodes }, cluster, log);
}
