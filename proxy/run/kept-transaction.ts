import type { ServerConnection } from '../../src/runtime/server-connection.js';
import { SwallowedReply } from '../../src/runtime/swallowed-reply.js';
import { ReplicaTransaction } from '../../src/session/replica-transaction.js';
import type { Session } from '../../src/session/session.js';
import { textOf, type CommandRun } from '../command-run.js';
import type { KeptConnections } from './kept-connections.js';
import type { RunnerContext } from './runner-context.js';

/** A session's open read-only transaction on a replica, from what opens it to where it is left. */
export class KeptTransaction {
  readonly #session: Session;
  readonly #kept: KeptConnections;
  #open: ReplicaTransaction | undefined;

  constructor({ session, kept }: RunnerContext) {
    this.#session = session;
    this.#kept = kept;
  }

  get open(): ReplicaTransaction | undefined {
    return this.#open;
  }

  /** A statement has ended on a replica: keeps what it takes to open the transaction again elsewhere. */
  note(connection: ServerConnection, run: CommandRun, gaveRows: boolean): void {
    const session = this.#session;
    if (!session.inReplicaTransaction) {
      this.#open = undefined;
      return;
    }
    if (this.#open === undefined) {
      const opened = run.classification.transaction !== undefined;
      const commands = opened ? [...session.nextTransaction.commands, Buffer.from(run.message.raw)] : [];
      this.#open = new ReplicaTransaction(connection.node.name, commands);
    } else if (connection.walker.error === undefined && run.statement.kind === 'none') {
      this.#open.ran(run.classification.transaction, run.message.raw);
    }
    if (gaveRows) this.#open.read(textOf(run)?.toString('latin1') ?? '');
  }

  /** It is no longer the session's. */
  abandon(): void {
    if (this.#open !== undefined) this.#leave(false);
  }

  /** It was opened anew on the primary, and goes on there. */
  moved(): void {
    this.#leave(true);
  }

  #leave(goesOn: boolean): void {
    this.#open = undefined;
    this.#session.leftReplica(goesOn);
    const { transaction } = this.#kept;
    if (transaction === undefined) return;
    endTransaction(transaction, 'ROLLBACK');
    this.#kept.release(transaction);
  }
}

/** Ends the transaction that may be open on a connection, before anything else is sent there. */
export function endTransaction(connection: ServerConnection, sql: 'COMMIT' | 'ROLLBACK'): void {
  const reply = new SwallowedReply(
    () => {},
    () => {},
  );
  connection.send(connection.frameQuery(sql), 'result', 1, reply);
}
