import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * `npm run package`: the two packages that are published, as dist/packages/*.tgz. Whoever uses the driver is not to install what the proxy
 * needs, so each has its own manifest; the core is in both.
 *
 *   rwsplit        dist/src, dist/driver    package.json
 *   rwsplit-proxy  dist/src, dist/proxy     proxy/package.json, with the version of package.json
 *
 * The scripts of a package (`prepack`) do not run where `ignore-scripts` is set, as it is here: nothing depends on them.
 */

interface Manifest {
  readonly [field: string]: unknown;
}

/** What concerns the repository alone. */
const OF_REPOSITORY = ['private', 'workspaces', 'scripts', 'devDependencies'];

export function main(): number {
  const root = findRoot();
  const out = join(root, 'dist', 'packages');
  rmSync(out, { recursive: true, force: true });
  for (const directory of stagePackages(root, out)) {
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', out, directory], root);
  }
  return 0;
}

/** Lays the packages out in folders of `out`, compiled anew, so that nothing is in them whose source is gone. @returns the folders */
export function stagePackages(root: string, out: string): string[] {
  const compiled = join(out, 'compiled');
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  run(process.execPath, [compiler, '-p', join(root, 'tsconfig.json'), '--outDir', compiled], root);
  const driver = readManifest(join(root, 'package.json'));
  const { version } = driver;
  const proxy = { ...readManifest(join(root, 'proxy', 'package.json')), version };
  const staged = [
    stage(root, compiled, join(out, 'rwsplit'), driver, 'driver'),
    stage(root, compiled, join(out, 'rwsplit-proxy'), proxy, 'proxy'),
  ];
  rmSync(compiled, { recursive: true });
  return staged;
}

function stage(root: string, compiled: string, to: string, manifest: Manifest, part: 'driver' | 'proxy'): string {
  mkdirSync(to, { recursive: true });
  const published = Object.fromEntries(Object.entries(manifest).filter(([field]) => !OF_REPOSITORY.includes(field)));
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(published, undefined, 2)}\n`);
  for (const folder of ['src', part]) cpSync(join(compiled, folder), join(to, 'dist', folder), { recursive: true });
  for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(root, file), join(to, file));
  cpSync(join(root, part === 'driver' ? 'driver/README.md' : 'README.md'), join(to, 'README.md'));
  return to;
}

function readManifest(path: string): Manifest {
  const manifest: Manifest = JSON.parse(readFileSync(path, 'utf8'));
  return manifest;
}

function run(file: string, args: readonly string[], cwd: string): void {
  const { status, error } = spawnSync(file, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} failed`);
}

/** The repository's, from here as a source or compiled. */
function findRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.endsWith(join('dist', 'docker')) ? dirname(dirname(here)) : dirname(here);
}
