import { DEFAULTS } from '../../src/defaults.js';
import { interrupted, RwsplitError } from '../../src/errors.js';
import { MARIADB } from '../../src/flavour/mariadb.js';
import { levelOf } from '../../src/routing/route.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import type { ServerConnection } from '../../src/runtime/server-connection.js';
import { SwallowedReply } from '../../src/runtime/swallowed-reply.js';
import { rowsCountedBy } from '../../src/session/found-rows.js';
import { resetState } from '../../src/session/session-state.js';
import { givesCountedRows, onlyReads, opensReplicaTransaction, textOf, type CommandRun } from '../command-run.js';
import type { Connecting } from './connecting.js';
import type { Finishing } from './finishing.js';
import { endTransaction, type KeptTransaction } from './kept-transaction.js';
import { ER_QUERY_INTERRUPTED } from './kills.js';
import type { Preparation } from './preparation.js';
import { rerunOnPrimary } from './refusal.js';
import type { RelayEnd } from './relay.js';
import type { RunnerContext } from './runner-context.js';
import { transactionLost, type RunState } from './run-state.js';
import { tellsCommits, unsettled, WITHIN_TRANSACTION, type Question } from './settle.js';

/** A command's answer has come, or never will: what the session learns from it, and whether it runs again elsewhere. */
export class Answering implements RelayEnd {
  readonly #context: RunnerContext;
  readonly #preparation: Preparation;
  readonly #transaction: KeptTransaction;
  readonly #connecting: Connecting;
  readonly #finishing: Finishing;

  constructor(
    context: RunnerContext,
    preparation: Preparation,
    transaction: KeptTransaction,
    connecting: Connecting,
    finishing: Finishing,
  ) {
    this.#context = context;
    this.#preparation = preparation;
    this.#transaction = transaction;
    this.#connecting = connecting;
    this.#finishing = finishing;
  }

  replyEnded(connection: ServerConnection): void {
    const { state, session, kept, client, relay, recording } = this.#context;
    const { run, role } = state;
    if (run === undefined) return;
    if (run.shape === 'stream') client.streamEnded();
    const { failure, isStale } = this.#preparation;
    if (failure !== undefined) {
      this.#finishing.failed(connection, failure);
      return;
    }
    if (run.source !== undefined) {
      this.#endSource(connection);
      return;
    }
    if (role === 'primary' && relay.refusedAsWrite !== undefined) {
      if (this.#isRefusedByPrimary(connection, run, relay.refusedAsWrite)) return;
    } else if (relay.refusedAsWrite !== undefined || isStale) {
      this.#runElsewhere(connection, run);
      return;
    }
    const { walker } = connection;
    const { changes } = relay;
    const prepares = run.statement.kind === 'prepare';
    const gaveRows = walker.ok === undefined && walker.error === undefined && !prepares;
    const countsRows = gaveRows && givesCountedRows(run);
    if (countsRows) kept.noteRows(connection);
    if (gaveRows || walker.rows > 0) this.#noteRead(connection, run);
    if (
      role === 'replica' &&
      countsRows &&
      changes.length === 0 &&
      run.route.to === 'replica' &&
      !opensReplicaTransaction(run)
    ) {
      session.readEnded(walker.rows);
      this.#finishing.finish(connection);
      return;
    }
    const before = session.state;
    const untold = session.end({
      role,
      // What is prepared has not run.
      classification: prepares ? { ...run.classification, pins: [], unpins: [] } : run.classification,
      status: walker.status,
      ok: walker.ok,
      insertsId: walker.insertsId,
      error: walker.error,
      warnings: walker.warnings,
      tellsCommits: tellsCommits(connection),
      rows: countsRows ? walker.rows : prepares ? undefined : this.#rowsTold(connection, run),
      changes,
      command: run.statement.kind === 'none' ? run.message.raw : undefined,
      prepares,
      text: session.wantsText(run.classification) ? textOf(run) : undefined,
    });
    if (untold !== undefined) session.freshness.wroteUntold(untold, Date.now());
    if (changes.length > 0 || session.state !== before) connection.state = session.state;
    if (role === 'replica') this.#transaction.note(connection, run, gaveRows);
    // A read that changed nothing leaves nothing to ask for.
    const asks = role === 'primary' || opensReplicaTransaction(run) || changes.length > 0;
    const question = asks ? unsettled(run, connection, session, changes) : undefined;
    recording?.ended(connection, run, question !== undefined);
    if (question === undefined) this.#finishing.finish(connection);
    else this.#settle(connection, run, question);
  }

  /** What FOUND_ROWS() is after a statement whose rows, if it gave any, do not count; undefined where that is as before. */
  #rowsTold(connection: ServerConnection, run: CommandRun): number | undefined {
    const { kept } = this.#context;
    const { ok, error, rows } = connection.walker;
    const text = textOf(run);
    if (error !== undefined || text === undefined) return undefined;
    const counted = rowsCountedBy(text, { ok, rows, mariadb: connection.flavour === MARIADB });
    // The connection has it as it is, if it had what was before.
    if (counted !== undefined && !kept.hasRows(connection)) kept.noteRows(undefined);
    return counted;
  }

