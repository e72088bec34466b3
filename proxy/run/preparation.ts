import { RwsplitError } from '../../src/errors.js';
import { Command } from '../../src/protocol/commands.js';
import { levelOf } from '../../src/routing/route.js';
import { frameCommand, type ServerConnection } from '../../src/runtime/server-connection.js';
import { SwallowedReply, type Swallowed } from '../../src/runtime/swallowed-reply.js';
import type { Consistency } from '../../src/session/consistency.js';
import { restoreState, type SessionState } from '../../src/session/session-state.js';
import type { Session } from '../../src/session/session.js';
import type { CommandRun } from '../command-run.js';
import type { KeptConnections } from './kept-connections.js';
import type { Kills } from './kills.js';
import { CLEAR, giveRows, prelude, setInsertId, TELL_INSERT_ID } from './prelude.js';
import type { Relay, RelayEnd } from './relay.js';
import type { RunState } from './run-state.js';
import type { Cluster, RunnerContext } from './runner-context.js';

const COUNT_OLD_WARNINGS: ReadonlySet<number> = new Set([
  Command.INIT_DB,
  Command.FIELD_LIST,
  Command.DEBUG,
  Command.SET_OPTION,
]);

/**
 * Writes what has to come before a session's command on a connection that was another session's before, without waiting for
 * answers. All replies are swallowed; where one is an error, the answer behind it is dropped: it is not the session's.
 */
export class Preparation {
  readonly #state: RunState;
  readonly #session: Session;
  readonly #kept: KeptConnections;
  readonly #relay: Relay;
  readonly #cluster: Cluster;
  readonly #kills: Kills;
  readonly #end: RelayEnd;
  #failure: RwsplitError | undefined;
  #isStale = false;

  constructor({ state, session, kept, relay, cluster, end }: RunnerContext, kills: Kills) {
    this.#state = state;
    this.#session = session;
    this.#kept = kept;
    this.#relay = relay;
    this.#cluster = cluster;
    this.#kills = kills;
    this.#end = end;
  }

  /** Why the connection is not in the session's state. */
  get failure(): RwsplitError | undefined {
    return this.#failure;
  }

  /** The replica does not have what the read has to see. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** A command starts on a connection. */
  begin(): void {
    this.#failure = undefined;
    this.#isStale = false;
  }

  /** Writes what brings the connection to `state`. */
  restore(connection: ServerConnection, state: SessionState): 'same' | 'restoring' | 'unfit' {
    if (connection.state === state) return 'same';
    if (connection.state.key === state.key) {
      // From now on the comparison above is enough.
      connection.state = state;
      return 'same';
    }
    const restore = restoreState(connection.state, state, connection.baseline);
    if (restore.kind === 'unfit') return 'unfit';
    connection.cork();
    if (restore.schema !== undefined) {
      const initDb = frameCommand(Command.INIT_DB, Buffer.from(restore.schema, 'utf8'));
      connection.send(initDb, 'ok', 1, this.swallow(connection));
    }
    for (const sql of restore.statements) {
      connection.send(connection.frameQuery(sql), 'result', 1, this.swallow(connection));
    }
    connection.state = state;
    return 'restoring';
  }

  /** Writes the session's own commands again. @param shape of each answer */
  repeat(connection: ServerConnection, commands: readonly Buffer[], shape: 'ok' | 'result'): void {
    connection.cork();
    for (const command of commands) connection.send(command, shape, 1, this.swallow(connection));
  }

