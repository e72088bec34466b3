import type { NodeAddress } from '../../topology/snapshot.js';
import type { PromoterLogin } from '../monitor-login.js';
import { Alone } from './alone.js';
import type { Coordinator, EtcdOptions, MysqlLocksOptions } from './coordinator.js';
import { EtcdCoordinator } from './etcd.js';
import { Follow } from './follow.js';
import { MysqlLocksCoordinator } from './mysql-locks.js';
import { systemClocks, type Clocks } from './sleepless-clock.js';

/** Who may promote, as the configuration says it. */
export type CoordinatorSettings =
  | { readonly kind: 'alone' }
  | { readonly kind: 'follow' }
  | Omit<EtcdOptions, 'name'>
  | Omit<MysqlLocksOptions, 'name' | 'nodes'>;

/** What a coordinator has of its proxy. */
export interface CoordinatorContext {
  /** What this proxy calls itself, for people to read. */
  readonly name: string;
  /** All servers that the configuration names. */
  readonly nodes: readonly NodeAddress[];
  readonly login: PromoterLogin;
  /** The largest epoch that any server's journal has told of; 0 for none. */
  readonly lastEpoch: () => number;
  readonly clocks?: Clocks;
}

/** @throws where a file of etcd's certificates cannot be read */
export function coordinatorOf(settings: CoordinatorSettings, context: CoordinatorContext): Coordinator {
  const { name, nodes, login, lastEpoch, clocks = systemClocks() } = context;
  switch (settings.kind) {
    case 'alone':
      return new Alone(name, lastEpoch);
    case 'follow':
      return new Follow();
    case 'etcd':
      return new EtcdCoordinator({ ...settings, name }, clocks, lastEpoch);
    case 'mysql-locks':
      return new MysqlLocksCoordinator({ ...settings, name, nodes }, login, clocks, lastEpoch);
  }
}
