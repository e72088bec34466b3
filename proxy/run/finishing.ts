import { interrupted, type RwsplitError } from '../../src/errors.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import type { ServerConnection } from '../../src/runtime/server-connection.js';
import type { CommandRun } from '../command-run.js';
import type { GivingUp } from './giving-up.js';
import { sessionLost } from './run-state.js';
import type { RunnerContext } from './runner-context.js';

/** A command ends: what becomes of its connection, and of the session. */
export class Finishing {
  readonly #context: RunnerContext;
  readonly #givingUp: GivingUp;
  readonly #connect: (run: CommandRun) => void;

  /** @param connect finds another connection */
  constructor(context: RunnerContext, givingUp: GivingUp, connect: (run: CommandRun) => void) {
    this.#context = context;
    this.#givingUp = givingUp;
    this.#connect = connect;
  }

  /** The connection stays with the session, or goes back to its pool. */
  finish(connection: ServerConnection): void {
    const { state, session, kept } = this.#context;
    state.connection = undefined;
    const { role } = state;
    const place = this.#place;
    const { warnings, error } = connection.walker;
    // What asks for them does not clear them.
    const asked = connection === kept.previous && state.run?.classification.reason === 'diagnostics';
    const replicaKeeps = warnings > 0 || error !== undefined || asked || session.inReplicaTransaction;
    const keeps = role === 'replica' ? replicaKeeps : session.keepsPrimary;
    kept.settle(connection, place, keeps);
    const { pool } = connection;
    const mayGiveUp = keeps && (place === 'previous' || (role === 'primary' && session.mayGiveUpPrimary));
    if (mayGiveUp) pool?.hold(this.#givingUp);
    state.done();
    if (mayGiveUp && pool?.awaited === true) this.#givingUp.giveUp(pool);
  }

  /** As what the connection of the command that ends is kept. */
  get #place(): 'primary' | 'previous' | 'transaction' {
    if (this.#context.state.role === 'primary') return 'primary';
    return this.#context.session.inReplicaTransaction ? 'transaction' : 'previous';
  }

  /** The server refused what had to come before the statement: the client gets that answer. */
  refused(connection: ServerConnection, error: ErrPacket): void {
    const { state, kept } = this.#context;
    state.writeError(error);
    if (!kept.has(connection)) {
      this.finish(connection);
      return;
    }
    state.connection = undefined;
    state.done();
  }

  /** The connection is not what it should be: it serves nobody any more. */
  failed(connection: ServerConnection, error: RwsplitError): void {
    const { state, session, kept, client } = this.#context;
    const { run, role, stage } = state;
    const bound = connection === kept.primary && session.boundToPrimary;
    // A schema or a role may not have come to this replica yet; and the session's command was not executed, or its answer dropped. A binary
    // log that is to come from this node would be asked for here again, and again.
    const isRead = role === 'replica' && run?.source === undefined;
    const mayGoOn = isRead && stage === 'running' && !kept.has(connection);
    state.connection = undefined;
    kept.discard(connection);
    if (run !== undefined && mayGoOn) {
      state.failed.add(connection.node.name);
      this.#connect(run);
      return;
    }
    state.fail(state.stage === 'interrupted' ? interrupted() : error);
    if (bound) client.end();
  }

  /** The kept connection to the primary is gone: the next command learns it, if there was something to lose. */
  primaryLost(connection: ServerConnection): void {
    const { state, session, client, recording } = this.#context;
    if (recording?.connectionLost(connection.node.name, undefined, 'not-sent') === true) return;
    const lost = session.primaryLost();
    if (lost === 'state') state.lost = sessionLost(connection, 'the server ended it');
    if (lost === 'transaction') state.transactionLostOn = connection.node.name;
    // After a stream a server ends the connection, and whoever read it waits for that.
    if (session.pins.has('replication')) client.end();
  }
}
