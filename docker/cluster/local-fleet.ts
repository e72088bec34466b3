import { constants } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findDebianMysqld } from './debian-mysqld.js';
import { findInstalledMysqld, type FoundMysqld } from './find-mysqld.js';
import type { Fleet, Launch, LaunchRequest, ServerSpec } from './fleet.js';
import { clusterDirectoryPrefix, removeLocalLeftovers } from './leftovers.js';
import { GuardedMysqld } from './mysqld-guardian.js';
import { optionFile } from './option-file.js';

type Finder = (onProgress: (line: string) => void) => Promise<FoundMysqld>;

export function launchInstalledMysqld(request: LaunchRequest): Promise<Launch> {
  return launchLocal(request, findInstalledMysqld);
}

export function launchDebianMysqld(request: LaunchRequest): Promise<Launch> {
  return launchLocal(request, findDebianMysqld);
}

async function launchLocal(request: LaunchRequest, find: Finder): Promise<Launch> {
  const found = await find(request.onProgress);
  if (found.kind === 'unavailable') return found;
  removeLocalLeftovers();
  request.onProgress(`starting ${request.specs.length} servers with ${found.command.at(-1)}`);
  const clusterDirectory = await mkdtemp(clusterDirectoryPrefix());
  const servers: GuardedMysqld[] = [];
  const fleet: Fleet = {
    servers,
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
      // Already gone when there was a guardian, whose last act this is.
      await rm(clusterDirectory, { recursive: true, force: true });
    },
  };
  try {
    for (const spec of request.specs) {
      const directory = await makeServerDirectory(clusterDirectory, spec, found.options, request.initSql);
      servers.push(new GuardedMysqld(directory, found.command));
    }
    await makeData(clusterDirectory, request.specs, servers);
    await Promise.all(servers.map((server) => server.start()));
  } catch (error) {
    await fleet.stop();
    throw error;
  }
  return { kind: 'launched', fleet };
}

async function makeServerDirectory(
  clusterDirectory: string,
  spec: ServerSpec,
  ownOptions: readonly string[],
  initSql: string,
): Promise<string> {
  const directory = join(clusterDirectory, spec.name);
  await mkdir(directory);
  const paths = [
    `datadir=${join(directory, 'data')}`,
    `socket=${join(directory, 'mysqld.sock')}`,
    `pid-file=${join(directory, 'data', 'mysqld.pid')}`,
  ];
  // mysqld refuses to run as root unless it is told so.
  const user = process.getuid?.() === 0 ? ['user=root'] : [];
  await writeFile(join(directory, 'my.cnf'), optionFile([...spec.options, ...ownOptions, ...paths, ...user]));
  await writeFile(join(directory, 'init.sql'), initSql, { mode: 0o600 });
  return directory;
}

/** Initialised once and copied, which takes a tenth of the time; without auto.cnf a server gives itself a UUID of its own. */
async function makeData(
  clusterDirectory: string,
  specs: readonly ServerSpec[],
  servers: readonly GuardedMysqld[],
): Promise<void> {
  const [first, ...others] = specs;
  if (first === undefined) return;
  await servers[0]?.initialize();
  const template = join(clusterDirectory, first.name, 'data');
  await rm(join(template, 'auto.cnf'), { force: true });
  for (const { name } of others) {
    await cp(template, join(clusterDirectory, name, 'data'), { recursive: true, mode: constants.COPYFILE_FICLONE });
  }
}
