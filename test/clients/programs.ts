import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { runCommand } from '../../docker/cluster/run-command.js';
import { packageFile } from '../../docker/cluster/package-file.js';

/** A program of another maker that tests run. */
interface Program {
  /** Where it may be: the first that passes the check is taken. */
  readonly commands: readonly string[];
  /** Ends with 0 where the program has what the tests need of it. */
  readonly check: readonly string[];
  /** Debian's packages that bring it. */
  readonly packages: readonly string[];
}

const NAMES = ['mariadb', 'mariadb-dump', 'python', 'php', 'perl', 'mydumper', 'myloader', 'mariadbd'] as const;
export type ProgramName = (typeof NAMES)[number];

/** The one list of what `npm test` needs besides Node's packages and MySQL. */
const PROGRAMS: Readonly<Record<ProgramName, Program>> = {
  mariadb: { commands: ['mariadb'], check: ['--version'], packages: ['mariadb-client'] },
  'mariadb-dump': { commands: ['mariadb-dump'], check: ['--version'], packages: ['mariadb-client'] },
  // The first python3 on the PATH is not always the one for which Debian has modules.
  python: {
    commands: ['/usr/bin/python3', 'python3'],
    check: ['-c', 'import pymysql, cryptography'],
    packages: ['python3-pymysql', 'python3-cryptography'],
  },
  php: {
    commands: ['/usr/bin/php', 'php'],
    check: ['-r', 'exit(extension_loaded("mysqli") && extension_loaded("pdo_mysql") ? 0 : 1);'],
    packages: ['php-cli', 'php-mysql'],
  },
  perl: {
    commands: ['/usr/bin/perl', 'perl'],
    check: ['-MDBD::mysql', '-e', '1'],
    packages: ['libdbd-mysql-perl'],
  },
  mydumper: { commands: ['mydumper'], check: ['--version'], packages: ['mydumper'] },
  myloader: { commands: ['myloader'], check: ['--version'], packages: ['mydumper'] },
  // Without what would start it.
  mariadbd: { commands: ['/usr/sbin/mariadbd', 'mariadbd'], check: ['--version'], packages: ['mariadb-server-core'] },
};

const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** @throws Error that says what to install */
export function programPath(name: ProgramName): string {
  const found = findProgram(PROGRAMS[name]);
  if (found === undefined) throw new Error(complaint([name]));
  return found;
}

/** Installs what is missing on Debian as root; anywhere else, and where that fails, only says what is missing. */
export async function installPrograms(say: (line: string) => void): Promise<void> {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  if (existsSync('/etc/debian_version') && process.getuid?.() === 0) {
    say(`installing what tests need and this machine has not: ${packagesOf(missing).join(', ')}`);
    const { exitCode, stderrTail } = await runCommand(
      'sh',
      [packageFile('docker/install-debian-packages.sh'), ...packagesOf(missing)],
      { timeoutMs: INSTALL_TIMEOUT_MS },
    );
    if (exitCode !== 0) say(`the installation failed:\n${stderrTail}`);
  }
  const still = missingPrograms();
  if (still.length > 0) say(complaint(still));
}

function missingPrograms(): ProgramName[] {
  return NAMES.filter((name) => findProgram(PROGRAMS[name]) === undefined);
}

function findProgram({ commands, check }: Program): string | undefined {
  return commands.find((command) => spawnSync(command, check, { stdio: 'ignore' }).status === 0);
}

function packagesOf(names: readonly ProgramName[]): string[] {
  return [...new Set(names.flatMap((name) => PROGRAMS[name].packages))];
}

function complaint(names: readonly ProgramName[]): string {
  const packages = packagesOf(names).join(' ');
  return (
    `the tests of other makers' programs need ${names.join(', ')}, which this machine has not (or without what is needed of it). ` +
    `On Debian as root they are installed by themselves; elsewhere install what Debian has as: ${packages}`
  );
}
