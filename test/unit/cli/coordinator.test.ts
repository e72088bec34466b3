import { afterEach, describe, expect, test, vi } from 'vitest';
import { LineCounter, parseDocument } from 'yaml';
import { readCoordinator } from '../../../proxy/cli/config-coordinator.js';
import { ConfigReader } from '../../../proxy/cli/config-reader.js';
import { UsageError } from '../../../proxy/cli/usage-error.js';

function read(text: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  return readCoordinator(new ConfigReader('f', lineCounter), document.contents ?? undefined);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('who may promote', () => {
  test('is said in one word, or with more', () => {
    expect(read('')).toBeUndefined();
    expect(read('alone')).toEqual({ kind: 'alone' });
    expect(read('{ kind: follow }')).toEqual({ kind: 'follow' });
    expect(read('mysql-locks')).toEqual({ kind: 'mysql-locks', cluster: 'default' });
    expect(read('{ kind: mysql-locks, cluster: shop, lease_ms: 3000 }')).toEqual({
      kind: 'mysql-locks',
      cluster: 'shop',
      leaseMs: 3_000,
    });
    expect(read('{ kind: etcd, cluster: shop, endpoints: http://e:2379 }')).toEqual({
      kind: 'etcd',
      cluster: 'shop',
      endpoints: ['http://e:2379'],
    });
  });

  test('is found out from an etcd with users and TLS', () => {
    vi.stubEnv('ETCD_PASSWORD', 'secret');
    const text =
      'kind: etcd\ncluster: shop\nendpoints: [https://e1:2379, https://e2:2379/]\nkey_prefix: /db/rwsplit\nlease_ms: 2000\n' +
      'user: rwsplit\npassword_env: ETCD_PASSWORD\ntls: { ca: ca.pem, cert: c.pem, key: k.pem }\n';
    expect(read(text)).toEqual({
      kind: 'etcd',
      cluster: 'shop',
      endpoints: ['https://e1:2379', 'https://e2:2379/'],
      keyPrefix: '/db/rwsplit',
      leaseMs: 2_000,
      user: 'rwsplit',
      password: 'secret',
      caPath: 'ca.pem',
      certPath: 'c.pem',
      keyPath: 'k.pem',
    });
  });

  test.each([
    ['zookeeper', "coordinator.kind is one of alone, follow, etcd, mysql-locks, not 'zookeeper'"],
    ['{ cluster: shop }', 'coordinator has no kind; it is one of alone, follow, etcd, mysql-locks'],
    ['{ kind: etcd, endpoint: x }', "unknown key 'endpoint'; did you mean 'endpoints'?"],
    ['{ kind: alone, lease_ms: 5000 }', "coordinator.lease_ms is nothing to 'alone'"],
    ['{ kind: mysql-locks, tls: {} }', "coordinator.tls is nothing to 'mysql-locks'"],
    ['{ kind: mysql-locks, lease_ms: 1999 }', 'coordinator.lease_ms is from 2000 to 300000'],
    ['{ kind: mysql-locks, lease_ms: 300001 }', 'coordinator.lease_ms is from 2000 to 300000'],
    ['{ kind: mysql-locks, cluster: "a b" }', 'coordinator.cluster consists of letters, digits and _ . : / -'],
    ['etcd', 'coordinator has no cluster: a name that all proxies of these servers use, and no others'],
    ['{ kind: etcd, cluster: shop }', 'coordinator has no endpoints'],
    ['{ kind: etcd, cluster: shop, endpoints: [] }', 'coordinator has no endpoints'],
    [
      '{ kind: etcd, cluster: shop, endpoints: e1:2379 }',
      "coordinator.endpoints are like http://10.0.0.1:2379, not 'e1:2379'",
    ],
    [
      '{ kind: etcd, cluster: shop, endpoints: http://e:1, user: u }',
      'coordinator.user and coordinator.password_env go together',
    ],
    [
      '{ kind: etcd, cluster: shop, endpoints: http://e:1, user: u, password_env: RWSPLIT_NOT_SET }',
      "the environment variable RWSPLIT_NOT_SET, named for etcd's user 'u', is not set",
    ],
    [
      '{ kind: etcd, cluster: shop, endpoints: https://e:1, tls: { cert: c.pem } }',
      'coordinator.tls.cert and coordinator.tls.key go together',
    ],
    [
      '{ kind: etcd, cluster: shop, endpoints: [https://e:1, http://e:2], tls: { ca: c.pem } }',
      'coordinator.tls is for https, and http://e:2 is not',
    ],
  ])('is not %s', (text, message) => {
    expect(() => read(text)).toThrow(UsageError);
    expect(() => read(text)).toThrow(message);
  });
});
