import { RwsplitError, type ErrorCode } from '../src/errors.js';

/** For so long it is tried again to find a server that answers for a login: shorter than clients wait for. */
const TRIED_MS = 5_000;
const RETRY_MS = 50;
const AWAY: ReadonlySet<ErrorCode> = new Set(['server-unreachable', 'server-lost', 'no-primary']);

/** Tries again while servers cannot be reached: another primary may stand in a moment, and a client that logs in need not know. */
export async function retriedWhileAway<T>(attempt: () => Promise<T>): Promise<T> {
  const untilMs = Date.now() + TRIED_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isAway = error instanceof RwsplitError && AWAY.has(error.code);
      if (!isAway || Date.now() >= untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
