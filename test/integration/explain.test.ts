import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { explain } from '../../proxy/cli/explain.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo } from '../cluster.js';
import { asRoot, startProxy, type Row } from '../proxy.js';
import { readServerFile } from '../server-file.js';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

async function run(...args: string[]): Promise<string> {
  let output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  expect(await explain(args)).toBe(0);
  return output;
}

async function json(...args: string[]): Promise<Record<string, unknown>[]> {
  const output = await run('--json', ...args);
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('explain --general-log reads what a real server wrote', async () => {
  await freshSchema('explained');
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const logName = `explained-${randomUUID()}.log`;
  await root.query('SET GLOBAL general_log_file = ?', [logName]);
  await root.query("SET GLOBAL log_output = 'FILE'");
  await root.query('SET GLOBAL general_log = ON');
  onTestFinished(() => asRoot('SET GLOBAL general_log = OFF', 'SET GLOBAL general_log_file = DEFAULT'));

  const client = await connectDirect(0, { database: 'explained' });
  await client.query('CREATE TABLE t (id INT PRIMARY KEY,\n\tv TEXT)');
  await client.query("INSERT INTO t VALUES (1, 'a\n\tb'), (2, 'c')");
  for (let id = 0; id < 3; id++) await client.query(`SELECT v\n  FROM t -- which\n WHERE id = ${id}`);
  await client.execute('SELECT v FROM t WHERE id = ?', [4]);
  await client.query('START TRANSACTION');
  await client.query('SELECT v FROM t WHERE id = 5');
  await client.query('COMMIT');
  await client.query("PREPARE s FROM 'SELECT id FROM t'");
  await client.query('EXECUTE s');
  await client.query('SELECT MAX(id) FROM t');
  await client.end();
  await root.query('SET GLOBAL general_log = OFF');

  const directory = await mkdtemp(join(tmpdir(), 'rwsplit-test-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'general.log');
  const [[where]] = await root.query<Row[]>('SELECT @@datadir AS data');
  await writeFile(file, await readServerFile(join(String(where?.['data']), logName)));

  const found = (await json('--general-log', file)).map((it) => [
    it['statement'],
    it['count'],
    it['target'],
    it['reason'],
  ]);
  const select = 'select v from t where id = ?';
  expect(found).toEqual(
    expect.arrayContaining([
      ['create table t(id int primary key, v text)', 1, 'primary', 'ddl'],
      ['insert into t values (?, ...), ...', 1, 'primary', 'write'],
      [select, 4, 'replica', 'read'],
      ['start transaction', 1, 'primary', 'transaction-control'],
      [select, 1, 'primary', 'in-transaction'],
      ['select max(id) from t', 1, 'primary', 'pinned'],
    ]),
  );
  // What ran by its name is not counted once more.
  expect(found.filter(([statement]) => statement === 'select id from t')).toEqual([]);
  expect(await run('--general-log', file)).toMatch(/^ +4  replica  read .* select v from t where id = \?$/m);
});

test('explain --proxy shows what a running proxy has been asked', async () => {
  const proxy = await startProxy();
  const { host, port } = proxy;
  const { user, password } = clusterInfo().accounts.monitor;
  vi.stubEnv('MONITOR_PASSWORD', password);
  const args = ['--proxy', `${host}:${port}`, '--user', user, '--password-env', 'MONITOR_PASSWORD'];
  expect(await run(...args)).toBe('The proxy has not been asked anything yet.\n');
  const client = await proxy.connect();
  await client.query('SELECT 1');
  expect(await json(...args)).toEqual([
    {
      digest: expect.stringMatching(/^[0-9a-f]{16}$/),
      statement: 'select ?',
      target: 'replica',
      node: expect.stringContaining(':'),
      reason: 'read',
      count: 1,
      refused: 0,
    },
  ]);
  expect(await run(...args)).toMatch(/^count {2}refused {2}target .*\n {4}1 {8}0 {2}replica .* read {4}select \?\n$/);
});

test('explain --proxy says in one sentence why it cannot', async () => {
  const { host, port } = await startProxy();
  const { app, monitor } = clusterInfo().accounts;
  vi.stubEnv('APP_PASSWORD', app.password);
  vi.stubEnv('MONITOR_PASSWORD', monitor.password);
  const asApp = ['--user', app.user, '--password-env', 'APP_PASSWORD'];
  const asMonitor = ['--user', monitor.user, '--password-env', 'MONITOR_PASSWORD'];
  await expect(explain(['--proxy', `${host}:${port}`, ...asApp])).rejects.toThrow(
    `the proxy at ${host}:${port} cannot be asked: rwsplit: access denied: log in to the proxy as its monitor's account, '${monitor.user}'`,
  );
  const server = `${nodeInfo(0).host}:${nodeInfo(0).port}`;
  await expect(explain(['--proxy', server, ...asMonitor])).rejects.toThrow(`${server} is no rwsplit proxy`);
  await expect(explain(['--proxy', '127.0.0.1:1', ...asMonitor])).rejects.toThrow(
    /^the proxy at 127\.0\.0\.1:1 cannot be asked: .*ECONNREFUSED/,
  );
});
