import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULTS } from '../../src/defaults.js';
import type { CompressionAlgorithm } from '../../src/protocol/compression/codec.js';
import { isTlsMode, TLS_MODES } from '../../src/protocol/tls-mode.js';
import { COMPRESSION_ALGORITHMS } from '../../src/runtime/compression.js';
import type { Preference } from '../../src/failover/view.js';
import type { CoordinatorSettings } from '../../src/runtime/coordinator/coordinator-of.js';
import { createLog } from '../../src/runtime/log.js';
import { CONSISTENCY_LEVELS, isConsistency, type Consistency } from '../../src/session/consistency.js';
import type { NodeAddress } from '../../src/topology/snapshot.js';
import { textOfAddress, type ListenAddress } from '../listen/listeners.js';
import type { ProxyOptions, TlsOptions } from '../options.js';
import { Proxy } from '../proxy.js';
import { parseAddress } from './address.js';
import { readConfigFile, type ConfigFile } from './config-file.js';
import type { NodeOptions } from './config-nodes.js';
import { readSecret } from './secret.js';
import { UsageError } from './usage-error.js';

const HELP = `rwsplit proxy: serve MySQL clients, writes on the primary, reads on the replicas.

Usage: rwsplit proxy --node HOST:PORT [--node HOST:PORT …] --monitor-user USER [options]

  --listen HOST:PORT            where clients connect (${DEFAULTS.listen}), or the path of a Unix socket; once for each
  --node HOST:PORT              a server of the cluster, once for each; one may do: those that it replicates with are found,
                                and which one is the primary
  --fixed-nodes                 no other servers than these
  --monitor-user USER           who looks at the servers: needs REPLICATION CLIENT
  --monitor-password-env NAME   the environment variable with that user's password
  --pool-max N                  server connections for each node and user (${DEFAULTS.poolMax})
  --consistency LEVEL           eventual, session (reads see all that their session wrote; default), monotonic,
                                global or primary
  --client-tls MODE             ${TLS_MODES.join(', ')} (preferred)
  --server-tls MODE             the same for connections to the servers (preferred)
  --coordinator WHO             who promotes a replica when the primary dies: follow (somebody else does; default), or alone
                                (this proxy, there is no other); more in the file: see the README
  --replay on|off               transactions that are lost with the primary are run again on the next one, as long as every
                                statement has the same result (off)
  --data-dir DIR                where rwsplit keeps the certificate that it makes where none is given
                                (/var/lib/rwsplit for root, else ~/.local/state/rwsplit)
  --config FILE                 the same in YAML, and more: see the README
  --log-level LEVEL             trace, debug, info, warn, error or fatal (info)

Example:
  MONITOR_PASSWORD=… rwsplit proxy --node db1:3306 --node db2:3306 --node db3:3306 \\
      --monitor-user rwsplit_monitor --monitor-password-env MONITOR_PASSWORD
`;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** `rwsplit proxy`: serves until it is told to stop. @returns the exit code */
export async function runProxy(args: readonly string[]): Promise<number> {
  const settings = readSettings(args);
  if (settings === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const proxy = new Proxy(settings.options, createLog(settings.logLevel));
  const addresses = await proxy.start();
  process.stdout.write(`rwsplit: ready on ${addresses.map(textOfAddress).join(', ')}\n`);
  await untilTold(() => void proxy.stop());
  await proxy.stop();
  return 0;
}

interface Settings {
  readonly options: ProxyOptions;
  readonly logLevel: string;
}

/** Flags win over the file, the file over the defaults. */
export function readSettings(args: readonly string[], verb = 'proxy'): Settings | 'help' {
  const flags = readFlags(args, verb);
  if (flags.help === true) return 'help';
  const file: ConfigFile = flags.config === undefined ? {} : readConfigFile(flags.config);
  const logLevel = flags['log-level'] ?? file.logLevel ?? 'info';
  if (!LOG_LEVELS.includes(logLevel)) {
    throw new UsageError(`the log level is one of ${LOG_LEVELS.join(', ')}, not '${logLevel}'`);
  }
  const user = flags['monitor-user'] ?? file.monitorUser;
  if (user === undefined) throw new UsageError('name the user that looks at the servers with --monitor-user');
  const variable = flags['monitor-password-env'] ?? file.monitorPasswordEnv;
  const password = variable === undefined ? '' : readSecret(variable, "the monitor's password");
  return {
    options: {
      listen: (flags.listen ?? file.listen ?? [DEFAULTS.listen]).map(readListen),
      nodes: readNodes(flags.node?.map((address) => ({ address })) ?? file.nodes ?? []),
      discovery: flags['fixed-nodes'] === true ? false : file.discovery,
      maxLagMs: file.maxLagMs,
      balance: file.balance,
      monitor: { user, password },
      monitorIntervalMs: file.monitorIntervalMs,
      consistency: readConsistency(flags.consistency ?? file.consistency),
      consistencyWaitMs: file.consistencyWaitMs,
      rules: file.rules ?? [],
      poolMax: readCount(flags['pool-max']) ?? file.poolMax ?? DEFAULTS.poolMax,
      pool: file.pool,
      dataDirectory: flags['data-dir'] ?? file.dataDirectory ?? defaultDataDirectory(),
      clients: {
        ...file.clients,
        tls: readTls(flags['client-tls'], '--client-tls', file.clients?.tls),
        compression: doable(file.clients?.compression ?? COMPRESSION_ALGORITHMS),
      },
      servers: {
        ...file.servers,
        tls: readTls(flags['server-tls'], '--server-tls', file.servers?.tls),
        compression: doable(file.servers?.compression ?? []),
      },
      limits: file.limits,
      users: file.users,
      coordinator: readCoordinatorFlag(flags.coordinator, file),
      failover: { ...file.failover, preferences: preferencesOf(file.nodes ?? []) },
      hold: file.hold,
      replay: { ...file.replay, transactions: readReplayFlag(flags.replay) ?? file.replay?.transactions },
    },
    logLevel,
  };
}

function readFlags(args: readonly string[], verb: string) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        listen: { type: 'string', multiple: true },
        node: { type: 'string', multiple: true },
        'fixed-nodes': { type: 'boolean' },
        'monitor-user': { type: 'string' },
        'monitor-password-env': { type: 'string' },
        'pool-max': { type: 'string' },
        consistency: { type: 'string' },
        'client-tls': { type: 'string' },
        'server-tls': { type: 'string' },
        coordinator: { type: 'string' },
        replay: { type: 'string' },
        'data-dir': { type: 'string' },
        config: { type: 'string' },
        'log-level': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)} (rwsplit ${verb} --help)`);
  }
}

function readNodes(named: readonly NodeOptions[]): NodeAddress[] {
  if (named.length === 0) throw new UsageError('name at least one server with --node HOST:PORT');
  const nodes = named.map(({ address, weight, zone }) => {
    const { host, port } = parseAddress(address, '--node', { host: '127.0.0.1', port: 3306 });
    return { name: `${host}:${port}`, host, port, weight, zone };
  });
  const twice = nodes.find((node, index) => nodes.findIndex((it) => it.name === node.name) !== index);
  if (twice !== undefined) throw new UsageError(`the server ${twice.name} is named twice`);
  return nodes;
}

/** What needs more than a word is in the file. */
function readCoordinatorFlag(kind: string | undefined, { coordinator }: ConfigFile): CoordinatorSettings | undefined {
  if (kind === undefined) return coordinator;
  if (kind === 'alone' || kind === 'follow') return { kind };
  throw new UsageError(`--coordinator is alone or follow, not '${kind}'; etcd and mysql-locks are set in the file`);
}

function readReplayFlag(text: string | undefined): boolean | undefined {
  if (text === undefined || text === 'on' || text === 'off') return text === undefined ? undefined : text === 'on';
  throw new UsageError(`--replay is on or off, not '${text}'`);
}

function preferencesOf(nodes: readonly NodeOptions[]): ReadonlyMap<string, Preference> {
  return new Map(
    nodes.flatMap(({ address, promotion }) => {
      const { host, port } = parseAddress(address, 'nodes', { host: '127.0.0.1', port: 3306 });
      return promotion === undefined ? [] : [[`${host}:${port}`, promotion] as const];
    }),
  );
}

/** A path, which begins with a slash, is a Unix socket's. */
function readListen(text: string): ListenAddress {
  if (text.startsWith('/')) return { path: text };
  return parseAddress(text, '--listen', { host: '127.0.0.1', port: 3307 });
}

function readTls(mode: string | undefined, flag: string, ofFile: TlsOptions = { mode: 'preferred' }): TlsOptions {
  if (mode === undefined) return ofFile;
  if (!isTlsMode(mode)) throw new UsageError(`${flag} is one of ${TLS_MODES.join(', ')}, not '${mode}'`);
  return { ...ofFile, mode };
}

/** What this Node.js cannot do is not offered. */
function doable(algorithms: readonly CompressionAlgorithm[]): readonly CompressionAlgorithm[] {
  return algorithms.filter((it) => COMPRESSION_ALGORITHMS.includes(it));
}

function defaultDataDirectory(): string {
  if (process.getuid?.() === 0) return '/var/lib/rwsplit';
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'rwsplit');
}

function readConsistency(text = 'session'): Consistency {
  if (isConsistency(text)) return text;
  throw new UsageError(`the consistency is one of ${CONSISTENCY_LEVELS.join(', ')}, not '${text}'`);
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new UsageError(`--pool-max takes a whole number, not '${text}'`);
  return count;
}

/** Until SIGINT or SIGTERM. A second one ends the process at once. */
async function untilTold(onSignal: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    let told = false;
    const stop = (): void => {
      if (told) process.exit(1);
      told = true;
      onSignal();
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
