import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { findDebianMysqld } from '../docker/cluster/debian-mysqld.js';

/** How MySQL's own reader of binary logs is run: from the packages that the servers of the tests come from, or from the PATH. */
async function command(): Promise<readonly string[]> {
  const found = await findDebianMysqld(() => {});
  if (found.kind !== 'found') return ['mysqlbinlog'];
  const server = found.command.at(-1) ?? '';
  return [...found.command.slice(0, -1), join(dirname(server), '..', 'bin', 'mysqlbinlog')];
}

/** A mysqlbinlog that reads from a server. */
export class Mysqlbinlog {
  readonly #child: ChildProcess;
  /** What it has written so far, errors included. */
  output = '';
  readonly ended: Promise<number>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString('latin1')));
    child.stderr?.on('data', (chunk: Buffer) => (this.output += chunk.toString('latin1')));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', () => reject(new Error('mysqlbinlog is missing: install the client programs of MySQL')));
      child.once('close', (code) => resolve(code ?? -1));
    });
  }

  static async start(
    { port, user, password }: { readonly port: number; readonly user: string; readonly password: string },
    args: readonly string[],
  ): Promise<Mysqlbinlog> {
    const [program = '', ...before] = await command();
    const login = ['-h127.0.0.1', `-P${port}`, `-u${user}`, '--get-server-public-key'];
    const child = spawn(program, [...before, '--no-defaults', ...login, '--verbose', ...args], {
      env: { ...process.env, MYSQL_PWD: password },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Mysqlbinlog(child);
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