  /** Writes what has to stand right in front of a command, whatever the connection's state. */
  precede(connection: ServerConnection, run: CommandRun): void {
    this.#answerForPrevious(connection, run);
    // Whether it changes FOUND_ROWS(), its answer does not tell.
    if (run.classification.reason === 'procedure-call' && !this.#kept.hasRows(connection)) this.#bringRows(connection);
    const { role, waits } = this.#state;
    const needsFreshness = run.route.to === 'replica' || (run.route.to === 'transaction' && waits !== undefined);
    if (role === 'replica' && needsFreshness && run.shape !== 'stream') {
      this.#awaitFreshness(connection, levelOf(this.#session, run.classification));
    }
    this.#tellNextTransaction(connection);
  }

  /** Asks what LAST_INSERT_ID() is. @param told called in any case */
  askInsertId(connection: ServerConnection, told: (swallowed: Swallowed) => void): void {
    const reply = this.swallow(connection, undefined, told);
    connection.send(connection.frameQuery(TELL_INSERT_ID), 'result', 1, reply);
  }

  /**
   * Takes the reply to a command of ours; an error means that the connection is not in the session's state.
   * @param then called while the client's command is under way there; `always`, in any case
   */
  swallow(
    connection: ServerConnection,
    then?: (swallowed: Swallowed) => void,
    always?: (swallowed: Swallowed) => void,
  ): SwallowedReply {
    return new SwallowedReply(
      (swallowed) => {
        const { error } = swallowed;
        if (error !== undefined) {
          const what = `the session's state could not be set on ${connection.node.name}: ${error.message} (${error.errno})`;
          this.#failure ??= new RwsplitError('state-not-restored', what);
          this.#relay.dropped = true;
          this.#kills.missed(connection, error);
        }
        if (this.#state.connection === connection) then?.(swallowed);
        always?.(swallowed);
      },
      (error) => this.#end.connectionLost(connection, error),
    );
  }

  /** Writes what makes the connection answer questions about earlier statements as if the session's own had run there. */
  #answerForPrevious(connection: ServerConnection, run: CommandRun): void {
    const session = this.#session;
    const { lastInsertId } = session;
    const restoresId = this.#state.role === 'primary' && lastInsertId !== undefined;
    const { reason } = run.classification;
    // After an error, what was asked to know the session better has made ROW_COUNT() 0.
    const spoilt =
      (reason === 'row-count' && session.rowCountIsUnset) ||
      (reason === 'found-rows' && !this.#kept.hasRows(connection));
    const asIs = this.#kept.ranPrevious(connection) && !spoilt;
    // Whatever warnings another session left there are none of this one.
    const warned = countsOldWarnings(run) && !this.#kept.has(connection);
    const statements = warned ? [CLEAR] : asIs ? [] : prelude(reason, session);
    if (statements.length === 0 && !connection.insertIdLeft && !restoresId) return;
    connection.cork();
    const insertId = restoresId ? [setInsertId(lastInsertId)] : connection.insertIdLeft ? [setInsertId('0')] : [];
    for (const sql of [...insertId, ...statements]) {
      connection.send(connection.frameQuery(sql), 'result', 1, this.swallow(connection));
    }
    connection.insertIdLeft = false;
    // FOUND_ROWS() is 1 after it.
    if (statements.includes(CLEAR) && this.#kept.hasRows(connection)) this.#kept.noteRows(undefined);
    if (!restoresId) return;
    session.lastInsertId = undefined;
    session.holds.add('last-insert-id');
  }

  /** Writes what makes FOUND_ROWS() the session's. Nothing is lost with it that would be worth the statement behind it. */
  #bringRows(connection: ServerConnection): void {
    const reply = new SwallowedReply(
      ({ error }) => {
        if (error !== undefined) this.#kills.missed(connection, error);
      },
      (error) => this.#end.connectionLost(connection, error),
    );
    connection.cork();
    connection.send(connection.frameQuery(giveRows(this.#session.foundRows)), 'result', 1, reply);
    this.#kept.noteRows(connection);
  }

  /** Writes what makes a replica wait until it has what the read has to see, unless it is known to have it. */
  #awaitFreshness(connection: ServerConnection, level: Consistency): void {
    const { position, waits } = this.#state;
    const { waits: counts, consistencyWaitMs } = this.#cluster;
    if (waits === undefined || position === undefined) {
      counts.didNotWait(level);
      return;
    }
    const { freshness } = this.#session;
    const since = performance.now();
    const reply = new SwallowedReply(
      ({ error }) => {
        if (error === undefined) {
          counts.waited(level, performance.now() - since);
          position.proved(waits.for, Date.now());
          freshness.seen(position, waits.own, waits.all);
        } else {
          counts.timedOut(level);
          position.isLate = true;
          this.#isStale = true;
          this.#relay.dropped = true;
          this.#kills.missed(connection, error);
        }
      },
      (error) => this.#end.connectionLost(connection, error),
    );
    connection.cork();
    const wait = connection.flavour.awaitGtids(waits.for.toString(), consistencyWaitMs);
    connection.send(connection.frameQuery(wait), 'result', 1, reply);
  }

  /** Writes what the client has told another connection of its next transaction. */
  #tellNextTransaction(connection: ServerConnection): void {
    const { nextTransaction, pins, inTransaction } = this.#session;
    if (nextTransaction.commands.length === 0 || inTransaction || pins.has('next-transaction')) return;
    this.repeat(connection, nextTransaction.commands, 'result');
  }
}

/** Its OK counts the warnings of the statement before it, and does not end them. */
function countsOldWarnings({ message: { body, start } }: CommandRun): boolean {
  return COUNT_OLD_WARNINGS.has(body[start] ?? 0);
}
