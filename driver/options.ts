import type { PoolOptions } from 'mysql2';
import { DEFAULTS } from '../src/defaults.js';
import { RULE_TARGET, type Rule } from '../src/routing/rules.js';
import { isConsistency, type Consistency } from '../src/session/consistency.js';
import type { CoordinatorSettings } from '../src/runtime/coordinator/coordinator-of.js';
import type { FailoverOptions } from '../src/runtime/failover/open-supervisor.js';
import type { MonitorAccount } from '../src/runtime/monitor-login.js';
import type { WriteHoldSettings } from '../src/runtime/write-hold.js';
import type { BalancePolicyName } from '../src/topology/balance/policy.js';
import type { BalanceSettings } from '../src/topology/read-balance.js';
import type { NodeAddress } from '../src/topology/snapshot.js';
import { core } from './mysql2/internals.js';

/** A server of the cluster. */
export interface NodeOptions {
  readonly host: string;
  /** The pool's own when absent. */
  readonly port?: number | string;
  /** As hints and `status()` call it; `HOST:PORT` when absent. */
  readonly name?: string;
  /** How many reads it gets beside the others. */
  readonly weight?: number;
  readonly zone?: string;
}

/** What a pool takes beside mysql2's own options. All of it is optional but one of `nodes` and `replicas`. */
export interface SplitOptions {
  /** All servers; which of them is the primary is found out. `host` and `port` need not be given then. */
  readonly nodes?: readonly (string | NodeOptions)[];
  /** Servers beside the one that `host` and `port` name. */
  readonly replicas?: readonly (string | NodeOptions)[];
  /** Servers that the named ones tell of are used, too. (Default: false) */
  readonly discovery?: boolean;
  /** How fresh reads have to be. (Default: `session`: all that was written through this pool, or in the scope, is seen) */
  readonly consistency?: Consistency;
  /** How long a read waits for a replica to have what it has to see before the primary answers it, in milliseconds. (Default: 100) */
  readonly consistencyWait?: number;
  /** A replica that is later, in milliseconds, gets no reads. (Default: 10000) */
  readonly maxLag?: number;
  readonly balance?: {
    readonly policy?: BalancePolicyName;
    /** Which part of the reads the primary gets, from 0 to 1. */
    readonly primaryShare?: number;
    readonly zone?: string;
    /** So many reads at once the primary answers because no replica can; others wait. (Default: half of `connectionLimit`) */
    readonly primaryReadsMax?: number;
  };
  /** Where reads go, by who asks and what for: the first rule that fits counts. */
  readonly rules?: readonly Rule[];
  /** Who looks at the servers, and how often in milliseconds. (Default: the pool's user, each second) */
  readonly monitor?: { readonly user?: string; readonly password?: string; readonly interval?: number };
  /** What waits while there is no primary: how long in milliseconds, how many statements, with how much text. (Default: 10000, 10000, 64 MiB) */
  readonly hold?: { readonly timeout?: number; readonly max?: number; readonly bytes?: number };
  /** Who may promote. (Default: `follow`: nobody here) */
  readonly coordinator?: CoordinatorOption;
  readonly failover?: FailoverOption;
}

/** As the proxy's `coordinator`. `alone` is for one process that never has a second beside it. */
export type CoordinatorOption = CoordinatorSettings['kind'] | CoordinatorSettings;

/** How a dead primary is replaced: as the proxy's `failover`. */
export interface FailoverOption extends Omit<FailoverOptions, 'account'> {
  /** Who does it on the servers. (Default: the monitor's account) */
  readonly account?: MonitorAccount;
}

/** What mysql2's pools lack. Each is off unless given. */
export interface ComfortOptions {
  /** How long `getConnection` waits for a connection, in milliseconds. */
  readonly acquireTimeout?: number;
  /** A connection that is older, in milliseconds, is replaced when it is asked for next. */
  readonly maxLifetime?: number;
  /** A connection that has been idle for longer, in milliseconds, is pinged before it is handed out. */
  readonly validateAfterIdle?: number;
}

export type RwsplitPoolOptions = PoolOptions & SplitOptions & ComfortOptions;

export interface Comforts {
  readonly acquireTimeout: number | undefined;
  readonly maxLifetime: number | undefined;
  readonly validateAfterIdle: number | undefined;
}

export interface Split {
  readonly nodes: readonly NodeAddress[];
  readonly discovery: boolean;
  readonly consistency: Consistency;
  readonly consistencyWaitMs: number;
  readonly maxLagMs: number;
  readonly balance: BalanceSettings;
  readonly primaryReadsMax: number | undefined;
  readonly rules: readonly Rule[];
  readonly monitor: { readonly user?: string; readonly password?: string };
  readonly intervalMs: number;
  readonly hold: WriteHoldSettings;
  readonly coordinator: CoordinatorSettings;
  readonly failover: FailoverOption;
}

