import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../docker/cluster/free-ports.js';
import { GuardedMysqld } from '../../docker/cluster/mysqld-guardian.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';
import { programPath } from '../clients/programs.js';
import { fetchOfMariadb } from './fetch.js';

const SYSTEM_TABLES = ['mysql_system_tables.sql', 'mysql_performance_tables.sql', 'mysql_system_tables_data.sql'];
const START_TIMEOUT_MS = 60_000;

export interface MariadbServer {
  readonly host: string;
  readonly port: number;
  /** Nothing of it runs any more when this resolves. */
  kill(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** On the same data; it takes connections when this resolves. */
  start(): Promise<void>;
  /** The last lines of its log. */
  log(): Promise<string>;
  /** Its option file is `my.cnf` in there, its data are in `data`. */
  readonly directory: string;
  /** Ends it, and removes its directory. */
  stop(): Promise<void>;
}

/**
 * A MariaDB of this machine with an empty data directory, which ends with this process, if not before. There are no users but those of `statements`.
 * @param options for its option file
 * @param statements run at each start, before anybody can log in; one line each
 */
export async function launchMariadb(options: readonly string[], statements: readonly string[]): Promise<MariadbServer> {
  const server = programPath('mariadbd');
  const plugins = await fetchOfMariadb('mariadb-plugins');
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
  const start = async (): Promise<void> => {
    await guarded.start();
    await waitUntil('MariaDB takes connections', START_TIMEOUT_MS, async () => {
      if (!(await guarded.isRunning())) throw new Error(await guarded.logTail());
      return (await answersAt(host, port)) ? true : undefined;
    });
  };
  try {
    await start();
  } catch (error) {
    await guarded.stop();
    throw error;
  }
  return {
    host,
    port,
    kill: async () => guarded.kill(),
    freeze: async () => guarded.freeze(),
    thaw: async () => guarded.thaw(),
    start,
    log: async () => guarded.logTail(),
    directory,
    stop: async () => guarded.stop(),
  };
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
