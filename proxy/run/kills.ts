import type { KillKind } from '../../src/classify/connection-statement.js';
import { interrupted } from '../../src/errors.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import type { ServerConnection } from '../../src/runtime/server-connection.js';
import type { BackendGroup } from '../backends.js';
import type { CommandRun } from '../command-run.js';
import type { KeptConnections } from './kept-connections.js';
import type { RunState } from './run-state.js';
import type { RunnerContext } from './runner-context.js';

export const ER_QUERY_INTERRUPTED = 1317;

/**
 * KILLs of what a session runs: said to the server on a connection aside, as the session's user.
 *
 * None may hit another statement than the one that it is for. Until it is through, its connection goes to no other session
 * (`ServerConnection.kills`), and no other command of this one is sent.
 */
export class Kills {
  readonly #state: RunState;
  readonly #group: BackendGroup;
  readonly #kept: KeptConnections;
  readonly #connect: (run: CommandRun) => void;
  #underWay = 0;

  /** @param connect begins a command that has waited for KILLs */
  constructor({ state, group, kept }: RunnerContext, connect: (run: CommandRun) => void) {
    this.#state = state;
    this.#group = group;
    this.#kept = kept;
    this.#connect = connect;
  }

  get areUnderWay(): boolean {
    return this.#underWay > 0;
  }

  /** Interrupts the command under way, wherever it stands; resolves when it can hit nothing else any more. */
  async interrupt(): Promise<void> {
    const state = this.#state;
    if (state.run === undefined || state.stage === 'settling') return;
    state.stage = 'interrupted';
    const { connection } = state;
    if (connection === undefined) state.fail(interrupted());
    else await this.#kill(connection, 'QUERY');
  }

  /** Ends what runs for the client on a server, with its thread there; no command begins any more. */
  async killSession(): Promise<void> {
    const state = this.#state;
    if (state.life === 'open') state.life = 'killed';
    const { connection } = state;
    if (connection !== undefined) await this.#kill(connection, 'CONNECTION');
  }

  /** What was to interrupt the command may have hit what was sent before it: then the command itself is still to come. */
  missed(connection: ServerConnection, { errno }: ErrPacket): void {
    const { stage, connection: current } = this.#state;
    if (stage !== 'interrupted' || errno !== ER_QUERY_INTERRUPTED || current !== connection) return;
    this.#kill(connection, 'QUERY').catch(() => {
      // The command comes to its end by itself.
    });
  }

  /** A server that has nothing to send does not notice that nobody listens: its thread is ended by a KILL. */
  endStream(connection: ServerConnection): void {
    this.#kept.forget(connection);
    connection.pause();
    const discard = (): void => this.#kept.discard(connection);
    this.#sayAside(connection, 'CONNECTION', () => !connection.closed).then(discard, discard);
  }

  /** Kills what the command under way runs on a connection. */
  async #kill(connection: ServerConnection, kind: KillKind): Promise<void> {
    const state = this.#state;
    const { run } = state;
    connection.kills++;
    this.#underWay++;
    try {
      // Whatever it says: the statement is at its end, or the thread.
      await this.#sayAside(
        connection,
        kind,
        () => state.connection === connection && state.run === run && !connection.closed && state.stage !== 'settling',
      );
    } finally {
      connection.kills--;
      this.#underWay--;
      const waiting = state.run;
      if (!this.areUnderWay && waiting !== undefined && waiting !== run && state.life === 'open') {
        this.#connect(waiting);
      }
    }
  }

  /** @param isDue asked when the connection aside is there */
  async #sayAside(connection: ServerConnection, kind: KillKind, isDue: () => boolean): Promise<void> {
    const aside = await this.#group.openAside(connection.node);
    try {
      if (isDue()) await aside.query(`KILL ${kind} ${connection.threadId}`);
    } finally {
      aside.close();
    }
  }
}
