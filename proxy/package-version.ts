import { readFileSync } from 'node:fs';

/** The version of the package that this file belongs to. */
export function packageVersion(): string {
  // dist/proxy/package-version.js; as a source it is one folder nearer to the package's root.
  for (const up of ['../../package.json', '../package.json']) {
    const manifest = read(new URL(up, import.meta.url));
    if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  }
  return 'unknown';
}

function read(path: URL): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
