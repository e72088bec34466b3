import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stagePackages } from '../../../docker/package.js';

const ROOT = resolve(import.meta.dirname, '../../..');
const STATIC = /^(?:import|export) (?!type )(?:[^'"]* from )?'([^']+)';$/gms;
const DYNAMIC = /\bimport\('([^']+)'\)/g;

/** All that a module may load, itself and others. Types are not loaded. */
function loadedBy(file: string, seen = new Map<string, string[]>()): Map<string, string[]> {
  if (seen.has(file)) return seen;
  const text = readFileSync(file, 'utf8');
  const found = [...text.matchAll(STATIC), ...text.matchAll(DYNAMIC)].map((match) => match[1] ?? '');
  seen.set(file, found);
  for (const name of found) {
    if (name.startsWith('.')) loadedBy(join(dirname(file), name.replace(/\.js$/, '.ts')), seen);
  }
  return seen;
}

/** By name, without what Node.js has. */
function packagesLoadedBy(...entries: readonly string[]): string[] {
  const names = entries.flatMap((entry) => [...loadedBy(join(ROOT, entry)).values()].flat());
  const packages = names
    .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
    .map((name) => (/^@[^/]+\/[^/]+/.exec(name) ?? /^[^/]+/.exec(name))?.[0] ?? name);
  return [...new Set(packages)].sort();
}

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rwsplit-package-'));
  const staged = stagePackages(ROOT, join(directory, 'staged'));
  // Each is installed on its own, with no packages beside it but those that its manifest names.
  for (const folder of staged) {
    const manifest = manifestIn(folder);
    const modules = join(directory, `with-${nameOf(folder)}`, 'node_modules');
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
    renameSync(folder, join(modules, nameOf(folder)));
  }
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function nameOf(folder: string): string {
  return folder.split('/').at(-1) ?? '';
}

function manifestIn(folder: string): Manifest {
  const manifest: Manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return manifest;
}

function installed(name: string): string {
  return join(directory, `with-${name}`, 'node_modules', name);
}

test('an application that uses the driver installs mysql2 beside it, and nothing else', () => {
  const { dependencies = {}, peerDependencies = {} } = manifestIn(installed('rwsplit'));
  expect([Object.keys(dependencies), Object.keys(peerDependencies)]).toEqual([[], ['mysql2']]);
  expect(packagesLoadedBy('driver/index.ts', 'driver/promise.ts')).toEqual(['mysql2']);
});

test('the package of the proxy names all that it may load, and no more', () => {
  const { dependencies = {}, version } = manifestIn(installed('rwsplit-proxy'));
  expect(packagesLoadedBy('proxy/cli/bin.ts')).toEqual(Object.keys(dependencies).sort());
  expect(version).toBe(manifestIn(installed('rwsplit')).version);
});

test('the package of the proxy has the command', () => {
  const command = join(installed('rwsplit-proxy'), 'dist', 'proxy', 'cli', 'bin.js');
  const said = execFileSync(process.execPath, [command, 'explain', 'SELECT 1 FOR UPDATE'], { encoding: 'utf8' });
  expect(said).toContain('the primary');
});

describe('installed, the package of the driver', () => {
  function run(name: string, program: string): string {
    const file = join(directory, 'with-rwsplit', name);
    writeFileSync(file, program);
    return execFileSync(process.execPath, [file], { encoding: 'utf8' });
  }

  test('is required as mysql2 is', () => {
    const program = `
      const [ours, theirs] = [require('rwsplit'), require('mysql2')];
      const promises = require('rwsplit/promise');
      const pool = ours.createPool({ nodes: ['db1'] });
      console.log(JSON.stringify([
        pool instanceof theirs.Pool,
        promises.createPool({ nodes: ['db1'] }) instanceof require('mysql2/promise').PromisePool,
        ours.Types === theirs.Types,
        Object.keys(ours).length === Object.keys(theirs).length,
      ]));`;
    expect(JSON.parse(run('a.cjs', program))).toEqual([true, true, true, true]);
  });

  test('is imported as mysql2 is', () => {
    const program = `
      import mysql, { createPool, escape, PoolConnection } from 'rwsplit';
      import promises, { createPool as createPromisePool } from 'rwsplit/promise';
      import theirs from 'mysql2';
      console.log(JSON.stringify([
        mysql.createPool === createPool && promises.createPool === createPromisePool,
        escape("it's"),
        PoolConnection === theirs.PoolConnection,
      ]));`;
    expect(JSON.parse(run('a.mjs', program))).toEqual([true, String.raw`'it\'s'`, true]);
  });

  test('has types that need no package beside mysql2', () => {
    const file = join(directory, 'with-rwsplit', 'typed.mts');
    writeFileSync(
      file,
      `import mysql, { type LogEntry, type PoolStatus, type SplitPool } from 'rwsplit';
      import promises, { type PromiseSplitPool } from 'rwsplit/promise';
      const pool: SplitPool = mysql.createPool({ nodes: ['db1'], coordinator: 'alone' });
      pool.on('log', (entry: LogEntry) => entry.message.length);
      const promising: PromiseSplitPool = promises.createPool({ nodes: ['db1'] });
      export const status: PoolStatus = promising.status();`,
    );
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', 'false'];
    const roots = ['--typeRoots', join(ROOT, 'node_modules', '@types'), '--types', 'node'];
    expect(
      spawnSync(process.execPath, [compiler, ...options, ...roots, file], { cwd: dirname(file), encoding: 'utf8' })
        .stdout,
    ).toBe('');
  });
});
