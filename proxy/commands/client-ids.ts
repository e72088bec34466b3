import type { ConnectionStatement, KillKind } from '../../src/classify/connection-statement.js';
import { errPacketOf, interrupted } from '../../src/errors.js';
import type { Message } from '../../src/protocol/framing.js';
import { COMMAND_CLASS } from '../command-classes.js';
import { killClient, type Killable } from '../kill.js';
import type { RunnerClient } from '../run/runner-context.js';
import type { Dispatch } from './dispatch.js';

type Kill = Extract<ConnectionStatement, { kind: 'kill' }>;

/** A client's id is the proxy's own: it is what the client is told as its connection's, and by it a KILL finds a client. */
export class ClientIds {
  readonly #dispatch: Dispatch;
  readonly #client: RunnerClient;
  readonly #id: number;
  readonly #killableOf: (id: number) => Killable | undefined;

  /** @param id that the client was told. @param killableOf the client with an id */
  constructor(dispatch: Dispatch, client: RunnerClient, id: number, killableOf: (id: number) => Killable | undefined) {
    this.#dispatch = dispatch;
    this.#client = client;
    this.#id = id;
    this.#killableOf = killableOf;
  }

  /** The statement with which a client is told its own id. @param column its name */
  selectOwn(column: string): Buffer {
    return Buffer.from(`SELECT CAST(${this.#id} AS UNSIGNED) AS ${column}`, 'latin1');
  }

  /** COM_PROCESS_KILL. */
  processKill(message: Message): void {
    const { body, start } = message;
    const id = body.length === start + 5 ? body.readUInt32LE(start + 1) : undefined;
    const has = hasProcessKill(this.#dispatch.runner.session.serverVersion);
    if (has && id !== undefined && this.kills('CONNECTION', id, message)) return;
    this.#dispatch.forward(message, 'ok', COMMAND_CLASS.administration);
  }

  /** @returns whether it is one of our clients that a KILL is about; the servers have to say of all others that there are none */
  kills(kind: KillKind, target: Kill['id'], message: Message): boolean {
    const victim = this.#killableOf(target === 'own' ? this.#id : target);
    const killer = this.#killableOf(this.#id);
    if (victim === undefined || killer === undefined) return false;
    if (victim.id !== this.#id) {
      this.#kill(kind, victim, killer, message);
    } else if (kind === 'QUERY') {
      // The server interrupts the very statement that asks for it.
      this.#dispatch.runText(Buffer.from('KILL QUERY CONNECTION_ID()'), COMMAND_CLASS.administration);
    } else {
      this.#client.writeError(errPacketOf(interrupted()), message.nextSequenceId);
      this.#client.end();
    }
    return true;
  }

  #kill(kind: KillKind, victim: Killable, killer: Killable, message: Message): void {
    killClient(kind, victim, killer).then(
      (refusal) => {
        // The OK is a server's: as after any statement, what the one before it left is no more.
        if (refusal === undefined) this.#dispatch.runText(Buffer.from('DO 0'), COMMAND_CLASS.administration);
        else this.#dispatch.answerError(message, refusal);
      },
      (error: unknown) => this.#dispatch.answerError(message, errPacketOf(error)),
    );
  }
}

/** MySQL has given the command up since. */
function hasProcessKill(serverVersion: string): boolean {
  return serverVersion.includes('MariaDB') || Number.parseInt(serverVersion, 10) < 9;
}
