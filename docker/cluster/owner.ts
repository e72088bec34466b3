import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/*
 * Whatever a cluster leaves outside of this process carries its owner: the process id and the moment that process started.
 * The id alone would not do, since the system gives it out again.
 */

const UNKNOWN_START = 'unknown';

/** This process, as `<pid>-<start>`: letters, digits and `-` only, fit for a directory's name and a label. */
export function ownerId(): string {
  return `${process.pid}-${startOf(process.pid) ?? UNKNOWN_START}`;
}

export function isOwnerAlive(owner: string): boolean {
  const [, pid, start] = /^(\d+)-(\w+)$/.exec(owner) ?? [];
  // A start that could not be told then cannot be compared now, and nothing is removed on a guess.
  return pid !== undefined && (start === UNKNOWN_START || startOf(Number(pid)) === start);
}

/** The command line of a running process, or nothing. */
export function commandOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      // Field 22, counted behind the program's name, which stands in brackets and may hold anything.
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).replaceAll(/\W/g, '');
  } catch {
    return undefined;
  }
}
