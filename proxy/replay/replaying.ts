import { Command } from '../../src/protocol/commands.js';
import { ResultDigest } from '../../src/protocol/result-digest.js';
import { ServerStatus } from '../../src/protocol/server-status.js';
import { frameCommand, type ServerConnection } from '../../src/runtime/server-connection.js';
import { SwallowedReply } from '../../src/runtime/swallowed-reply.js';
import { preparationState, type SessionState } from '../../src/session/session-state.js';
import { keyOnServer, type ClientStatement } from '../client-statement.js';
import { executeOn, findPrepared } from '../execute.js';
import { insertIdIn, setInsertId } from '../run/prelude.js';
import type { Preparation } from '../run/preparation.js';
import type { RunnerContext } from '../run/runner-context.js';
import type { RecordedCommand } from './recorded-command.js';
import type { LostTransaction } from './recording.js';

/** How a replay came out; all but the first two are why the transaction is lost for good. */
export type ReplayOutcome =
  | 'same'
  /** The connection cannot take the session's state; nothing was run there. */
  | 'unfit'
  | 'interrupted'
  | 'other-result'
  | 'other-state'
  /** There are tables without transactions, in which a write that was under way may have been done. */
  | 'no-transactions';

/** Nobody else's. */
const SAVEPOINT = 'rwsplit_replay';

/** What clients are told of a transaction that could not be run again. */
export const WHY_NOT: Readonly<Record<Exclude<ReplayOutcome, 'same' | 'unfit' | 'interrupted'>, string>> = {
  'other-result': 'a statement had another result',
  'other-state': "the session's state is another one there",
  'no-transactions': 'a write was under way, and there are tables without transactions',
};

/** A row where some table keeps what a transaction that came to nothing has written there. Triggers write to others than are named. */
const WITHOUT_TRANSACTIONS =
  'SELECT 1 FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE=t.ENGINE ' +
  "WHERE t.TABLE_TYPE='BASE TABLE' AND COALESCE(e.TRANSACTIONS,'NO')<>'YES' AND t.TABLE_SCHEMA NOT IN " +
  "('mysql','sys','performance_schema','information_schema') LIMIT 1";

/**
 * Runs a lost transaction again on another connection, one command after the other, as long as each has the result that it had:
 *
 * ```
 *  [tables without transactions?] ──► state at its beginning ──► [prepare] ──► command ──► same result? ──► the next …
 * ```
 *
 * Nothing of it is committed there: whatever goes wrong, the connection is ended, and with it all that was done.
 */
export class Replaying {
  readonly #context: RunnerContext;
  readonly #preparation: Preparation;
  readonly #queryAttributes: boolean;
  readonly #connection: ServerConnection;
  readonly #lost: LostTransaction;
  readonly #then: (outcome: ReplayOutcome) => void;
  /** As the transaction's commands have left it. */
  #state: SessionState;
  #isOpen = false;
  /** LAST_INSERT_ID() before the statement that is run. */
  #idBefore = '0';

  /** @param then called unless the connection is lost, or the session ends */
  constructor(
    context: RunnerContext,
    preparation: Preparation,
    queryAttributes: boolean,
    connection: ServerConnection,
    lost: LostTransaction,
    then: (outcome: ReplayOutcome) => void,
  ) {
    this.#context = context;
    this.#preparation = preparation;
    this.#queryAttributes = queryAttributes;
    this.#connection = connection;
    this.#lost = lost;
    this.#then = then;
    this.#state = lost.record.beginning.state;
  }