  /** What the session reads next may have to be as new. */
  #noteRead({ node }: ServerConnection, run: CommandRun): void {
    const { state, session, cluster } = this.#context;
    // What asks for the statement before reads nothing.
    if (run.route.to === 'previous') return;
    const isPrimary = state.role === 'primary';
    let { position } = state;
    if (isPrimary || position === undefined) {
      const found = cluster.snapshot().nodes.find(({ address }) => address.name === node.name);
      if (found === undefined) return;
      position = cluster.positions.of(found);
    }
    // Where a transaction stays, nobody looked.
    const level = run.route.to === 'transaction' ? 'eventual' : levelOf(session, run.classification);
    session.freshness.readEnded(position, level, isPrimary, Date.now());
  }

  connectionLost(connection: ServerConnection, error: RwsplitError): void {
    const { state, session, kept, cluster, client, relay, recording } = this.#context;
    const { run } = state;
    if (state.connection !== connection || run === undefined) return;
    state.connection = undefined;
    const wasInTransaction = session.inTransaction || !session.autocommit;
    const isKept = connection === kept.primary;
    kept.discard(connection);
    // Whoever kills a client ends its connection: as on a server, nothing more is said.
    if (state.life === 'killed') return;
    const isInterrupted = state.stage === 'interrupted';
    if (!isInterrupted) cluster.lost(connection.node.name, error.message);
    const { forwarded } = relay;
    const streams = run.shape === 'stream';
    const { name } = connection.node;
    const isReplication = session.pins.has('replication');
    if (isKept && !isInterrupted && !streams && !forwarded) {
      if (recording?.connectionLost(name, run, state.wasSent ? 'unknown' : 'not-sent') === true) {
        // The transaction is run again on the next primary, or on this one when it is back; then the command.
        state.losses++;
        state.failed.add(name);
        this.#connecting.connect(run);
        return;
      }
    }
    const lost = isKept ? session.primaryLost() : 'nothing';
    const isUnknown = state.wasSent && !certainlyUncommitted(run);
    const mayRepeat = !isInterrupted && !streams && !forwarded && lost === 'nothing' && mayRunAgain(run, state);
    // Where many connections have died unnoticed, several in a row may be lost. A read that ends servers is to end itself.
    if (mayRepeat && ++state.losses <= DEFAULTS.lossesPerRead) {
      // What only reads and has had no answer may be asked again, elsewhere; and what was never sent.
      state.failed.add(name);
      this.#connecting.connect(run);
      return;
    }
    if (recording?.lost !== undefined) {
      // It was being run again, and was lost once more.
      recording.abandon();
      state.fail(isInterrupted ? interrupted() : transactionLost(name));
      return;
    }
    // In the middle of an answer an error cannot be told apart from data: the end of the connection can. A server ends a replica's
    // connection without a word, and whether its next command had been sent by then is chance.
    if (!forwarded && !isReplication) {
      const isCertain = isKept && lost !== 'state' && wasInTransaction && !isUnknown && !isInterrupted;
      state.fail(isCertain ? transactionLost(connection.node.name) : unknownOutcome(error));
    }
    if (lost === 'state' || forwarded || streams) client.end();
  }

  /** A binary log has ended, and with it what its connection was for. */
  #endSource(connection: ServerConnection): void {
    const { state, kept, client } = this.#context;
    state.connection = undefined;
    kept.discard(connection);
    state.done();
    client.end();
  }

  /** The replica did nothing, or does not have what the read has to see; the client has seen nothing of its answer. */
  #runElsewhere(connection: ServerConnection, run: CommandRun): void {
    const { state, session, kept, cluster, relay } = this.#context;
    const { refusedAsWrite } = relay;
    const isInterrupted = state.stage === 'interrupted';
    if (refusedAsWrite !== undefined && !isInterrupted) {
      state.run = rerunOnPrimary(run, refusedAsWrite, connection.node.name, session, cluster);
      state.route = state.run.route;
    }
    state.connection = undefined;
    if (connection !== kept.transaction) {
      if (opensReplicaTransaction(run)) endTransaction(connection, 'ROLLBACK');
      kept.release(connection);
    }
    if (isInterrupted) state.fail(interrupted());
    else if (refusedAsWrite !== undefined) this.#connecting.connectToPrimary();
    else this.#connecting.readOnPrimary('consistency');
  }

  /**
   * Who was the primary takes no writes. A single statement did nothing, and waits for the next primary; a transaction cannot be
   * committed any more.
   * @returns whether the client has had, or will have, its answer
   */
  #isRefusedByPrimary(connection: ServerConnection, run: CommandRun, error: ErrPacket): boolean {
    const { state, session, kept, recording } = this.#context;
    const { reason } = run.classification;
    const isWhole = session.pins.size === 0 && !IN_PARTS.has(reason);
    if (!isWhole || run.statement.kind === 'prepare' || state.stage === 'interrupted') {
      // A part of it may have been done.
      state.writeError(error);
      return false;
    }
    const wasInTransaction = session.inTransaction;
    const { name } = connection.node;
    state.connection = undefined;
    const isKept = connection === kept.primary;
    kept.discard(connection);
    if (isKept && recording?.connectionLost(name, run, 'refused') === true) {
      this.#connecting.refusedByPrimary(name, error);
      return true;
    }
    if (isKept) session.primaryLost();
    if (wasInTransaction) state.fail(transactionLost(connection.node.name));
    else this.#connecting.refusedByPrimary(connection.node.name, error);
    return true;
  }

  /** Asks the server what the session is in, before the command is over. */
  #settle(connection: ServerConnection, run: CommandRun, question: Question): void {
    const { state, session, kept, relay } = this.#context;
    state.stage = 'settling';
    if (run.resets && connection.walker.error === undefined) {
      connection.prepared.clear();
      connection.state = resetState(connection.state);
      connection.isTainted ||= session.mayOutliveReset;
      session.reset(connection.walker.status ?? 0);
      relay.reset();
    }
    const reply = new SwallowedReply(
      ({ changes, status, error }) => {
        if (state.connection !== connection) return;
        if (error?.errno === ER_QUERY_INTERRUPTED) {
          // A KILL that came too late for the statement has hit the question.
          this.#settle(connection, run, question);
          return;
        }
        session.learn(state.role, changes, status);
        connection.state = session.state;
        if (state.role === 'replica') this.#transaction.note(connection, run, false);
        this.#finishing.finish(connection);
      },
      // The statement has had its answer: where it matters, the next one is told that the session is gone.
      () => {
        if (state.connection !== connection) return;
        state.connection = undefined;
        kept.discard(connection);
        if (state.role === 'primary') this.#finishing.primaryLost(connection);
        state.done();
      },
    );
    connection.send(question.framed, question.shape, 1, reply);
  }
}

/** The statement may have been executed, and what tells that is gone. */
function unknownOutcome({ code, message }: RwsplitError): RwsplitError {
  return new RwsplitError(
    code,
    `${message}; whether the statement was executed is not known, so it was not sent again`,
  );
}

/** A server may have done a part of these before it refuses the next one. */
const IN_PARTS: ReadonlySet<string> = new Set(['procedure-call', 'stored-function', 'multi-statement']);

/** Where it was under way in a transaction, that was not committed. */
function certainlyUncommitted({ classification, statement }: CommandRun): boolean {
  return statement.kind === 'prepare' || WITHIN_TRANSACTION.has(classification.reason);
}

/** It was not executed, or leaves nothing where it was. */
function mayRunAgain(run: CommandRun, { role, wasSent }: RunState): boolean {
  return !wasSent || onlyReads(run, role) || run.classification.transaction === 'opens';
}
