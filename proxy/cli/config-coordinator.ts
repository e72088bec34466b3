import { isScalar } from 'yaml';
import type { CoordinatorSettings } from '../../src/runtime/coordinator/coordinator-of.js';
import type { ConfigReader, Section } from './config-reader.js';
import { readSecret } from './secret.js';

const KINDS = ['alone', 'follow', 'etcd', 'mysql-locks'] as const;
const KEYS_OF = {
  alone: [],
  follow: [],
  etcd: ['cluster', 'endpoints', 'key_prefix', 'lease_ms', 'user', 'password_env', 'tls'],
  'mysql-locks': ['cluster', 'lease_ms'],
} as const;
/** etcd grants none that is shorter. */
const SHORTEST_LEASE_MS = 2_000;
const LONGEST_LEASE_MS = 300_000;

type EtcdSettings = Extract<CoordinatorSettings, { kind: 'etcd' }>;

/**
 * Who may promote: a kind alone, or a map with one.
 *
 * ```yaml
 * coordinator: alone
 * coordinator: { kind: etcd, cluster: shop, endpoints: [http://10.0.0.1:2379, http://10.0.0.2:2379] }
 * coordinator: { kind: mysql-locks, lease_ms: 5000 }
 * ```
 */
export function readCoordinator(reader: ConfigReader, node: unknown): CoordinatorSettings | undefined {
  if (node === undefined) return undefined;
  const all: Section = isScalar(node)
    ? new Map([['kind', node]])
    : reader.map(node, 'coordinator', ['kind', ...KEYS_OF.etcd]);
  const kind = reader.choice(all.get('kind'), 'coordinator.kind', KINDS);
  if (kind === undefined) return reader.fail(node, `coordinator has no kind; it is one of ${KINDS.join(', ')}`);
  const known: readonly string[] = KEYS_OF[kind];
  for (const [key, value] of all) {
    if (key !== 'kind' && !known.includes(key)) reader.fail(value, `coordinator.${key} is nothing to '${kind}'`);
  }
  switch (kind) {
    case 'alone':
    case 'follow':
      return { kind };
    case 'etcd':
      return readEtcd(reader, all, node);
    case 'mysql-locks':
      return { kind, cluster: readName(reader, all, 'cluster') ?? 'default', leaseMs: readLease(reader, all) };
  }
}

function readEtcd(reader: ConfigReader, all: Section, node: unknown): EtcdSettings {
  const cluster = readName(reader, all, 'cluster');
  if (cluster === undefined) {
    return reader.fail(node, 'coordinator has no cluster: a name that all proxies of these servers use, and no others');
  }
  const endpoints = reader.texts(all.get('endpoints'), 'coordinator.endpoints') ?? [];
  if (endpoints.length === 0) return reader.fail(node, 'coordinator has no endpoints');
  const wrong = endpoints.find((it) => !isEndpoint(it));
  if (wrong !== undefined) {
    reader.fail(all.get('endpoints'), `coordinator.endpoints are like http://10.0.0.1:2379, not '${wrong}'`);
  }
  const keyPrefix = readName(reader, all, 'key_prefix');
  return {
    kind: 'etcd',
    cluster,
    endpoints,
    keyPrefix,
    leaseMs: readLease(reader, all),
    ...readLogin(reader, all),
    ...readTls(reader, all, endpoints),
  };
}

function readLogin(reader: ConfigReader, all: Section): Pick<EtcdSettings, 'user' | 'password'> {
  const user = reader.string(all.get('user'), 'coordinator.user');
  const variable = reader.string(all.get('password_env'), 'coordinator.password_env');
  if ((user === undefined) !== (variable === undefined)) {
    reader.fail(
      all.get('user') ?? all.get('password_env'),
      'coordinator.user and coordinator.password_env go together',
    );
  }
  return { user, password: variable === undefined ? undefined : readSecret(variable, `etcd's user '${user}'`) };
}

function readTls(
  reader: ConfigReader,
  all: Section,
  endpoints: readonly string[],
): Pick<EtcdSettings, 'caPath' | 'certPath' | 'keyPath'> {
  const node = all.get('tls');
  if (node === undefined) return {};
  const tls = reader.map(node, 'coordinator.tls', ['ca', 'cert', 'key']);
  const path = (name: string): string | undefined => reader.string(tls.get(name), `coordinator.tls.${name}`);
  const [caPath, certPath, keyPath] = [path('ca'), path('cert'), path('key')];
  if ((certPath === undefined) !== (keyPath === undefined)) {
    reader.fail(node, 'coordinator.tls.cert and coordinator.tls.key go together');
  }
  const plain = endpoints.find((it) => !it.startsWith('https:'));
  if (plain !== undefined) reader.fail(node, `coordinator.tls is for https, and ${plain} is not`);
  return { caPath, certPath, keyPath };
}

function readLease(reader: ConfigReader, all: Section): number | undefined {
  const leaseMs = reader.count(all.get('lease_ms'), 'coordinator.lease_ms');
  if (leaseMs === undefined || (leaseMs >= SHORTEST_LEASE_MS && leaseMs <= LONGEST_LEASE_MS)) return leaseMs;
  return reader.fail(all.get('lease_ms'), `coordinator.lease_ms is from ${SHORTEST_LEASE_MS} to ${LONGEST_LEASE_MS}`);
}

function readName(reader: ConfigReader, all: Section, key: string): string | undefined {
  const name = reader.string(all.get(key), `coordinator.${key}`);
  if (name === undefined || /^[\w.:/-]{1,200}$/.test(name)) return name;
  return reader.fail(all.get(key), `coordinator.${key} consists of letters, digits and _ . : / -`);
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && search === '' && hash === '';
}
