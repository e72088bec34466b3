import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 100;

/** Asks until the answer is not `undefined`; a throw counts as "not yet" and its message stands in the final error. */
export async function waitUntil<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined>,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (error instanceof GivenUp) throw error;
      cause = error;
    }
    signal?.throwIfAborted();
    if (Date.now() > deadline) {
      const detail = cause instanceof Error ? `: ${cause.message}` : '';
      throw new Error(`${what} did not happen within ${timeoutMs / 1000} s${detail}`, { cause });
    }
    await sleep(POLL_INTERVAL_MS, undefined, { signal });
  }
}

/** Thrown by a question that will never get its answer, so that nobody waits for it to the end. */
export class GivenUp extends Error {}
