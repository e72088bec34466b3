import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runCommand } from './run-command.js';

/** A mysqld of this machine: how it is called, and the options that it needs to find its own files. */
export type FoundMysqld =
  | { readonly kind: 'found'; readonly command: readonly string[]; readonly options: readonly string[] }
  | { readonly kind: 'unavailable'; readonly reason: string };

// 8.0.26 is the first that says "source" and "replica" in all its options and statements.
const OLDEST_VERSION = [8, 0, 26] as const;

/** `RWSPLIT_MYSQLD`, or the first MySQL on the PATH and where packages put servers. */
export async function findInstalledMysqld(onProgress: (line: string) => void): Promise<FoundMysqld> {
  const configured = process.env['RWSPLIT_MYSQLD'];
  const candidates = configured === undefined ? mysqldsOnPath() : [configured];
  const reasons: string[] = [];
  for (const path of candidates) {
    const objection = await objectionTo(path);
    if (objection === undefined) {
      for (const reason of reasons) onProgress(`passing over ${reason}`);
      return { kind: 'found', command: [path], options: [] };
    }
    reasons.push(`${path}: ${objection}`);
  }
  return { kind: 'unavailable', reason: reasons.length > 0 ? reasons.join('; ') : 'no mysqld on the PATH' };
}

function mysqldsOnPath(): string[] {
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== ''),
    // Servers are often outside of a user's PATH.
    '/usr/sbin',
    '/usr/local/mysql/bin',
    '/opt/homebrew/opt/mysql/bin',
  ];
  return [...new Set(directories.map((directory) => join(directory, 'mysqld')))].filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function objectionTo(path: string): Promise<string | undefined> {
  try {
    const { stdout, stderrTail } = await runCommand(path, ['--no-defaults', '--version'], { timeoutMs: 20_000 });
    return objectionToVersion(stdout.trim() || stderrTail.trim());
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function objectionToVersion(banner: string): string | undefined {
  if (/mariadb/i.test(banner)) return 'MariaDB, which has other GTIDs than MySQL';
  const version = /Ver (\d+)\.(\d+)\.(\d+)/.exec(banner)?.slice(1).map(Number);
  if (version === undefined) return `it does not tell a version: ${banner}`;
  for (const [index, oldest] of OLDEST_VERSION.entries()) {
    const part = version[index] ?? 0;
    if (part > oldest) return undefined;
    if (part < oldest) return `MySQL ${version.join('.')} is older than ${OLDEST_VERSION.join('.')}`;
  }
  return undefined;
}
