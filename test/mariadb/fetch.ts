import { cacheDirectory } from '../../docker/cluster/cache-directory.js';
import { packageFile } from '../../docker/cluster/package-file.js';
import { runCommand } from '../../docker/cluster/run-command.js';

const TIMEOUT_MS = 5 * 60_000;

/** What tests need of MariaDB, of the version that is installed, beside its server itself. */
const FETCHED = {
  'mariadb-plugins': { package: 'mariadb-server', path: 'usr/lib/mysql/plugin' },
  'mariadb-backup': { package: 'mariadb-backup', path: 'usr/bin/mariadb-backup' },
} as const;

/** @returns where it is */
export async function fetchOfMariadb(name: keyof typeof FETCHED): Promise<string> {
  const { package: from, path } = FETCHED[name];
  const script = packageFile('test/mariadb/fetch-from-package.sh');
  const fetched = await runCommand('sh', [script, cacheDirectory(), from, path, name], { timeoutMs: TIMEOUT_MS });
  if (fetched.exitCode !== 0) throw new Error(`${name} cannot be had from ${from}:\n${fetched.stderrTail}`);
  return fetched.stdout.trim();
}
