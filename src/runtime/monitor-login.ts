import { connect as connectSocket, isIP } from 'node:net';
import { createConnection, type Connection as DriverConnection, type ConnectionOptions } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import type { Flavour } from '../flavour/flavour.js';
import { flavourOf } from '../flavour/flavour-of.js';
import type { NodeAddress } from '../topology/snapshot.js';
import type { ServerTls } from './tls/server-tls.js';

/** With what the monitor logs in: it needs REPLICATION CLIENT. */
export interface MonitorAccount {
  readonly user: string;
  readonly password: string;
}

export interface MonitorConnection {
  readonly session: Connection;
  /** What the server's greeting offers. */
  readonly capabilities: number;
  readonly flavour: Flavour;
  /** As its greeting has it. */
  readonly serverVersion: string;
}

/** How the monitor gets to look at nodes. */
export interface NodeLogin {
  readonly user: string;
  /** The user need not have REPLICATION CLIENT: then it is not told from whom a node replicates. */
  readonly mayLackPrivileges: boolean;
  connect(node: NodeAddress, connectTimeout: number): Promise<MonitorConnection>;
}

/** How who may promote gets to nodes. */
export interface PromoterLogin {
  readonly user: string;
  /** @param attributes that the server tells of the session */
  connect(
    node: NodeAddress,
    connectTimeout: number,
    attributes?: Readonly<Record<string, string>>,
  ): Promise<MonitorConnection>;
}

/** As one user everywhere, over TLS as other connections to servers are. */
export class MonitorLogin implements NodeLogin, PromoterLogin {
  readonly user: string;
  readonly mayLackPrivileges = false;
  readonly #account: MonitorAccount;
  readonly #tls: ServerTls;

  constructor(account: MonitorAccount, tls: ServerTls) {
    this.user = account.user;
    this.#account = account;
    this.#tls = tls;
  }

  /** @param attributes that the server tells of the session */
  async connect(
    { host, port }: NodeAddress,
    connectTimeout: number,
    attributes: Readonly<Record<string, string>> = {},
  ): Promise<MonitorConnection> {
    const connectAttributes = { program_name: 'rwsplit-monitor', ...attributes };
    const { user, password } = this.#account;
    const options: ConnectionOptions = { host, port, user, password, connectTimeout, connectAttributes };
    if (this.#tls.mode === 'off') return connect(options);
    try {
      return await connect({ ...options, ...verifiableHost(host, port), ssl: this.#tls.driverOptions });
    } catch (error) {
      const lacksTls = error instanceof Error && 'code' in error && error.code === 'HANDSHAKE_NO_SSL_SUPPORT';
      if (!lacksTls || this.#tls.mode !== 'preferred') throw error;
      return connect(options);
    }
  }
}

/**
 * mysql2 compares a certificate with names only, never with an address. A name that is the address and a full stop is a name to it, and
 * to Node.js, which does the comparing, the address.
 */
function verifiableHost(host: string, port: number): ConnectionOptions {
  return isIP(host) === 0 ? {} : { host: `${host}.`, stream: () => connectSocket({ host, port, noDelay: true }) };
}

/** As mysql2 gives it. */
interface Greeting {
  readonly capabilityFlags?: unknown;
  readonly serverVersion?: unknown;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

async function connect(options: ConnectionOptions): Promise<MonitorConnection> {
  return monitorConnection(createConnection(options));
}

/** @param connection that was just begun */
export async function monitorConnection(connection: DriverConnection): Promise<MonitorConnection> {
  return new Promise((resolve, reject) => {
    connection.once('error', reject);
    connection.once('connect', (greeting: unknown) => {
      connection.off('error', reject);
      // Without a listener the end of an idle session would end the process.
      connection.on('error', () => {});
      const { capabilityFlags = 0, serverVersion = '' }: Greeting = isObject(greeting) ? greeting : {};
      resolve({
        session: connection.promise(),
        capabilities: Number(capabilityFlags) >>> 0,
        flavour: flavourOf(String(serverVersion)),
        serverVersion: String(serverVersion),
      });
    });
  });
}
