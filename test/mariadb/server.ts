import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { cacheDirectory } from '../../docker/cluster/cache-directory.js';
import { freePorts } from '../../docker/cluster/free-ports.js';
import { GuardedMysqld } from '../../docker/cluster/mysqld-guardian.js';
import { packageFile } from '../../docker/cluster/package-file.js';
import { runCommand } from '../../docker/cluster/run-command.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { programPath } from '../clients/programs.js';

const SYSTEM_TABLES = ['mysql_system_tables.sql', 'mysql_performance_tables.sql', 'mysql_system_tables_data.sql'];
const FETCH_TIMEOUT_MS = 5 * 60_000;
const START_TIMEOUT_MS = 60_000;

const running: GuardedMysqld[] = [];
afterAll(async () => {
  await Promise.all(running.splice(0).map(async (server) => server.stop()));
});

export interface MariadbServer {
  readonly host: string;
  readonly port: number;
  /** Nothing of it runs any more when this resolves. */
  kill(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** On the same data; it takes connections when this resolves. */
  start(): Promise<void>;
}

/**
 * A MariaDB of this machine with an empty data directory, which ends with the test file. There are no users but those of `statements`.
 * @param options for its option file
 * @param statements run at each start, before anybody can log in; one line each
 */
export async function startMariadb(options: readonly string[], statements: readonly string[]): Promise<MariadbServer> {
  const server = programPath('mariadbd');
  const plugins = await fetchPlugins();
  // Emptied by the guardian, also when this process is killed.
  const directory = join(mkdtempSync(join(tmpdir(), 'rwsplit-mariadb-')), 'server');
  const [host, [port = 0]] = ['127.0.0.1', await freePorts(1)];
  const data = join(directory, 'data');
  mkdirSync(join(data, 'mysql'), { recursive: true });
  writeFileSync(join(directory, 'init.sql'), `${statements.join(';\n')};\n`);
  writeFileSync(
    join(directory, 'my.cnf'),
    [
      '[mariadbd]',
      ...[`datadir=${data}`, `socket=${join(directory, 's.sock')}`, `port=${port}`, `bind-address=${host}`],
      ...[`plugin-dir=${plugins}`, 'plugin-load-add=auth_ed25519.so', `init-file=${join(directory, 'init.sql')}`],
      ...['user=root', 'skip-name-resolve', 'innodb-buffer-pool-size=16M', 'innodb-log-file-size=8M', ...options, ''],
    ].join('\n'),
  );
  const tables = SYSTEM_TABLES.map((name) => readFileSync(join('/usr/share/mysql', name), 'utf8'));
  const made = spawnSync(server, [`--defaults-file=${join(directory, 'my.cnf')}`, '--init-file=', '--bootstrap'], {
    input: ['USE mysql;', ...tables].join('\n'),
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`MariaDB's system tables could not be made:\n${made.stderr}`);
  const guarded = new GuardedMysqld(directory, [server]);
  running.push(guarded);
  const start = async (): Promise<void> => {
    await guarded.start();
    await waitUntil('MariaDB takes connections', START_TIMEOUT_MS, async () => {
      if (!(await guarded.isRunning())) throw new Error(await guarded.logTail());
      return (await answersAt(host, port)) ? true : undefined;
    });
  };
  await start();
  return {
    host,
    port,
    kill: async () => guarded.kill(),
    freeze: async () => guarded.freeze(),
    thaw: async () => guarded.thaw(),
    start,
  };
}

async function fetchPlugins(): Promise<string> {
  const script = packageFile('test/mariadb/fetch-plugins.sh');
  const fetched = await runCommand('sh', [script, cacheDirectory()], { timeoutMs: FETCH_TIMEOUT_MS });
  if (fetched.exitCode !== 0) throw new Error(`MariaDB's plugins cannot be had:\n${fetched.stderrTail}`);
  return fetched.stdout.trim();
}

async function answersAt(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.once('data', () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('close', () => answer(false));
  });
}
