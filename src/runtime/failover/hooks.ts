import { spawn } from 'node:child_process';
import type { EventLog } from '../event-log.js';

/** What others are told of a change of the primary, as JSON. */
export interface HookEvent {
  readonly event: 'failover-begins' | 'failover' | 'failover-given-up' | 'switchover';
  readonly cluster: string;
  readonly epoch: number;
  /** The old primary. */
  readonly from: string;
  /** The new one; absent where there is none. */
  readonly to?: string | undefined;
  readonly why?: string | undefined;
  /** Transactions that are lost, as a set of GTIDs. */
  readonly lost?: string | undefined;
}

const HOOK_MS = 10_000;

/**
 * Programs and addresses that are told of each change: a program gets the event on its standard input and as `RWSPLIT_EVENT`, an `http(s)://` address by
 * POST. Nothing waits for them, and what they answer changes nothing: a failover has no time.
 */
export class Hooks {
  readonly #targets: readonly string[];
  readonly #log: EventLog;

  /** @param targets programs, with their arguments, as a shell takes them; or addresses */
  constructor(targets: readonly string[], log: EventLog) {
    this.#targets = targets;
    this.#log = log;
  }

  tell(event: HookEvent): void {
    for (const target of this.#targets) {
      const told = /^https?:\/\//.test(target) ? post(target, event) : run(target, event);
      told.catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        this.#log.warn({ event: event.event }, `a hook could not be told of a ${event.event}: ${why}`);
      });
    }
  }
}

async function post(address: string, event: HookEvent): Promise<void> {
  const { ok, status } = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
    signal: AbortSignal.timeout(HOOK_MS),
  });
  if (!ok) throw new Error(`it answered with ${status}`);
}

async function run(command: string, event: HookEvent): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command], {
      env: { ...process.env, RWSPLIT_EVENT: event.event },
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: HOOK_MS,
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(code === null ? `it took more than ${HOOK_MS / 1000} s` : `it ended with code ${code}`));
    });
    // It need not read what it is told.
    child.stdin.on('error', () => {});
    child.stdin.end(`${JSON.stringify(event)}\n`);
  });
}
