/** Too many connections, of all or of the user; wrong password; a host that may not connect: somebody is there to say so. */
const ALIVE: ReadonlySet<number> = new Set([1040, 1045, 1129, 1130, 1203, 1226, 3118, 3159, 3955]);

/** Whether a node that does not let the monitor in is there nevertheless. */
export function isAlive(error: unknown): boolean {
  return ALIVE.has(errnoOf(error) ?? 0);
}

/** Whether nothing listens there: then there is no need to ask again. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

/** @param user the monitor's. @returns why a node gave no answer, and what to do */
export function whyOf(error: unknown, user: string): string {
  const message = error instanceof Error ? error.message || nameOf(error) : String(error);
  switch (errnoOf(error)) {
    case 1045:
      return `it refused the monitor's login (${message}); check --monitor-user and its password`;
    case 1227:
      return `the monitor's user lacks a privilege (${message}); GRANT REPLICATION CLIENT ON *.* TO '${user}'`;
    default:
      return message;
  }
}

export function errnoOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return undefined;
  return typeof error.errno === 'number' ? error.errno : undefined;
}

function nameOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
