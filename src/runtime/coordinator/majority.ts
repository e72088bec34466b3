import type { LockState } from './lock-session.js';

/** The locks of all configured servers; servers that are named twice count once. */
export interface Majority {
  readonly held: number;
  readonly free: number;
  /** Since when those of most are held without a break; undefined where they are not. */
  readonly heldSinceMs: number | undefined;
  /** Why nobody could hold those of most. */
  readonly problem: string | undefined;
}

export function majorityOf(states: readonly LockState[]): Majority {
  const needed = Math.floor(states.length / 2) + 1;
  const answering = states.filter((it) => it.kind !== 'silent');
  const servers = new Set(answering.map(({ uuid }) => uuid));
  const heldSinceMs = new Map<string, number>();
  for (const it of answering) {
    if (it.kind === 'held') heldSinceMs.set(it.uuid, Math.max(it.sinceMs, heldSinceMs.get(it.uuid) ?? -Infinity));
  }
  const free = new Set(answering.filter((it) => it.kind === 'free').map(({ uuid }) => uuid));
  const since = [...heldSinceMs.values()].sort((a, b) => a - b);
  return {
    held: heldSinceMs.size,
    free: free.size,
    heldSinceMs: since[needed - 1],
    problem: servers.size >= needed ? undefined : problemOf(states, answering.length, servers.size, needed),
  };
}

function problemOf(states: readonly LockState[], answers: number, servers: number, needed: number): string {
  const all = `nobody can lead without the locks of ${needed} of ${states.length} servers`;
  if (servers < answers) return `${all}, and some of them are the same server`;
  const why = states.find((it) => it.kind === 'silent')?.why ?? '';
  return `${all}, and ${answers} answer: ${why}`;
}
