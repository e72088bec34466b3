import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { main } from '../../proxy/cli/main.js';
import type { Finding } from '../../src/check/finding.js';
import { clusterInfo } from '../cluster.js';
import { eventually, temporaryDirectory } from '../proxy.js';
import { startRelay } from '../relay.js';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

let cluster: Cluster;
let config: string;
const open: Connection[] = [];

beforeAll(async () => {
  cluster = await startCluster({ semiSync: true, provider: clusterInfo().provider });
  config = join(await temporaryDirectory(), 'rwsplit.yaml');
  const { monitor, failover } = cluster.accounts;
  vi.stubEnv('CHECK_MONITOR', monitor.password);
  vi.stubEnv('CHECK_FAILOVER', failover.password);
  vi.stubEnv('CHECK_APP', cluster.accounts.app.password);
  await writeFile(
    config,
    `nodes: [${cluster.nodes.map(nameOf).join(', ')}]
monitor: { user: ${monitor.user}, password_env: CHECK_MONITOR }
coordinator: alone
failover: { user: ${failover.user}, password_env: CHECK_FAILOVER, rebuild: clone }
`,
  );
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  for (const connection of open) connection.destroy();
  await cluster.stop();
});

function nameOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`;
}

async function say(node: number, ...statements: readonly string[]): Promise<void> {
  const { host, port } = cluster.nodes[node] ?? cluster.nodes[0];
  const connection = await createConnection({ host, port, ...cluster.accounts.root, multipleStatements: true });
  open.push(connection);
  for (const statement of statements) await connection.query(statement);
}

async function run(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const printed: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  try {
    const app = ['--app-user', cluster.accounts.app.user, '--app-password-env', 'CHECK_APP'];
    return { code: await main(['check', '--config', config, ...app, ...args]), text: printed.join('') };
  } finally {
    write.mockRestore();
  }
}

async function check(): Promise<{ code: number; findings: Finding[] }> {
  const { code, text } = await run('--json');
  const lines = text.split('\n').filter((line) => line !== '');
  return { code, findings: lines.map((line): Finding => JSON.parse(line)) };
}

async function errors(): Promise<string[]> {
  const { findings } = await check();
  return findings.filter(({ severity }) => severity === 'error').map(({ check: what, is }) => `${what}: ${is}`);
}

/** Says what the findings say that mends them. */
async function mend(findings: readonly Finding[]): Promise<void> {
  for (const finding of findings) {
    const node = cluster.nodes.findIndex((it) => nameOf(it) === finding.node);
    if (/^(?:SET|STOP|START|GRANT|REVOKE) /.test(finding.mend)) await say(node === -1 ? 0 : node, finding.mend);
  }
}

test('a cluster has no error any more when what its findings say has been done', async () => {
  expect(await errors()).toEqual([]);
  for (const node of [0, 1, 2])
    await say(node, 'SET PERSIST_ONLY skip_replica_start = OFF, PERSIST_ONLY relay_log_recovery = ON');
  await say(0, 'RESET PERSIST super_read_only');
  const before = await check();
  expect(before.code).toBe(1);
  expect(new Set(before.findings.filter(({ severity }) => severity === 'error').map((it) => it.check))).toEqual(
    new Set(['super_read_only', 'skip_replica_start', 'relay_log_recovery']),
  );
  await mend(before.findings);
  expect(await check()).toEqual({
    code: 0,
    findings: [expect.objectContaining({ severity: 'hint', check: 'coordinator', is: 'alone' })],
  });
  const { code, text } = await run();
  expect(code).toBe(0);
  expect(text).toMatch(/^3 servers: 0 errors, 0 warnings, 1 hints$/m);
});

test.each<[string, number, string[], string[]]>([
  [
    'a time-out',
    0,
    ['SET GLOBAL rpl_semi_sync_source_timeout = 1000'],
    [
      'rpl_semi_sync_source: rpl_semi_sync_source_timeout is 1000 ms: set 4294967295, or it goes on without acknowledgements',
    ],
  ],
  [
    'AFTER_COMMIT',
    0,
    ['SET GLOBAL rpl_semi_sync_source_wait_point = AFTER_COMMIT'],
    ['rpl_semi_sync_source: rpl_semi_sync_source_wait_point is not AFTER_SYNC'],
  ],
  [
    'no acknowledgements',
    0,
    ['SET GLOBAL rpl_semi_sync_source_enabled = OFF'],
    ['rpl_semi_sync_source: rpl_semi_sync_source_enabled is OFF'],
  ],
  [
    'a replica that does not acknowledge',
    1,
    ['SET GLOBAL rpl_semi_sync_replica_enabled = OFF'],
    ['rpl_semi_sync_replica_enabled: OFF'],
  ],
  ['a replica that stands still', 2, ['STOP REPLICA'], ['replication: it receives nothing: ']],
  ['a primary that comes back writable', 0, ['RESET PERSIST super_read_only'], ['super_read_only: OFF']],
  [
    'a replica that cannot go on from another source',
    2,
    ['STOP REPLICA', 'CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 0', 'START REPLICA'],
    ['SOURCE_AUTO_POSITION: 0'],
  ],
])('%s is found, and what mends it is said', async (_name, node, statements, found) => {
  await say(node, ...statements);
  let findings: Finding[] = [];
  // Receivers connect anew.
  await eventually(async () => {
    const checked = await check();
    ({ findings } = checked);
    const wrong = findings.filter(({ severity }) => severity === 'error');
    expect(wrong.map(({ check: what, is }) => `${what}: ${is}`)).toEqual(found);
    expect(wrong.map((it) => it.node)).toEqual(found.map(() => nameOf(cluster.nodes[node] ?? cluster.nodes[0])));
    expect(checked.code).toBe(1);
  });
  await mend(findings);
  await eventually(async () => expect(await errors()).toEqual([]));
});

test('privileges that are missing are found, and so are logins', async () => {
  const { failover, monitor, app } = cluster.accounts;
  await say(
    0,
    `REVOKE CONNECTION_ADMIN ON *.* FROM ${failover.user}`,
    `REVOKE REPLICATION CLIENT ON *.* FROM ${monitor.user}`,
  );
  const { findings } = await check();
  const lacking = findings.filter(
    ({ mend: how, node }) => how.startsWith('GRANT') && node === nameOf(cluster.nodes[0]),
  );
  expect(lacking.map(({ is }) => is).toSorted()).toEqual([
    'no CONNECTION_ADMIN on *.*',
    'no REPLICATION CLIENT on *.*',
  ]);
  await mend(lacking);
  vi.stubEnv('CHECK_FAILOVER', 'wrong');
  expect((await errors()).join(' ')).toMatch(`login of '${failover.user}'`);
  vi.stubEnv('CHECK_FAILOVER', failover.password);
  await say(0, `GRANT CONNECTION_ADMIN ON *.* TO ${app.user}`);
  await eventually(async () => expect((await run()).code).toBe(0));
  const { text } = await run();
  expect(text).toMatch(`warning: ${nameOf(cluster.nodes[0])}: privileges of '${app.user}': CONNECTION_ADMIN`);
  await say(0, `REVOKE CONNECTION_ADMIN ON *.* FROM ${app.user}`);
});

test('a server that is down is found, and one that is not named is looked for', async () => {
  await cluster.nodes[2]?.kill();
  const wrong = await errors();
  expect(wrong.join(' ')).toMatch(/login of .*ECONNREFUSED/);
  await cluster.nodes[2]?.restart();
  await say(2, 'START REPLICA');
  const { user } = cluster.accounts.monitor;
  const { host, port } = cluster.nodes[1] ?? cluster.nodes[0];
  const printed: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  await main(['check', '--node', `${host}:${port}`, '--monitor-user', user, '--monitor-password-env', 'CHECK_MONITOR']);
  expect(printed.join('')).toMatch(/^[23] servers:/m);
});

test('a server that others know by another name is looked at by the one that the configuration has', async () => {
  const { host, port } = cluster.nodes[0];
  const relay = await startRelay({ host, port });
  const follow = (sourcePort: number): readonly string[] => [
    'STOP REPLICA IO_THREAD',
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${sourcePort}, SOURCE_CONNECT_RETRY = 1, SOURCE_HEARTBEAT_PERIOD = 0.2`,
    'START REPLICA IO_THREAD',
  ];
  await say(1, ...follow(relay.port));
  await eventually(async () => expect(await errors()).toEqual([]));
  // From here nobody gets there.
  relay.cut();
  expect(await errors()).not.toContainEqual(expect.stringMatching(/login/));
  relay.mend();
  await say(1, ...follow(port));
});

test('wrong usage is told apart', async () => {
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  expect(await main(['check', '--jsn'])).toBe(2);
  expect(await main(['check'])).toBe(2);
});
