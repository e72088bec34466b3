import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Account } from '../../docker/cluster/cluster.js';
import { runCommand } from '../../docker/cluster/run-command.js';
import { mariadbGtids } from '../../src/flavour/mariadb-gtids.js';
import type { GtidSet } from '../../src/topology/gtid-set.js';
import { fetchOfMariadb } from './fetch.js';
import type { MariadbServer } from './mariadbd.js';

const TIMEOUT_MS = 60_000;
const STATE = 'SELECT @@global.gtid_binlog_state';

/**
 * What README.md has an operator do with a server that has transactions of its own: all its data come from a backup of the primary.
 * @param untold run while it has these data, and nobody has told it yet which transactions they are
 */
export async function makeAnew(
  node: MariadbServer,
  primary: MariadbServer,
  root: Account,
  untold: () => Promise<void> = async () => {},
): Promise<void> {
  const program = await fetchOfMariadb('mariadb-backup');
  const backup = await mkdtemp(join(tmpdir(), 'rwsplit-backup-'));
  try {
    await node.kill();
    const state = await ask(primary, root, STATE);
    const { user, password } = root;
    const options = (it: MariadbServer): string => `--defaults-file=${join(it.directory, 'my.cnf')}`;
    await run(program, [
      options(primary),
      ...['--backup', `--target-dir=${backup}`, `--user=${user}`, `--password=${password}`],
      ...[`--host=${primary.host}`, `--port=${primary.port}`],
    ]);
    await run(program, ['--prepare', `--target-dir=${backup}`]);
    // File, place in it, and GTID of each domain.
    const info = await readFile(join(backup, 'xtrabackup_binlog_info'), 'utf8');
    const [, , position = ''] = info.trim().split('\t');
    await rm(join(node.directory, 'data'), { recursive: true });
    await run(program, [options(node), '--move-back', `--target-dir=${backup}`, '--force-non-empty-directories']);
    await node.start();
    await untold();
    for (const sql of [
      'RESET MASTER',
      `SET GLOBAL gtid_slave_pos = '${position}'`,
      // The last: who knows of its own transactions may be taken back.
      `SET GLOBAL gtid_binlog_state = '${state}'`,
    ]) {
      await ask(node, root, sql);
    }
  } finally {
    await rm(backup, { recursive: true, force: true });
  }
}

/** It is closed, replicates from nobody, and has what the primary lacks. */
export async function hasItsOwn(node: MariadbServer, primary: MariadbServer, root: Account): Promise<boolean> {
  const of = async (it: MariadbServer): Promise<GtidSet> => mariadbGtids(await ask(it, root, STATE));
  const isOld = (await ask(node, root, 'SELECT @@global.read_only')) === '1';
  const replicates = (await ask(node, root, 'SHOW SLAVE STATUS', 'Master_Port')) !== '';
  if (!isOld || replicates) return false;
  const own = await of(node);
  return !own.subtract(await of(primary)).isEmpty;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderrTail } = await runCommand(program, args, { timeoutMs: TIMEOUT_MS });
  if (exitCode !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${exitCode}:\n${stderrTail}`);
}

async function ask({ host, port }: MariadbServer, root: Account, sql: string, column?: string): Promise<string> {
  const connection = await createConnection({ host, port, ...root });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    const row: Readonly<Record<string, unknown>> = rows[0] ?? {};
    const told = column === undefined ? Object.values(row)[0] : row[column];
    return typeof told === 'string' || typeof told === 'number' ? String(told) : '';
  } finally {
    connection.destroy();
  }
}
