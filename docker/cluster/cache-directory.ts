import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where is kept what is made once and used again. */
export function cacheDirectory(): string {
  return process.env['RWSPLIT_CACHE'] ?? join(homedir(), '.cache', 'rwsplit');
}
