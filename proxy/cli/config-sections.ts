import { isScalar } from 'yaml';
import { CACHING_SHA2 } from '../../src/protocol/auth/caching-sha2.js';
import { NATIVE_PASSWORD } from '../../src/protocol/auth/native-password.js';
import { TLS_MODES, TLS_VERSIONS } from '../../src/protocol/tls-mode.js';
import { POLICIES } from '../../src/failover/durability.js';
import { CONSISTENCY_LEVELS } from '../../src/session/consistency.js';
import type { FailoverOptions } from '../../src/runtime/failover/open-supervisor.js';
import type { BinlogFrom } from '../binlog-source.js';
import { notANetwork, parseNetwork } from '../listen/networks.js';
import type {
  ClientOptions,
  HoldOptions,
  LimitOptions,
  PoolOptions,
  ReplayOptions,
  ServerOptions,
  TlsOptions,
} from '../options.js';
import { ATTRIBUTE_SCOPES } from '../server-attributes.js';
import type { UserOptions } from '../users.js';
import type { ConfigReader, Section } from './config-reader.js';
import { readSecret } from './secret.js';

const COMPRESSIONS = ['zlib', 'zstd'] as const;
const TLS_KEYS = ['mode', 'cert', 'key', 'ca', 'min_version'];
export const POOL_KEYS = ['min', 'max', 'queue_max', 'acquire_timeout_ms', 'idle_ms', 'max_lifetime_ms'];
const LIMIT_KEYS =
  'connections connections_per_user connections_per_address packet_bytes login_timeout_ms idle_timeout_ms'.split(' ');

export function readClients(reader: ConfigReader, top: Section): ClientOptions {
  const keys = ['tls', 'compression', 'auth_plugin', 'server_version', 'proxy_protocol', 'kill_abandoned'];
  const clients = reader.section(top, 'clients', keys);
  return {
    tls: readTls(reader, clients.get('tls'), 'clients.tls'),
    compression: readCompression(reader, clients.get('compression'), 'clients.compression'),
    authPlugin: reader.choice(clients.get('auth_plugin'), 'clients.auth_plugin', [CACHING_SHA2, NATIVE_PASSWORD]),
    serverVersion: reader.string(clients.get('server_version'), 'clients.server_version'),
    killAbandoned: reader.boolean(clients.get('kill_abandoned'), 'clients.kill_abandoned'),
    proxyProtocol: readNetworks(reader, clients.get('proxy_protocol'), 'clients.proxy_protocol'),
  };
}

export function readServers(reader: ConfigReader, top: Section): ServerOptions {
  const servers = reader.section(top, 'servers', ['tls', 'compression', 'attributes']);
  return {
    tls: readTls(reader, servers.get('tls'), 'servers.tls'),
    compression: readCompression(reader, servers.get('compression'), 'servers.compression'),
    attributes: reader.choice(servers.get('attributes'), 'servers.attributes', ATTRIBUTE_SCOPES),
  };
}

export function readLimits(reader: ConfigReader, top: Section): LimitOptions {
  const limits = reader.section(top, 'limits', LIMIT_KEYS);
  const count = (name: string): number | undefined => reader.count(limits.get(name), `limits.${name}`);
  return {
    connections: count('connections'),
    connectionsPerUser: count('connections_per_user'),
    connectionsPerAddress: count('connections_per_address'),
    packetBytes: count('packet_bytes'),
    loginTimeoutMs: count('login_timeout_ms'),
    idleTimeoutMs: count('idle_timeout_ms'),
  };
}

export function readPool(reader: ConfigReader, pool: Section): PoolOptions {
  const count = (name: string): number | undefined => reader.count(pool.get(name), `pool.${name}`);
  return {
    min: count('min'),
    queueMax: count('queue_max'),
    acquireTimeoutMs: count('acquire_timeout_ms'),
    idleMs: count('idle_ms'),
    maxLifetimeMs: count('max_lifetime_ms'),
  };
}

export function readFailover(reader: ConfigReader, top: Section): FailoverOptions {
  const keys =
    'policy user password_env replication_user replication_password_env drain_timeout_ms pause_ms rebuild hooks audit'.split(
      ' ',
    );
  const failover = reader.section(top, 'failover', keys);
  const account = (prefix: string, what: string): { user: string; password: string } | undefined => {
    const user = reader.string(failover.get(`${prefix}user`), `failover.${prefix}user`);
    const variable = reader.string(failover.get(`${prefix}password_env`), `failover.${prefix}password_env`);
    if (user === undefined) return undefined;
    return { user, password: variable === undefined ? '' : readSecret(variable, `the password of ${what} '${user}'`) };
  };
  return {
    policy: reader.choice(failover.get('policy'), 'failover.policy', POLICIES),
    account: account('', "the failover's account"),
    replication: account('replication_', "the replicas' account"),
    drainTimeoutMs: reader.count(failover.get('drain_timeout_ms'), 'failover.drain_timeout_ms'),
    pauseMs: reader.count(failover.get('pause_ms'), 'failover.pause_ms'),
    hooks: reader.texts(failover.get('hooks'), 'failover.hooks'),
    audit: reader.string(failover.get('audit'), 'failover.audit'),
    rebuilds: reader.choice(failover.get('rebuild'), 'failover.rebuild', ['clone', 'no']) === 'clone',
  };
}