  begin(): void {
    this.#preparation.begin();
    if (!this.#lost.wrote) {
      this.#restore();
      return;
    }
    const connection = this.#connection;
    this.#send(connection.frameQuery(WITHOUT_TRANSACTIONS), () => {
      const { error, rows } = connection.walker;
      if (error !== undefined || rows > 0) this.#end('no-transactions');
      else this.#restore();
    });
  }

  /** Brings the connection to what the session was in when the transaction began. */
  #restore(): void {
    const { asked, insertId } = this.#lost.record.beginning;
    const connection = this.#connection;
    // What was asked there may have begun a transaction.
    if (this.#lost.wrote) this.#write('ROLLBACK');
    if (this.#preparation.restore(connection, this.#state) === 'unfit') {
      connection.uncork();
      this.#end('unfit');
      return;
    }
    const setsId = connection.insertIdLeft || (insertId ?? '0') !== '0';
    connection.insertIdLeft = false;
    const commands = setsId ? [connection.frameQuery(setInsertId(insertId ?? '0')), ...asked] : asked;
    this.#preparation.repeat(connection, commands, 'result');
    // What was written without waiting has its answer first.
    if (this.#lost.record.commands.length > 0) this.#run(0);
    else this.#send(frameCommand(Command.PING, Buffer.alloc(0)), () => this.#run(0), 'ok');
  }

  /** @param setsInsertId the statement is run once more, with the insert id that it had */
  #run(at: number, setsInsertId = false): void {
    const command = this.#lost.record.commands[at];
    if (command === undefined) {
      this.#end(this.#comparedState());
      return;
    }
    const { message, shape, statement, digest, insertId } = command;
    const connection = this.#connection;
    const again = (sets: boolean): void => this.#run(at, sets);
    const framed =
      statement === undefined ? message.raw : this.#executable(command, statement, () => again(setsInsertId));
    if (framed === undefined) return;
    if (insertId !== 0n && setsInsertId) this.#write(`SET insert_id=${insertId}`);
    else if (insertId !== 0n) this.#makeSafe();
    const content = new ResultDigest();
    const reply = new SwallowedReply(
      ({ changes, status }) => {
        if (this.#isOver) return;
        // No error tells.
        if (status !== undefined) this.#isOpen = (status & ServerStatus.IN_TRANS) !== 0;
        const isSame = content.finish(connection.walker) === digest;
        const hasId = (connection.walker.ok?.lastInsertId ?? 0n) === insertId;
        if (!isSame || (!hasId && (setsInsertId || insertId === 0n))) {
          this.#end('other-result');
        } else if (hasId) {
          this.#state = this.#context.session.stateAfter(this.#state, changes);
          connection.state = this.#state;
          this.#run(at + 1);
        } else {
          // Other transactions have taken numbers meanwhile: that the server gives one is certain now.
          this.#write(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`);
          this.#write(setInsertId(this.#idBefore));
          again(true);
        }
      },
      (error) => this.#context.end.connectionLost(connection, error),
      content,
    );
    connection.send(framed, shape, message.nextSequenceId, reply);
    connection.uncork();
  }

  /** Writes what lets the next statement be undone; no savepoint keeps LAST_INSERT_ID(). */
  #makeSafe(): void {
    this.#write(`SAVEPOINT ${SAVEPOINT}`);
    this.#preparation.askInsertId(this.#connection, ({ changes }) => {
      this.#idBefore = insertIdIn(changes) ?? '0';
    });
  }

  /** Writes a statement of ours, whose answer is looked at with the next one's. */
  #write(sql: string): void {
    this.#preparation.repeat(this.#connection, [this.#connection.frameQuery(sql)], 'result');
  }

  /** @returns undefined where it has to be prepared first; `then` follows */
  #executable({ message }: RecordedCommand, statement: ClientStatement, then: () => void): Buffer | undefined {
    const connection = this.#connection;
    const server = findPrepared(connection.prepared, statement);
    if (server !== undefined) {
      // Its names were resolved when it was prepared; what it does depends on the session.
      if (this.#preparation.restore(connection, this.#state) !== 'unfit') {
        return executeOn(message, statement, server, this.#queryAttributes);
      }
    } else if (this.#preparation.restore(connection, preparationState(statement.state, this.#state)) !== 'unfit') {
      this.#prepare(statement, then);
      return undefined;
    }
    connection.uncork();
    this.#end('other-state');
    return undefined;
  }

  #prepare(statement: ClientStatement, then: () => void): void {
    const connection = this.#connection;
    const reply = new SwallowedReply(
      ({ prepared }) => {
        if (this.#isOver) return;
        if (prepared === undefined) this.#end('other-result');
        else {
          connection.addPrepared(keyOnServer(statement), prepared.statementId, statement);
          then();
        }
      },
      (error) => this.#context.end.connectionLost(connection, error),
    );
    connection.send(frameCommand(Command.STMT_PREPARE, statement.sql), 'prepare', 1, reply);
    connection.uncork();
  }

  #comparedState(): ReplayOutcome {
    const { session } = this.#context;
    return this.#state.key === session.state.key && this.#isOpen === session.inTransaction ? 'same' : 'other-state';
  }

  #send(framed: Buffer, then: () => void, shape: 'ok' | 'result' = 'result'): void {
    const connection = this.#connection;
    const reply = new SwallowedReply(
      () => {
        if (!this.#isOver) then();
      },
      (error) => this.#context.end.connectionLost(connection, error),
    );
    connection.send(framed, shape, 1, reply);
    connection.uncork();
  }

  /** Whether it need not go on: a KILL has come, the client is gone, or what was written without waiting has failed. */
  get #isOver(): boolean {
    const { state } = this.#context;
    if (state.connection !== this.#connection) return true;
    if (state.stage === 'interrupted') this.#end('interrupted');
    else if (this.#preparation.failure !== undefined) this.#end('other-state');
    else return false;
    return true;
  }

  #end(outcome: ReplayOutcome): void {
    this.#then(outcome);
  }
}
