import type { ConnectionOptions, PoolOptions } from 'mysql2';
import mysql2 from 'mysql2';
import {
  monitorConnection,
  type MonitorAccount,
  type MonitorConnection,
  type NodeLogin,
  type PromoterLogin,
} from '../../src/runtime/monitor-login.js';
import type { NodeAddress } from '../../src/topology/snapshot.js';
import type { OkResult } from '../mysql2/internals.js';
import { seenAs } from '../mysql2/seen-as.js';

/** What of a pool's options says how servers are reached; the others would shape the answers. */
const HOW_TO_CONNECT = [
  'user',
  'password',
  'password1',
  'password2',
  'password3',
  'passwordSha1',
  'charset',
  'charsetNumber',
  'flags',
  'ssl',
  'stream',
  'compress',
  'localAddress',
  'authPlugins',
  'authSwitchHandler',
  'enableCleartextPlugin',
  'insecureAuth',
  'enableKeepAlive',
  'keepAliveInitialDelay',
  'disableEval',
] as const;

/** Looks at servers as the pool's own connections would be made, as another user where one is given. */
export class PoolLogin implements NodeLogin, PromoterLogin {
  readonly user: string;
  readonly mayLackPrivileges = true;
  readonly #options: ConnectionOptions;
  readonly #onBaseline: ((variables: ReadonlyMap<string, string>) => void) | undefined;
  #knowsBaseline: boolean;

  /** @param onBaseline told once what a fresh session has */
  constructor(
    options: PoolOptions,
    account: { readonly user?: string; readonly password?: string },
    onBaseline?: (variables: ReadonlyMap<string, string>) => void,
  ) {
    const chosen = Object.fromEntries(HOW_TO_CONNECT.flatMap((key) => (key in options ? [[key, options[key]]] : [])));
    this.#options = { ...chosen, ...account };
    this.user = this.#options.user ?? '';
    this.#onBaseline = onBaseline;
    this.#knowsBaseline = onBaseline === undefined;
  }

  /** As whom it looks. */
  get account(): MonitorAccount {
    return { user: this.user, password: this.#options.password ?? '' };
  }

  async connect(
    { host, port }: NodeAddress,
    connectTimeout: number,
    attributes: Readonly<Record<string, string>> = {},
  ): Promise<MonitorConnection> {
    const connectAttributes = { program_name: 'rwsplit-monitor', ...attributes };
    const options = { ...this.#options, host, port, connectTimeout, connectAttributes };
    const connection = await monitorConnection(mysql2.createConnection(options));
    if (!this.#knowsBaseline) {
      const [answer] = await connection.session.query({
        sql: connection.flavour.trackSession,
        timeout: connectTimeout,
      });
      // Its types do not know what session trackers tell.
      const { stateChanges } = seenAs<OkResult>(answer);
      this.#knowsBaseline = true;
      this.#onBaseline?.(new Map(Object.entries(stateChanges?.systemVariables ?? {})));
    }
    return connection;
  }
}
