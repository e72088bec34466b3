import { describe, expect, test } from 'vitest';
import { findingsOf } from '../../../src/check/check.js';
import type { CheckSettings, LoginFacts, NodeFacts, ReplicaFacts, ServerFacts } from '../../../src/check/facts.js';
import { Grants } from '../../../src/check/grants.js';
import type { SemiSyncState } from '../../../src/failover/view.js';

const ALL: LoginFacts = { user: 'm', refusal: undefined, grants: ['GRANT ALL PRIVILEGES ON *.* TO `m`@`%`'] };
const APP: LoginFacts = { user: 'app', refusal: undefined, grants: ['GRANT SELECT, INSERT ON `shop`.* TO `app`@`%`'] };
const SETTINGS: CheckSettings = {
  coordinator: 'etcd',
  policy: 'lossless',
  rebuilds: true,
  named: ['db1', 'db2', 'db3'],
  namesReplication: false,
};
const SEMI_SYNC: SemiSyncState = {
  sourceEnabled: false,
  sourceActive: false,
  waitsAfterSync: true,
  waitsWithoutReplicas: true,
  timeoutMs: 4_294_967_295,
  acknowledgements: 1,
  clients: 0,
  waiting: 0,
  replicaEnabled: true,
};
const REPLICA: ReplicaFacts = {
  source: 'db1',
  sourceUuid: 'db1',
  receives: true,
  applies: true,
  error: '',
  autoPosition: true,
  retryCount: 86_400,
  heartbeatMs: 200,
};
const RIGHT = {
  gtid_mode: 'ON',
  session_track_gtids: 'OFF',
  enforce_gtid_consistency: 'ON',
  log_bin: 'ON',
  log_replica_updates: 'ON',
  skip_replica_start: 'ON',
  relay_log_recovery: 'OFF',
  sync_binlog: '1',
  innodb_flush_log_at_trx_commit: '1',
  replica_preserve_commit_order: 'ON',
  replica_net_timeout: '10',
  max_binlog_size: '67108864',
};

/** A node that lacks nothing: db1 is the primary. */
function node(name: string, change: Partial<ServerFacts> = {}, variables: Record<string, string> = {}): NodeFacts {
  const isPrimary = name === 'db1';
  const readOnly = isPrimary ? 'OFF' : 'ON';
  const server: ServerFacts = {
    make: 'mysql',
    version: '8.4.0',
    uuid: name,
    variables: new Map(Object.entries({ ...RIGHT, read_only: readOnly, super_read_only: readOnly, ...variables })),
    dynamic: new Set(isPrimary ? ['super_read_only', 'read_only'] : []),
    persisted: new Map([['super_read_only', 'ON']]),
    replica: isPrimary ? undefined : REPLICA,
    semiSync: isPrimary ? { ...SEMI_SYNC, sourceEnabled: true, sourceActive: true, clients: 2 } : SEMI_SYNC,
    hasClonePlugin: true,
    trackerRefusal: undefined,
    tellsAttributes: true,
    ...change,
  };
  return { name, monitor: ALL, failover: undefined, apps: [APP], replication: ALL, server };
}

function without(from: NodeFacts, ...variables: readonly string[]): NodeFacts {
  const { server } = from;
  const kept = [...(server?.variables ?? [])].filter(([name]) => !variables.includes(name));
  return server === undefined ? from : { ...from, server: { ...server, variables: new Map(kept) } };
}

/** What is found, in short. @param changed in the place of the node of its name */
function found(changed: NodeFacts | undefined, settings: Partial<CheckSettings> = {}): string[] {
  const nodes = ['db1', 'db2', 'db3'].map((name) => (changed?.name === name ? changed : node(name)));
  const facts = { settings: { ...SETTINGS, ...settings }, nodes };
  return findingsOf(facts).map((it) => `${it.severity} ${it.node} ${it.check}: ${it.is}`);
}

