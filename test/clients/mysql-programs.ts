import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { findDebianMysqld } from '../../docker/cluster/debian-mysqld.js';

/** A program of MySQL's own: how it is called, with the options that it needs to find its files and no option file. */
export interface MysqlProgram {
  readonly file: string;
  readonly args: readonly string[];
}

/**
 * `mysql`, `mysqldump` and their like: from Debian's packages, beside the server's; where these cannot be had, from the PATH, if they
 * are MySQL's there and not MariaDB's of the same name.
 */
export async function mysqlProgram(name: string): Promise<MysqlProgram> {
  const found = await findDebianMysqld(() => {});
  if (found.kind === 'found') {
    const [loader, ...rest] = found.command;
    const server = rest.pop();
    if (loader === undefined || server === undefined) throw new Error('a program has a path');
    const usr = dirname(dirname(server));
    const files = [
      `--character-sets-dir=${join(usr, 'share/mysql/charsets')}`,
      `--plugin-dir=${join(usr, 'lib/mysql/plugin')}`,
    ];
    return { file: loader, args: [...rest, join(usr, 'bin', name), '--no-defaults', ...files] };
  }
  const { stdout } = spawnSync(name, ['--no-defaults', '--version'], { encoding: 'utf8' });
  if (/mysql/i.test(stdout ?? '') && !/mariadb/i.test(stdout ?? '')) return { file: name, args: ['--no-defaults'] };
  throw new Error(`MySQL's ${name} is not on the PATH, and Debian's cannot be had: ${found.reason}`);
}
