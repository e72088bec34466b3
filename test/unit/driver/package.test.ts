import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');
const IMPORT = /^(?:import|export) (?!type )(?:[^'"]* from )?'([^']+)';$/gms;

/** All that a module loads, itself and others. Types are not loaded. */
function loadedBy(file: string, seen = new Map<string, string[]>()): Map<string, string[]> {
  if (seen.has(file)) return seen;
  const found = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) => match[1] ?? '');
  seen.set(file, found);
  for (const name of found) {
    if (name.startsWith('.')) loadedBy(join(dirname(file), name.replace(/\.js$/, '.ts')), seen);
  }
  return seen;
}

test('the driver loads nothing but mysql2 and Node.js', () => {
  const packages = new Set<string>();
  for (const entry of ['index.ts', 'promise.ts']) {
    for (const names of loadedBy(join(ROOT, 'driver', entry)).values()) {
      for (const name of names) if (!name.startsWith('.') && !name.startsWith('node:')) packages.add(name);
    }
  }
  expect([...packages].sort()).toEqual(['mysql2', 'mysql2/promise']);
});

describe('installed, the package', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'rwsplit-package-'));
    const installed = join(directory, 'node_modules', 'rwsplit');
    mkdirSync(installed, { recursive: true });
    writeFileSync(join(installed, 'package.json'), readFileSync(join(ROOT, 'package.json')));
    symlinkSync(join(ROOT, 'node_modules', 'mysql2'), join(directory, 'node_modules', 'mysql2'));
    // Its own dependencies are not there: the driver needs none.
    execFileSync(process.execPath, [
      join(ROOT, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(ROOT, 'tsconfig.json'),
      '--outDir',
      join(installed, 'dist'),
    ]);
  }, 120_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function run(name: string, program: string): string {
    const file = join(directory, name);
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
});
