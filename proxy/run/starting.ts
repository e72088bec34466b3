import { errPacketOf, interrupted, RwsplitError } from '../../src/errors.js';
import { Capability, hasCapability } from '../../src/protocol/capabilities.js';
import { Command } from '../../src/protocol/commands.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import { HEADER_BYTES } from '../../src/protocol/framing.js';
import type { ServerStatement } from '../../src/runtime/prepared-cache.js';
import { frameCommand, type ServerConnection } from '../../src/runtime/server-connection.js';
import { SwallowedReply } from '../../src/runtime/swallowed-reply.js';
import type { ReplicaTransaction } from '../../src/session/replica-transaction.js';
import { freshState, preparationState } from '../../src/session/session-state.js';
import { keyOnServer, statementCommand, type ClientStatement } from '../client-statement.js';
import { onlyReads, type CommandRun, type Role } from '../command-run.js';
import { executeOn, findPrepared, noteTypes } from '../execute.js';
import type { LostTransaction } from '../replay/recording.js';
import { Replaying, WHY_NOT, type ReplayOutcome } from '../replay/replaying.js';
import type { Finishing } from './finishing.js';
import type { KeptTransaction } from './kept-transaction.js';
import type { Preparation } from './preparation.js';
import { transactionLost } from './run-state.js';
import type { RunnerContext } from './runner-context.js';

/**
 * Starts a command on the connection that was found for it:
 *
 * ```
 *  start ──► [prepare it, start over] ──► restore the session's state ──► send
 *                                           in one write with it where it only reads, else waiting for the answer
 * ```
 */
export class Starting {
  readonly #context: RunnerContext;
  readonly #queryAttributes: boolean;
  readonly #preparation: Preparation;
  readonly #transaction: KeptTransaction;
  readonly #finishing: Finishing;
  readonly #connect: (run: CommandRun) => void;
  /** The statement that is to run, as this connection has it. */
  #serverStatement: ServerStatement | undefined;

  /** @param connect finds another connection */
  constructor(
    context: RunnerContext,
    preparation: Preparation,
    transaction: KeptTransaction,
    finishing: Finishing,
    connect: (run: CommandRun) => void,
  ) {
    this.#context = context;
    this.#queryAttributes = hasCapability(context.client.capabilities, Capability.QUERY_ATTRIBUTES);
    this.#preparation = preparation;
    this.#transaction = transaction;
    this.#finishing = finishing;
    this.#connect = connect;
  }

  start(connection: ServerConnection, role: Role): void {
    const { state, session, relay } = this.#context;
    const { run } = state;
    if (run === undefined) return;
    const used = run.statement;
    state.connection = connection;
    state.role = role;
    state.wasSent = false;
    const lost = role === 'primary' ? this.#context.recording?.lost : undefined;
    if (lost !== undefined) {
      this.#replay(connection, run, lost);
      return;
    }
    this.#preparation.begin();
    relay.begin(connection, role === 'replica', used.kind === 'prepare' ? used.statement : undefined);

    if (used.kind === 'execute') noteTypes(run.message, used.statement, this.#queryAttributes);
    if (used.kind === 'execute' || used.kind === 'use') {
      this.#serverStatement = findPrepared(connection.prepared, used.statement);
      if (this.#serverStatement === undefined) {
        this.#prepare(connection, used.statement, run);
        return;
      }
    }
    const restored = this.#preparation.restore(connection, session.state);
    if (restored === 'unfit') {
      this.#replace(connection, run);
      return;
    }
    const { open } = this.#transaction;
    if (role === 'primary' && open !== undefined) {
      this.#moveTransaction(connection, open, run);
      return;
    }
    if (run.source !== undefined) {
      this.#preparation.repeat(connection, run.source.commands, 'ok');
      this.#sendWhenRestored(connection, run);
      return;
    }
    // What only reads may travel with what restores the session's state: if that fails, its answer is dropped. A write has to wait.
    if (restored === 'same' || onlyReads(run, role)) this.#send(connection, run);
    else this.#sendWhenRestored(connection, run);
  }

  /** Opens the read-only transaction anew on the primary, and runs the statement when that has gone through. */
  #moveTransaction(connection: ServerConnection, { commands }: ReplicaTransaction, run: CommandRun): void {
    this.#preparation.repeat(connection, commands, 'result');
    this.#sendWhenRestored(connection, run, () => this.#transaction.moved());
  }

  /** Runs the transaction again that was lost with another connection, and then the command. */
  #replay(connection: ServerConnection, run: CommandRun, lost: LostTransaction): void {
    const { state, kept, cluster, recording } = this.#context;
    const { name } = connection.node;
    const then = (outcome: ReplayOutcome): void => {
      if (outcome === 'unfit') {
        this.#replace(connection, run);
        return;
      }
      if (outcome !== 'interrupted') cluster.replayed(name, outcome, lost.record.commands.length);
      if (outcome === 'same') {
        recording?.replayed();
        kept.settle(connection, 'primary', true);
        this.start(connection, 'primary');
        return;
      }
      state.connection = undefined;
      kept.discard(connection);
      if (outcome === 'interrupted') state.fail(interrupted());
      else {
        recording?.abandon();
        state.fail(transactionLost(lost.node, `it could not be run again on ${name}: ${WHY_NOT[outcome]}`));
      }
    };
    new Replaying(this.#context, this.#preparation, this.#queryAttributes, connection, lost, then).begin();
  }

