import { packageVersion } from '../package-version.js';

/** Prints the package's version. */
export function version(): number {
  process.stdout.write(`${packageVersion()}\n`);
  return 0;
}
