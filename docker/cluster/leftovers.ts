import { readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandOf, isOwnerAlive, ownerId } from './owner.js';

const PREFIX = 'rwsplit-';
// A Unix socket's path holds 107 bytes at most, and the names below this directory need some 60 of them.
const LONGEST_BASE = 45;

/** Where clusters of local servers live, each in `rwsplit-<owner>-<random>/node-<n>/`. */
function baseDirectory(): string {
  return tmpdir().length <= LONGEST_BASE ? tmpdir() : '/tmp';
}

/** To be completed by mkdtemp. */
export function clusterDirectoryPrefix(): string {
  return join(baseDirectory(), `${PREFIX}${ownerId()}-`);
}

/**
 * Removes what local clusters left whose owner is dead. Each server has a guardian that does so when the owner ends; this is for the
 * day when the guardian was killed too.
 */
export function removeLocalLeftovers(): void {
  const base = baseDirectory();
  for (const name of readdirSync(base)) {
    const owner = /^rwsplit-(\d+-\w+)-\w{6}$/.exec(name)?.[1];
    if (owner === undefined || isOwnerAlive(owner)) continue;
    const directory = join(base, name);
    // Another user's directory of this name is none of ours, and must not make us kill anything.
    if (statSync(directory, { throwIfNoEntry: false })?.uid !== process.getuid?.()) continue;
    killServersOf(directory);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function killServersOf(directory: string): void {
  for (const node of readdirSync(directory)) {
    const pid = Number(readIfThere(join(directory, node, 'pid')));
    if (pid > 0 && commandOf(pid)?.includes(directory) === true) process.kill(pid, 'SIGKILL');
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