  #send(connection: ServerConnection, run: CommandRun): void {
    const { cluster, client, relay, state, recording } = this.#context;
    relay.content = recording?.expects(run);
    if (recording?.asksInsertId(run) === true) {
      connection.cork();
      this.#preparation.askInsertId(connection, ({ changes }) => recording.insertIdTold(changes));
    }
    this.#preparation.precede(connection, run);
    const { message, statement } = run;
    let framed = message.raw;
    const server = this.#serverStatement;
    if (statement.kind === 'execute' && server !== undefined) {
      framed = executeOn(message, statement.statement, server, this.#queryAttributes);
    } else if (statement.kind === 'use' && server !== undefined) {
      framed.writeUInt32LE(server.id, HEADER_BYTES + 1);
    }
    if (run.shape === 'none') {
      connection.sendSilently(framed);
      connection.uncork();
      this.#finishing.finish(connection);
      return;
    }
    connection.send(framed, run.shape, message.nextSequenceId, relay);
    connection.uncork();
    if (run.shape === 'stream') client.wantStream();
    state.sent(connection.node.name);
    cluster.ran(connection.node.name, run, state.route);
  }

  /** @param then what to do first when all has gone through */
  #sendWhenRestored(connection: ServerConnection, run: CommandRun, then?: () => void): void {
    const reply = this.#preparation.swallow(connection, () => {
      const { failure } = this.#preparation;
      if (failure === undefined) {
        then?.();
        if (this.#isInterrupted) this.#finishing.refused(connection, errPacketOf(interrupted()));
        else this.#send(connection, run);
      } else this.#finishing.failed(connection, failure);
    });
    connection.send(frameCommand(Command.PING, Buffer.alloc(0)), 'ok', 1, reply);
    connection.uncork();
  }

  /** Prepares a statement that this connection does not have yet, then starts over. */
  #prepare(connection: ServerConnection, statement: ClientStatement, run: CommandRun): void {
    const { state, session, end } = this.#context;
    if (this.#preparation.restore(connection, preparationState(statement.state, session.state)) === 'unfit') {
      this.#replace(connection, run);
      return;
    }
    const reply = new SwallowedReply(
      ({ error, prepared }) => {
        const { failure } = this.#preparation;
        if (state.connection !== connection) return;
        if (failure !== undefined) this.#finishing.failed(connection, failure);
        else if (error !== undefined) this.#refused(connection, statement, error);
        else if (prepared !== undefined) {
          connection.addPrepared(keyOnServer(statement), prepared.statementId, statement);
          if (this.#isInterrupted) this.#finishing.refused(connection, errPacketOf(interrupted()));
          else this.start(connection, state.role);
        }
      },
      (error) => end.connectionLost(connection, error),
    );
    connection.send(frameCommand(Command.STMT_PREPARE, statement.sql), 'prepare', 1, reply);
    connection.uncork();
  }

  /**
   * It cannot be prepared here. Bringing the connection back to the session's state would clear what SHOW ERRORS is to tell of that: it
   * is refused once more in that state.
   */
  #refused(connection: ServerConnection, statement: ClientStatement, error: ErrPacket): void {
    const { state, session, end } = this.#context;
    const restored = this.#preparation.restore(connection, session.state);
    if (restored !== 'restoring') {
      this.#finishing.refused(connection, error);
      return;
    }
    const reply = new SwallowedReply(
      ({ prepared }) => {
        if (state.connection !== connection) return;
        // What the session's state has made possible is not what was asked for.
        if (prepared !== undefined) connection.sendSilently(statementCommand(Command.STMT_CLOSE, prepared.statementId));
        const { failure } = this.#preparation;
        if (failure !== undefined) this.#finishing.failed(connection, failure);
        else this.#finishing.refused(connection, error);
      },
      (lost) => end.connectionLost(connection, lost),
    );
    connection.send(frameCommand(Command.STMT_PREPARE, statement.sql), 'prepare', 1, reply);
    connection.uncork();
  }

  get #isInterrupted(): boolean {
    return this.#context.state.stage === 'interrupted';
  }

  /** The connection cannot take the session's state: another one, at last a fresh one, can. */
  #replace(connection: ServerConnection, run: CommandRun): void {
    const { state, kept } = this.#context;
    const fresh = connection.state.key === freshState('').key;
    state.connection = undefined;
    kept.discard(connection);
    if (!fresh) {
      this.#connect(run);
      return;
    }
    const what = 'the session has a variable whose value cannot be set on another connection';
    state.fail(new RwsplitError('state-not-restored', what));
  }
}
