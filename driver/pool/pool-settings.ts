import type { PoolOptions } from 'mysql2';
import { core, type ConnectionSettings, type PoolSettings } from '../mysql2/internals.js';

/** mysql2's own reading of the options: of what it does not know it complains here, once. */
export function settingsOf(options: PoolOptions): PoolSettings {
  const template = core.createPool(options);
  template.end();
  return template.config;
}

/** The same for one of several servers. */
export function settingsAt(settings: PoolSettings, host: string, port: number): PoolSettings {
  // mysql2 writes into it, and looks at its class.
  const connectionConfig: ConnectionSettings = Object.create(
    Object.getPrototypeOf(settings.connectionConfig),
    Object.getOwnPropertyDescriptors(settings.connectionConfig),
  );
  return { ...settings, connectionConfig: Object.assign(connectionConfig, { host, port, socketPath: undefined }) };
}