describe('a cluster', () => {
  test('that lacks nothing gives no finding', () => {
    expect(found(undefined)).toEqual([]);
  });

  test.each([
    ['gtid_mode', 'OFF', 'error'],
    ['enforce_gtid_consistency', 'OFF', 'error'],
    ['log_bin', 'OFF', 'error'],
    ['log_replica_updates', 'OFF', 'error'],
    ['skip_replica_start', 'OFF', 'error'],
    ['relay_log_recovery', 'ON', 'error'],
    ['sync_binlog', '0', 'warning'],
    ['innodb_flush_log_at_trx_commit', '2', 'warning'],
    ['replica_preserve_commit_order', 'OFF', 'warning'],
    ['replica_net_timeout', '60', 'hint'],
    ['max_binlog_size', '1073741824', 'hint'],
  ])('in which %s is %s has that as an %s', (name, value, severity) => {
    expect(found(node('db2', {}, { [name]: value }))).toEqual([`${severity} db2 ${name}: ${value}`]);
  });

  test('whose server lacks a variable is told so', () => {
    expect(found(without(node('db3'), 'session_track_gtids'))).toEqual([
      'error db3 session_track_gtids: there is none',
    ]);
  });

  test('whose primary would come back writable is told so, whatever it is now', () => {
    expect(found(node('db1', { persisted: new Map() }))).toEqual(['error db1 super_read_only: OFF, and not persisted']);
    // Of its option file, and so from each start on.
    expect(found(node('db2', { persisted: new Map() }))).toEqual([]);
    expect(found(node('db2', { persisted: new Map([['super_read_only', 'OFF']]) }))).toEqual([
      'error db2 super_read_only: OFF',
    ]);
  });

  test.each<[string, Partial<SemiSyncState>, string]>([
    ['off', { sourceEnabled: false }, 'rpl_semi_sync_source_enabled is OFF'],
    [
      'given up',
      { sourceActive: false },
      'it has fallen back to asynchronous replication (the status rpl_semi_sync_source_status is OFF)',
    ],
    ['AFTER_COMMIT', { waitsAfterSync: false }, 'rpl_semi_sync_source_wait_point is not AFTER_SYNC'],
    ['impatient', { waitsWithoutReplicas: false }, 'rpl_semi_sync_source_wait_no_replica is OFF'],
    [
      'short',
      { timeoutMs: 10_000 },
      'rpl_semi_sync_source_timeout is 10000 ms: set 4294967295, or it goes on without acknowledgements',
    ],
  ])('whose primary has semi-synchronous replication %s may lose what it acknowledged', (_name, change, is) => {
    const semiSync = { ...SEMI_SYNC, sourceEnabled: true, sourceActive: true, clients: 2, ...change };
    expect(found(node('db1', { semiSync }))).toEqual([`error db1 rpl_semi_sync_source: ${is}`]);
  });

  test('in which too few acknowledge is told so', () => {
    const off = { ...SEMI_SYNC, replicaEnabled: false };
    expect(found(node('db2', { semiSync: off }))).toEqual([
      'error db2 rpl_semi_sync_replica_enabled: OFF',
      'warning db1 replicas that acknowledge: 1',
    ]);
    expect(found(node('db2', { semiSync: undefined }))).toEqual([
      'error db2 semi-synchronous replication: its plugins are not loaded',
      'warning db1 replicas that acknowledge: 1',
    ]);
    const two = { ...SEMI_SYNC, sourceEnabled: true, sourceActive: true, acknowledgements: 3, clients: 2 };
    expect(found(node('db1', { semiSync: two }))).toEqual(['error db1 replicas that acknowledge: 2']);
  });

  test.each<[Partial<ReplicaFacts>, string]>([
    [{ receives: false, error: 'no way' }, 'error db3 replication: it receives nothing: no way'],
    [{ applies: false, error: 'duplicate key' }, 'error db3 replication: it does not apply: duplicate key'],
    [{ autoPosition: false }, 'error db3 SOURCE_AUTO_POSITION: 0'],
    [{ heartbeatMs: 30_000 }, 'warning db3 SOURCE_HEARTBEAT_PERIOD: 30 s'],
    [{ retryCount: 10 }, 'warning db3 SOURCE_RETRY_COUNT: 10'],
  ])('whose replica has %j is told so', (change, finding) => {
    expect(found(node('db3', { replica: { ...REPLICA, ...change } }))).toEqual([finding]);
  });

  test('has one primary, of which no replica takes writes', () => {
    expect(found(node('db2', {}, { read_only: 'OFF', super_read_only: 'OFF' }))).toContain('error db2 read_only: OFF');
    expect(found(node('db1', {}, { read_only: 'ON', super_read_only: 'ON' }))).toContain('error  primary: none');
  });

  test('has servers of one make, and no replica that is older than its source', () => {
    expect(found(node('db2', { make: 'mariadb' }))).toContain('error  make: db1: mysql, db2: mariadb, db3: mysql');
    expect(found(node('db1', { version: '9.7.4' }))).toEqual([
      'warning db2 version: 8.4.0',
      'warning db3 version: 8.4.0',
    ]);
    expect(found(node('db2', { version: '8.0.22' }))).toEqual([
      'error db2 version: 8.0.22',
      'warning db2 version: 8.0.22',
    ]);
  });

  test('MariaDB needs its own variables, and the account of its replicas', () => {
    const variables = { log_slave_updates: 'ON', gtid_strict_mode: 'ON', performance_schema: 'ON' };
    const change = { make: 'mariadb', version: '10.11.6-MariaDB' } as const;
    const of = (changed: NodeFacts): string[] => found(changed).filter((it) => / db[12] /.test(it));
    expect(of(node('db2', change, variables))).toEqual(['warning db2 failover.replication_user: not named']);
    const wrong = of(node('db2', change)).join();
    for (const it of [/gtid_strict_mode/, /performance_schema/, /replication_user/]) expect(wrong).toMatch(it);
    const replica = { ...REPLICA, heartbeatMs: 30_000, autoPosition: false };
    const semiSync = { ...SEMI_SYNC, replicaEnabled: false };
    expect(of(node('db2', { ...change, replica, semiSync }, variables))).toEqual([
      'error db2 MASTER_USE_GTID: no',
      'error db2 rpl_semi_sync_slave_enabled: OFF',
      'warning db1 replicas that acknowledge: 1',
      'warning db2 failover.replication_user: not named',
      'warning db2 MASTER_HEARTBEAT_PERIOD: 30 s',
    ]);
    const impatient = {
      ...SEMI_SYNC,
      sourceEnabled: true,
      sourceActive: true,
      clients: 2,
      waitsWithoutReplicas: false,
    };
    expect(of(node('db1', { ...change, semiSync: impatient }, variables))).toContain(
      'error db1 rpl_semi_sync_master: rpl_semi_sync_master_wait_no_slave is OFF',
    );
  });

  test('of MariaDB whose server would come back writable is told so, as far as it can be known', () => {
    const change = { make: 'mariadb', version: '10.11.6-MariaDB' } as const;
    const of = (it: NodeFacts): string[] => found(it).filter((finding) => finding.includes('read_only'));
    expect(of(node('db2', change))).toEqual([]);
    expect(of(node('db1', { ...change, dynamic: new Set() }))).toEqual(['error db1 read_only: OFF']);
    expect(of(node('db1', change))).toEqual([
      'hint db1 read_only: OFF, set while it runs: what its option file says is not told',
    ]);
  });

  test('accounts on MariaDB need its own privileges, by the names that it has for them', () => {
    const grants = ['GRANT BINLOG MONITOR, SLAVE MONITOR, READ_ONLY ADMIN, PROCESS ON *.* TO `m`@`%`'];
    const of = (user: string): LoginFacts => ({ user, refusal: undefined, grants });
    const facts = { ...node('db2', { make: 'mariadb' }), monitor: of('m'), failover: of('f'), apps: [of('a')] };
    const told = found(facts).filter((it) => it.includes('db2 privileges'));
    expect(told.filter((it) => it.includes("'m'"))).toEqual([
      "hint db2 privileges of 'm': no REPLICATION SLAVE on *.*",
    ]);
    expect(told.filter((it) => it.includes("'f'")).map((it) => it.replace(/.*no /, ''))).toEqual([
      ...[
        'REPLICATION SLAVE ADMIN on *.*',
        'REPLICATION MASTER ADMIN on *.*',
        'CONNECTION ADMIN on *.*',
        'RELOAD on *.*',
      ],
      ...['SELECT on rwsplit.*', 'INSERT on rwsplit.*', 'CREATE on rwsplit.*'],
    ]);
    expect(told.filter((it) => it.includes("'a'"))).toEqual(["warning db2 privileges of 'a': READ_ONLY ADMIN"]);
  });

  test('whose accounts lack something is told what', () => {
    const refused = { user: 'm', refusal: 'access denied', grants: [] };
    expect(found({ ...node('db2'), monitor: refused, server: undefined })).toContain(
      "error db2 login of 'm': access denied",
    );
    const little = { ...ALL, grants: ['GRANT REPLICATION CLIENT ON *.* TO `m`@`%`'] };
    expect(found({ ...node('db2'), monitor: little }, { coordinator: 'follow' })).toEqual([
      "warning db2 privileges of 'm': no SELECT on performance_schema.*",
      'hint  coordinator: follow',
      "hint db2 privileges of 'm': no REPLICATION SLAVE on *.*",
      "hint db2 privileges of 'm': no SHOW_ROUTINE on *.*",
    ]);
    const strong = { ...APP, grants: ['GRANT CONNECTION_ADMIN ON *.* TO `app`@`%`'] };
    expect(found({ ...node('db3'), apps: [strong] })).toEqual(["warning db3 privileges of 'app': CONNECTION_ADMIN"]);
    expect(found({ ...node('db3'), failover: { ...little, user: 'f' } })).toContain(
      "error db3 privileges of 'f': no CLONE_ADMIN on *.*",
    );
  });

  test('that others promote is asked for nothing that only a promotion needs', () => {
    const poor = node('db1', { persisted: new Map(), semiSync: undefined }, { relay_log_recovery: 'ON' });
    expect(found(poor, { coordinator: 'follow' })).toEqual(['hint  coordinator: follow']);
  });

  test('is asked for less where losses are allowed', () => {
    const poor = node('db2', { semiSync: undefined }, { relay_log_recovery: 'ON' });
    expect(found(poor, { policy: 'availability' }).filter((it) => it.startsWith('error'))).toEqual([]);
  });

  test('whose locks decide who leads needs three servers that are all named', () => {
    expect(found(undefined, { coordinator: 'mysql-locks' })).toEqual([]);
    expect(found(undefined, { coordinator: 'mysql-locks', named: ['db1', 'db2'] })).toEqual([
      'error  coordinator: not in nodes: db3',
      'error  coordinator: 2 servers',
    ]);
    expect(found(node('db2', { tellsAttributes: false }))).toEqual([
      'error db2 coordinator: it does not tell who is logged in',
    ]);
  });
});

