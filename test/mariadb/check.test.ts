import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { main } from '../../proxy/cli/main.js';
import type { Finding } from '../../src/check/finding.js';
import { clusterInfo } from '../cluster.js';
import { MariadbCluster } from './cluster.js';

let cluster: MariadbCluster;
beforeAll(async () => {
  cluster = await MariadbCluster.start({ semiSync: true });
  vi.stubEnv('CHECK_MONITOR', clusterInfo().accounts.monitor.password);
});
afterAll(() => {
  vi.unstubAllEnvs();
});

function nameOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`;
}

async function say(index: number, ...statements: readonly string[]): Promise<void> {
  const { host, port } = cluster.nodes[index] ?? { host: '', port: 0 };
  const connection = await createConnection({ host, port, ...clusterInfo().accounts.root });
  for (const statement of statements) await connection.query(statement);
  await connection.end();
}

/** Without what is asked of accounts. */
async function findings(): Promise<Finding[]> {
  const printed: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  try {
    const nodes = cluster.nodes.flatMap((node) => ['--node', nameOf(node)]);
    const { user } = clusterInfo().accounts.monitor;
    const login = ['--monitor-user', user, '--monitor-password-env', 'CHECK_MONITOR'];
    await main(['check', ...nodes, ...login, '--coordinator', 'alone', '--json']);
  } finally {
    write.mockRestore();
  }
  const found = printed
    .join('')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Finding => JSON.parse(line));
  return found.filter(({ check, concern }) => !check.startsWith('privileges') && concern !== 'coordination');
}

async function told(): Promise<string[]> {
  const names = cluster.nodes.map(nameOf);
  return (await findings())
    .map(({ severity, node, check, is }) => `${severity} ${names.indexOf(node)} ${check}: ${is}`)
    .sort();
}

test('a cluster of MariaDB is told what it lacks for a failover, until it has it', async () => {
  // That each was closed by hand hides what its option file says.
  const hints = [0, 1, 2].map(
    (index) =>
      `hint ${index} read_only: ${index === 0 ? 'OFF' : 'ON'}, set while it runs: what its option file says is not told`,
  );
  const before = await told();
  expect(before.filter((it) => it.startsWith('hint') && it.includes('read_only'))).toEqual(hints);
  const [, first, second] = cluster.nodes.map(nameOf);

  await say(0, 'SET GLOBAL rpl_semi_sync_master_timeout = 1000');
  await say(1, 'SET GLOBAL rpl_semi_sync_slave_enabled = OFF');
  await say(2, 'STOP SLAVE', 'CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD = 30, MASTER_USE_GTID = no', 'START SLAVE');
  const broken = await findings();
  expect((await told()).filter((it) => !before.includes(it))).toEqual([
    'error 0 rpl_semi_sync_master: rpl_semi_sync_master_timeout is 1000 ms: set 4294967295, or it goes on without acknowledgements',
    'error 1 rpl_semi_sync_slave_enabled: OFF',
    'error 2 MASTER_USE_GTID: no',
    'warning 2 MASTER_HEARTBEAT_PERIOD: 30 s',
  ]);
  const wanted: Record<string, number> = { [first ?? '']: 1, [second ?? '']: 2 };
  for (const { node, check, mend } of broken) {
    if (!/^rpl_semi_sync_(?:master|slave)|^MASTER_/.test(check)) continue;
    await say(wanted[node] ?? 0, ...mend.replace(', and the same in its option file', '').split('; '));
  }
  expect(await told()).toEqual(before);
});