/** What an application asked for. */
export interface Wanted {
  /** What is mysql2's. */
  readonly driver: PoolOptions;
  readonly comforts: Comforts;
  /** Undefined where there is one server only. */
  readonly split: Split | undefined;
}

const SEVERAL_HOSTS = /^([a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?)([^/?#]*,[^/?#]*)(.*)$/is;
const HOST = /^(?:\[([^\]]+)\]|([^:]*|[^:]*:[^:]*:.*))(?::(\d+))?$/;

/** @throws TypeError for what is none of our options' values */
export function readOptions(given: string | RwsplitPoolOptions): Wanted {
  const options = typeof given === 'string' ? fromUri(given) : withUri(given);
  const { nodes, replicas, discovery, consistency, consistencyWait, maxLag, balance, rules, monitor, ...others } =
    options;
  const { hold, coordinator, failover, ...rest } = others;
  const { acquireTimeout, maxLifetime, validateAfterIdle, ...driver } = rest;
  const comforts = { acquireTimeout, maxLifetime, validateAfterIdle };
  if (nodes === undefined && replicas === undefined) return { driver, comforts, split: undefined };
  const level: string = consistency ?? 'session';
  if (!isConsistency(level)) throw new TypeError(`consistency is none of the levels: ${level}`);
  const { port = 3306 } = driver;
  const own = nodes === undefined ? [{ host: driver.host ?? 'localhost', port }] : [];
  const addresses = [...own, ...(nodes ?? []), ...(replicas ?? [])].map((node) => addressOf(node, port));
  if (addresses.length === 0) throw new TypeError('nodes is empty: name one server at least');
  const { policy = 'round-robin', primaryShare = 0, zone, primaryReadsMax } = balance ?? {};
  for (const { to } of rules ?? []) {
    if (!RULE_TARGET.test(to)) throw new TypeError(`a rule says what no hint can: ${to}`);
  }
  const { interval = DEFAULTS.driverProbeIntervalMs, ...account } = monitor ?? {};
  return {
    driver,
    comforts,
    split: {
      nodes: addresses,
      discovery: discovery ?? false,
      consistency: level,
      consistencyWaitMs: consistencyWait ?? DEFAULTS.consistencyWaitMs,
      maxLagMs: maxLag ?? DEFAULTS.maxLagMs,
      balance: { policy, primaryShare, zone },
      primaryReadsMax,
      rules: rules ?? [],
      monitor: account,
      intervalMs: interval,
      hold: {
        timeoutMs: hold?.timeout ?? DEFAULTS.holdTimeoutMs,
        max: hold?.max ?? DEFAULTS.holdMax,
        bytes: hold?.bytes ?? DEFAULTS.holdBytes,
      },
      coordinator: coordinatorSettings(coordinator ?? 'follow'),
      failover: failover ?? {},
    },
  };
}

function coordinatorSettings(given: CoordinatorOption): CoordinatorSettings {
  if (typeof given === 'object') return given;
  switch (given) {
    case 'alone':
    case 'follow':
      return { kind: given };
    case 'mysql-locks':
      return { kind: given, cluster: 'default' };
    case 'etcd':
      throw new TypeError("coordinator 'etcd' needs to know where it is: { kind: 'etcd', endpoints, cluster }");
    default:
      throw new TypeError(`coordinator is none of follow, alone, etcd, mysql-locks: ${String(given)}`);
  }
}

/** As mysql2 reads them: what is given beside the URI wins. */
function withUri(given: RwsplitPoolOptions): RwsplitPoolOptions {
  const { uri, ...options } = given;
  if (uri === undefined || uri === '') return options;
  const wins = Object.entries(options).filter(([, value]) => Boolean(value));
  return { ...options, ...fromUri(uri), ...Object.fromEntries(wins) };
}

function fromUri(uri: string): RwsplitPoolOptions {
  const [, before, hosts, after] = SEVERAL_HOSTS.exec(uri) ?? [];
  if (before === undefined || hosts === undefined) return core.ConnectionConfig.parseUrl(uri);
  const [first = '', ...others] = hosts.split(',');
  const { host, port, ...options } = core.ConnectionConfig.parseUrl(`${before}${first}${after ?? ''}`);
  const own = { host: host ?? 'localhost', port: Number(port) || 3306 };
  return { ...options, ...own, nodes: [own, ...others] };
}

function addressOf(given: string | NodeOptions, defaultPort: number): NodeAddress {
  const { host, port = defaultPort, name, weight, zone } = typeof given === 'string' ? parseHost(given) : given;
  return { name: name ?? `${host}:${port}`, host, port: Number(port), weight, zone };
}

function parseHost(text: string): NodeOptions {
  const [, bracketed, plain, port] = HOST.exec(text.trim()) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || host === '') throw new TypeError(`no address of a server: ${text}`);
  return port === undefined ? { host } : { host, port: Number(port) };
}
