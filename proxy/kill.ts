import type { KillKind } from '../src/classify/connection-statement.js';
import type { ErrPacket } from '../src/protocol/packets/err.js';
import type { SessionRunner } from './session-runner.js';

/** A client with its session, as one that kills or is killed. */
export interface Killable {
  readonly id: number;
  readonly user: string;
  readonly runner: SessionRunner;
  /** Ends the client's connection at once. */
  destroy(): void;
}

/** @returns the server's words, where it does not let the killer; what the victim runs is interrupted otherwise */
export async function killClient(kind: KillKind, victim: Killable, killer: Killable): Promise<ErrPacket | undefined> {
  const refusal = victim.user === killer.user ? undefined : await refusalOf(victim, killer);
  if (refusal !== undefined) return refusal;
  if (kind === 'QUERY') await victim.runner.interrupt();
  else {
    try {
      await victim.runner.kill();
    } finally {
      victim.destroy();
    }
  }
  return undefined;
}

/**
 * Whether one may kill what is another user's only the server can say: it is asked about a connection of that user on which nothing
 * runs. Roles count as far as they are active after a login.
 */
async function refusalOf(victim: Killable, killer: Killable): Promise<ErrPacket | undefined> {
  const theirs = await victim.runner.openAside();
  try {
    const own = await killer.runner.openAside();
    try {
      const { error } = await own.query(`KILL QUERY ${theirs.threadId}`);
      if (error === undefined) return undefined;
      return { ...error, message: error.message.replace(String(theirs.threadId), String(victim.id)) };
    } finally {
      own.close();
    }
  } finally {
    theirs.close();
  }
}
