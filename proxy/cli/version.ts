import { readFile } from 'node:fs/promises';

/** Prints the version of the package that this file belongs to. */
export async function version(): Promise<number> {
  // dist/proxy/cli/version.js: the package's root is three folders up.
  const manifest: unknown = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
  const found =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : 'unknown';
  process.stdout.write(`${String(found)}\n`);
  return 0;
}