export function readHold(reader: ConfigReader, top: Section): HoldOptions {
  const hold = reader.section(top, 'hold', ['timeout_ms', 'max', 'bytes']);
  const count = (name: string): number | undefined => reader.count(hold.get(name), `hold.${name}`);
  return { timeoutMs: count('timeout_ms'), max: count('max'), bytes: count('bytes') };
}

const ON_OFF = ['on', 'off'] as const;

/** `on` or `off` alone, or a map with `transactions`. */
export function readReplay(reader: ConfigReader, top: Section): ReplayOptions {
  const node = top.get('replay');
  if (node === undefined) return {};
  const where = isScalar(node) ? 'replay' : 'replay.transactions';
  const replay: Section = isScalar(node)
    ? new Map([['transactions', node]])
    : reader.map(node, 'replay', ['transactions', 'statements', 'bytes', 'bytes_of_all']);
  const count = (name: string): number | undefined => reader.count(replay.get(name), `replay.${name}`);
  return {
    transactions: reader.choice(replay.get('transactions'), where, ON_OFF) === 'on',
    statements: count('statements'),
    bytes: count('bytes'),
    bytesOfAll: count('bytes_of_all'),
  };
}

export function readUsers(reader: ConfigReader, node: unknown): UserOptions[] | undefined {
  return reader.items(node, 'users')?.map((item, index) => readUser(reader, item, `users[${index}]`));
}

function readUser(reader: ConfigReader, node: unknown, where: string): UserOptions {
  const user = reader.map(node, where, [
    'name',
    'password_env',
    'require',
    'connections',
    'consistency',
    'max_lag_ms',
    'binlog_from',
  ]);
  const name = reader.string(user.get('name'), `${where}.name`);
  if (name === undefined) return reader.fail(node, `${where} has no name`);
  const required = user.get('require');
  const demands: Section =
    required === undefined ? new Map() : reader.map(required, `${where}.require`, ['tls', 'networks']);
  const variable = reader.string(user.get('password_env'), `${where}.password_env`);
  return {
    name,
    password: variable === undefined ? undefined : readSecret(variable, `the password of '${name}'`),
    requireTls: reader.boolean(demands.get('tls'), `${where}.require.tls`),
    networks: readNetworks(reader, demands.get('networks'), `${where}.require.networks`),
    connections: reader.count(user.get('connections'), `${where}.connections`),
    consistency: reader.choice(user.get('consistency'), `${where}.consistency`, CONSISTENCY_LEVELS),
    maxLagMs: reader.count(user.get('max_lag_ms'), `${where}.max_lag_ms`),
    binlogFrom: readBinlogFrom(reader, user.get('binlog_from'), `${where}.binlog_from`),
  };
}

function readBinlogFrom(reader: ConfigReader, node: unknown, where: string): BinlogFrom | undefined {
  const text = reader.string(node, where)?.replaceAll(' ', '');
  if (text === undefined || text === 'primary' || text === 'replica') return text;
  const name = /^node=([\w.:-]{1,255})$/.exec(text)?.[1];
  return name === undefined ? reader.fail(node, `${where} is one of primary, replica, node=HOST:PORT`) : `node=${name}`;
}

/** A mode alone, or a map with one. */
function readTls(reader: ConfigReader, node: unknown, where: string): TlsOptions | undefined {
  if (node === undefined) return undefined;
  const tls: Section = isScalar(node) ? new Map([['mode', node]]) : reader.map(node, where, TLS_KEYS);
  return {
    mode: reader.choice(tls.get('mode'), `${where}.mode`, TLS_MODES) ?? 'preferred',
    cert: reader.string(tls.get('cert'), `${where}.cert`),
    key: reader.string(tls.get('key'), `${where}.key`),
    ca: reader.string(tls.get('ca'), `${where}.ca`),
    minVersion: reader.choice(tls.get('min_version'), `${where}.min_version`, TLS_VERSIONS),
  };
}

/** `off`, one algorithm, or several, the one that is liked best first. */
function readCompression(reader: ConfigReader, node: unknown, where: string): ('zlib' | 'zstd')[] | undefined {
  if (isScalar(node) && (node.value === 'off' || node.value === false)) return [];
  if (isScalar(node)) return [reader.choice(node, where, COMPRESSIONS)].filter((it) => it !== undefined);
  return reader
    .items(node, where)
    ?.map((item) => reader.choice(item, where, COMPRESSIONS))
    .filter((it) => it !== undefined);
}

function readNetworks(reader: ConfigReader, node: unknown, where: string): string[] | undefined {
  const networks = reader.texts(node, where);
  if (networks === undefined) return undefined;
  const wrong = networks.find((text) => parseNetwork(text) === undefined);
  if (wrong !== undefined) reader.fail(node, `${where}: ${notANetwork(wrong)}`);
  return networks;
}
