import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import type { FailoverOptions } from '../../src/runtime/failover/open-supervisor.js';
import { RULE_TARGET, type Rule } from '../../src/routing/rules.js';
import type { CoordinatorSettings } from '../../src/runtime/coordinator/coordinator-of.js';
import type {
  BalanceOptions,
  ClientOptions,
  HoldOptions,
  LimitOptions,
  PoolOptions,
  ReplayOptions,
  ServerOptions,
} from '../options.js';
import type { UserOptions } from '../users.js';
import { ConfigReader } from './config-reader.js';
import { readBalance, readNodes, type NodeOptions } from './config-nodes.js';
import { readCoordinator } from './config-coordinator.js';
import {
  POOL_KEYS,
  readClients,
  readFailover,
  readHold,
  readLimits,
  readPool,
  readReplay,
  readServers,
  readUsers,
} from './config-sections.js';
import { UsageError } from './usage-error.js';

/** What a configuration file may say. Everything is optional: flags say it too, and win. */
export interface ConfigFile {
  readonly listen?: readonly string[] | undefined;
  readonly nodes?: readonly NodeOptions[] | undefined;
  readonly discovery?: boolean | undefined;
  readonly maxLagMs?: number | undefined;
  readonly balance?: BalanceOptions | undefined;
  readonly monitorUser?: string | undefined;
  readonly monitorPasswordEnv?: string | undefined;
  readonly monitorIntervalMs?: number | undefined;
  readonly logLevel?: string | undefined;
  readonly consistency?: string | undefined;
  readonly consistencyWaitMs?: number | undefined;
  readonly poolMax?: number | undefined;
  readonly pool?: PoolOptions | undefined;
  readonly rules?: readonly Rule[] | undefined;
  readonly dataDirectory?: string | undefined;
  readonly clients?: ClientOptions | undefined;
  readonly servers?: ServerOptions | undefined;
  readonly limits?: LimitOptions | undefined;
  readonly users?: readonly UserOptions[] | undefined;
  readonly coordinator?: CoordinatorSettings | undefined;
  readonly failover?: FailoverOptions | undefined;
  readonly hold?: HoldOptions | undefined;
  readonly replay?: ReplayOptions | undefined;
}

const KEYS =
  'listen nodes discovery max_lag_ms balance monitor log pool consistency consistency_wait_ms rules data_dir clients servers limits users coordinator failover hold replay'.split(
    ' ',
  );
const RULE_KEYS = ['user', 'schema', 'table', 'digest', 'to'] as const;

/**
 * Reads a configuration file in YAML (JSON is YAML too):
 *
 * ```yaml
 * listen: 127.0.0.1:3307
 * nodes: [db1:3306, db2:3306, db3:3306]
 * monitor: { user: rwsplit_monitor, password_env: RWSPLIT_MONITOR_PASSWORD }
 * pool: { max: 100 }
 * consistency: session
 * balance: { policy: weighted, zone: east }
 * consistency_wait_ms: 100
 * rules:
 *   - { user: reports, to: node=db3:3306 }
 * log: { level: info }
 * data_dir: /var/lib/rwsplit
 * clients: { tls: required, compression: [zstd, zlib] }
 * servers: { tls: { mode: verify-ca, ca: /etc/rwsplit/ca.pem } }
 * limits: { connections: 5000, connections_per_user: 500 }
 * coordinator: alone
 * failover: { user: rwsplit_failover, password_env: RWSPLIT_FAILOVER_PASSWORD, policy: lossless }
 * users:
 *   - { name: reports, require: { tls: true, networks: [10.0.0.0/8] } }
 * ```
 * @throws UsageError with line and column
 */
export function readConfigFile(path: string): ConfigFile {
  const lines = new LineCounter();
  const reader = new ConfigReader(path, lines);
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const at = lines.linePos(error.pos[0]);
    throw new UsageError(`${path}:${at.line}:${at.col}: ${error.message}`);
  }
  if (document.contents === null) return {};
  const top = reader.map(document.contents, 'the file', KEYS);
  const monitor = reader.section(top, 'monitor', ['user', 'password_env', 'interval_ms']);
  const log = reader.section(top, 'log', ['level']);
  const pool = reader.section(top, 'pool', POOL_KEYS);
  return {
    listen: reader.texts(top.get('listen'), 'listen'),
    nodes: readNodes(reader, top.get('nodes')),
    discovery: reader.boolean(top.get('discovery'), 'discovery'),
    maxLagMs: reader.count(top.get('max_lag_ms'), 'max_lag_ms'),
    balance: readBalance(reader, top),
    monitorUser: reader.string(monitor.get('user'), 'monitor.user'),
    monitorPasswordEnv: reader.string(monitor.get('password_env'), 'monitor.password_env'),
    monitorIntervalMs: reader.count(monitor.get('interval_ms'), 'monitor.interval_ms'),
    logLevel: reader.string(log.get('level'), 'log.level'),
    consistency: reader.string(top.get('consistency'), 'consistency'),
    consistencyWaitMs: reader.count(top.get('consistency_wait_ms'), 'consistency_wait_ms'),
    poolMax: reader.count(pool.get('max'), 'pool.max'),
    pool: readPool(reader, pool),
    rules: reader.items(top.get('rules'), 'rules')?.map((node, index) => readRule(reader, node, `rules[${index}]`)),
    dataDirectory: reader.string(top.get('data_dir'), 'data_dir'),
    clients: readClients(reader, top),
    servers: readServers(reader, top),
    limits: readLimits(reader, top),
    users: readUsers(reader, top.get('users')),
    coordinator: readCoordinator(reader, top.get('coordinator')),
    failover: readFailover(reader, top),
    hold: readHold(reader, top),
    replay: readReplay(reader, top),
  };
}

function readRule(reader: ConfigReader, node: unknown, where: string): Rule {
  const entries = reader.map(node, where, RULE_KEYS);
  const to = reader.string(entries.get('to'), `${where}.to`)?.replaceAll(' ', '');
  if (to === undefined || !RULE_TARGET.test(to)) {
    return reader.fail(
      entries.get('to') ?? node,
      `${where}.to is one of primary, replica, node=HOST:PORT, consistency=LEVEL, max_lag_ms=N`,
    );
  }
  const rule = {
    user: reader.string(entries.get('user'), `${where}.user`),
    schema: reader.string(entries.get('schema'), `${where}.schema`),
    table: reader.string(entries.get('table'), `${where}.table`),
    digest: reader.string(entries.get('digest'), `${where}.digest`),
  };
  if (Object.values(rule).every((it) => it === undefined)) {
    reader.fail(node, `${where} fits every read: say for which user, schema, table or digest it is`);
  }
  return { ...rule, to };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read the configuration file ${path}: ${error instanceof Error ? error.message : ''}`);
  }
}
