import { UsageError } from './usage-error.js';

/** A password from the environment: none stands in a file or on a command line. @param whose names it in an error */
export function readSecret(variable: string, whose: string): string {
  const secret = process.env[variable];
  if (secret === undefined) {
    throw new UsageError(`the environment variable ${variable}, named for ${whose}, is not set`);
  }
  return secret;
}
