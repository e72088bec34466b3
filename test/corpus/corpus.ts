import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { LexMode } from '../../src/classify/classification.js';
import { packageFile } from '../../docker/cluster/package-file.js';
import { runCommand } from '../../docker/cluster/run-command.js';
import { statementsOf } from './test-file.js';

const FETCH_TIMEOUT_MS = 600_000;

/** How the servers of the corpus read a text, unless a statement says otherwise. */
export const MYSQL: LexMode = {
  ansiQuotes: false,
  noBackslashEscapes: false,
  charset: 'other',
  serverVersion: 90704,
  mariadb: false,
};

/** A file of MySQL's own tests. */
export interface TestFile {
  readonly name: string;
  /** Bytes as characters of the same numbers. */
  readonly statements: readonly string[];
}

/** MySQL's main test suite, from Debian's package, fetched into the cache when it is not there yet. */
export async function readCorpus(): Promise<readonly TestFile[]> {
  const cache = process.env['RWSPLIT_CACHE'] ?? join(homedir(), '.cache', 'rwsplit');
  const fetched = await runCommand('sh', [packageFile('test/corpus/fetch-mysql-tests.sh'), cache], {
    timeoutMs: FETCH_TIMEOUT_MS,
  });
  if (fetched.exitCode !== 0) throw new Error(`MySQL's tests could not be fetched: ${fetched.stderrTail.slice(-500)}`);
  const root = fetched.stdout.trim();
  const files: TestFile[] = [];
  for (const directory of ['t', 'include']) {
    const names = (await readdir(join(root, directory))).filter((name) => /\.(?:test|inc)$/.test(name));
    for (const name of names.sort((a, b) => (a < b ? -1 : 1))) {
      const statements = statementsOf(await readFile(join(root, directory, name)), MYSQL);
      if (statements.length > 0) files.push({ name: `${directory}/${name}`, statements });
    }
  }
  return files;
}