describe('servers that reach each other by other addresses than these', () => {
  test('are told which of them do not say by which', () => {
    const behindPorts = node('db2', { replica: { ...REPLICA, source: 'mysql-1:3306' } }, { report_host: 'mysql-2' });
    expect(found(behindPorts)).toEqual(['warning db1 report_host: not set', 'warning db3 report_host: not set']);
    // Nobody is told by us then whom to follow.
    expect(found(behindPorts, { coordinator: 'follow' })).toEqual(['hint  coordinator: follow']);
    expect(found(node('db2', { replica: { ...REPLICA, source: 'mysql-1:3306', sourceUuid: 'of elsewhere' } }))).toEqual(
      [],
    );
  });
});

describe('grants', () => {
  const grants = new Grants([
    'GRANT REPLICATION CLIENT, SYSTEM_VARIABLES_ADMIN ON *.* TO `a`@`%` WITH GRANT OPTION',
    'GRANT ALL PRIVILEGES ON `rwsplit`.* TO `a`@`%`',
    'GRANT SELECT, INSERT (`x`) ON `my\\_sql`.`slave_master_info` TO `a`@`%`',
    'GRANT `role`@`%` TO `a`@`%`',
  ]);

  test('count where they are given, and for what is in there', () => {
    expect(grants.has('REPLICATION CLIENT')).toBe(true);
    expect(grants.has('REPLICATION CLIENT', 'any.*')).toBe(true);
    expect(grants.has('INSERT', 'rwsplit.*')).toBe(true);
    expect(grants.has('INSERT', 'rwsplit.journal')).toBe(true);
    expect(grants.has('SELECT', 'my_sql.slave_master_info')).toBe(true);
  });

  test('count nowhere else', () => {
    expect(grants.has('INSERT')).toBe(false);
    expect(grants.has('SELECT', 'my_sql.*')).toBe(false);
    expect(grants.has('INSERT', 'my_sql.slave_master_info')).toBe(false);
    expect(new Grants([]).has('SELECT')).toBe(false);
  });
});
