import { join } from 'node:path';
import type { FoundMysqld } from './find-mysqld.js';
import { cacheDirectory } from './cache-directory.js';
import { packageFile } from './package-file.js';
import { runCommand } from './run-command.js';

const PREPARE_TIMEOUT_MS = 15 * 60_000;

// Where Debian puts the loader and the libraries of its architectures.
const ARCHITECTURES: Readonly<Record<string, { readonly loader: string; readonly triplet: string }>> = {
  x64: { loader: 'lib64/ld-linux-x86-64.so.2', triplet: 'x86_64-linux-gnu' },
  arm64: { loader: 'lib/ld-linux-aarch64.so.1', triplet: 'aarch64-linux-gnu' },
};

/** MySQL from Debian's packages, prepared once into the cache directory. */
export async function findDebianMysqld(onProgress: (line: string) => void): Promise<FoundMysqld> {
  const architecture = ARCHITECTURES[process.arch];
  if (process.platform !== 'linux' || architecture === undefined) {
    return { kind: 'unavailable', reason: `this is ${process.platform} on ${process.arch}, not Linux on x64 or arm64` };
  }
  if (process.getuid?.() !== 0) return { kind: 'unavailable', reason: 'installing Debian packages needs root' };

  const cache = cacheDirectory();
  onProgress(
    `looking for MySQL in ${cache}; where it is missing, it is made from Debian's packages, once, in about a minute`,
  );
  const prepared = await runCommand('sh', [packageFile('docker/cluster/prepare-debian.sh'), cache], {
    timeoutMs: PREPARE_TIMEOUT_MS,
    onStderrLine: (line) => {
      if (isMilestone(line)) onProgress(line);
    },
  });
  if (prepared.exitCode !== 0) {
    return { kind: 'unavailable', reason: `preparing MySQL from Debian's packages failed:\n${prepared.stderrTail}` };
  }

  // Run by its own loader and libraries rather than by chroot: the servers then share paths, and sockets, with this process.
  const root = prepared.stdout.trim();
  const lib = join(root, 'usr/lib');
  return {
    kind: 'found',
    command: [
      join(root, architecture.loader),
      '--library-path',
      `${join(lib, architecture.triplet)}:${join(lib, 'mysql/private')}`,
      join(root, 'usr/sbin/mysqld'),
    ],
    options: [
      `plugin-dir=${join(lib, 'mysql/plugin')}`,
      `lc-messages-dir=${join(root, 'usr/share/mysql')}`,
      `character-sets-dir=${join(root, 'usr/share/mysql/charsets')}`,
    ],
  };
}

/** debootstrap names each of some hundred packages in three phases; its phases are enough. */
function isMilestone(line: string): boolean {
  return (
    /^I: (Retrieving InRelease|Unpacking the base|Configuring the base|Base system)/.test(line) || /^[EW]: /.test(line)
  );
}
