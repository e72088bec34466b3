import { isRepeatable } from '../../src/classify/repeatable.js';
import { Command } from '../../src/protocol/commands.js';
import { ResultDigest } from '../../src/protocol/result-digest.js';
import type { SessionChange } from '../../src/protocol/session-changes.js';
import type { ServerConnection } from '../../src/runtime/server-connection.js';
import type { Session } from '../../src/session/session.js';
import type { CommandRun } from '../command-run.js';
import { opensCursor } from '../execute.js';
import { insertIdIn } from '../run/prelude.js';
import type { Relay } from '../run/relay.js';
import type { RunState } from '../run/run-state.js';
import { mayEndTransaction } from '../run/settle.js';
import { commandByte, leavesNothing, recordedOf } from './recorded-command.js';
import type { ReplaySettings } from './replay-settings.js';
import { TransactionRecord, type Beginning } from './transaction-record.js';

/** What became of a command whose connection is lost: `refused` by a server that takes no writes, which did nothing. */
export type Fate = 'not-sent' | 'refused' | 'unknown';

/** A transaction that was lost with its connection, and is to be run again before anything else. */
export interface LostTransaction {
  readonly record: TransactionRecord;
  /** The node with which it was lost. */
  readonly node: string;
  /** A write of it was under way: what that did to tables without transactions, if anything, is done. */
  readonly wrote: boolean;
}

/**
 * Keeps what it takes to run a session's open transaction again, where its connection to the primary is lost before a COMMIT was
 * sent. Such a transaction has come to nothing, whatever was under way in it: its server ends it with its connection.
 *
 * ```
 *  none ──► recorded ── its connection is lost ──► lost ── run again, every result the same ──► recorded
 *    ▲         └── its end; what cannot be said again; no room       └── abandon(): the client is told
 *    └──────────────────────────┴────────────────────────────────────────────┘
 * ```
 */
export class Recording {
  readonly #settings: ReplaySettings;
  readonly #session: Session;
  readonly #state: RunState;
  readonly #relay: Relay;
  #record: TransactionRecord | undefined;
  #lost: LostTransaction | undefined;
  /** Of the transaction that the command under way may begin. */
  #beginning: Beginning | undefined;

  constructor(settings: ReplaySettings, session: Session, state: RunState, relay: Relay) {
    this.#settings = settings;
    this.#session = session;
    this.#state = state;
    this.#relay = relay;
  }

  get lost(): LostTransaction | undefined {
    return this.#lost;
  }

  /** A command is about to be sent. @returns what is to take its result, where that may be compared one day */
  expects(run: CommandRun): ResultDigest | undefined {
    this.#beginning = undefined;
    if (this.#state.role !== 'primary') return undefined;
    const { inTransaction, autocommit } = this.#session;
    if (opens(run) || (!inTransaction && !autocommit)) this.#beginning = this.#beginningNow();
    else if (this.#record === undefined || leavesNothing(run)) return undefined;
    return new ResultDigest();
  }

  #beginningNow(): Beginning | undefined {
    const { state, nextTransaction, holds, lastInsertId } = this.#session;
    if (!nextTransaction.certain) return undefined;
    const insertId = holds.has('last-insert-id') ? undefined : (lastInsertId ?? '0');
    return { state, asked: nextTransaction.commands, insertId };
  }

  /** Whether LAST_INSERT_ID() is to be asked for first: the command begins a transaction, which may read it. */
  asksInsertId(run: CommandRun): boolean {
    return this.#beginning !== undefined && this.#beginning.insertId === undefined && opens(run);
  }

  /** @param changes with which the server told LAST_INSERT_ID() */
  insertIdTold(changes: readonly SessionChange[]): void {
    if (this.#beginning !== undefined) this.#beginning.insertId = insertIdIn(changes);
  }

  /**
   * A command has had its answer, and the session knows of it.
   * @param wasAsked something had to be asked to know the session: that is not told by its answer
   */
  ended(connection: ServerConnection, run: CommandRun, wasAsked: boolean): void {
    const beginning = this.#beginning;
    this.#beginning = undefined;
    if (!this.#session.inTransaction || run.resets) {
      this.#drop();
      return;
    }
    const { error } = connection.walker;
    if (beginning !== undefined) {
      this.#drop();
      if (error === undefined) this.#record = new TransactionRecord(beginning, this.#settings);
    }
    const record = this.#record;
    if (record === undefined || leavesNothing(run)) return;
    const ends = (error !== undefined && mayEndTransaction(error)) || this.#relay.askedFile || wasAsked;
    const isFirst = beginning !== undefined && opens(run);
    const isSound = isFirst || (this.#isRepeatable(run) && !committed(connection, this.#relay.changes));
    const digest = ends || !isSound ? undefined : this.#relay.content?.finish(connection.walker);
    const insertId = connection.walker.ok?.lastInsertId ?? 0n;
    const command = digest === undefined ? undefined : recordedOf(run, digest, insertId);
    if (command === undefined || !record.add(command)) this.#drop();
  }

  /**
   * The primary connection that was kept is gone.
   * @param run the command under way, if there is one
   * @returns whether the open transaction is to be run again, and the command after it; else it is lost for good
   */
  connectionLost(node: string, run: CommandRun | undefined, fate: Fate): boolean {
    if (this.#session.primaryLoss === 'state' || (run !== undefined && !this.#mayRun(run, fate))) {
      this.#drop();
      return false;
    }
    const record = this.#record ?? this.#emptyRecord();
    if (record === undefined) return false;
    if (record.beginning.insertId === undefined)
      this.#session.insertIdLost ||= this.#session.holds.has('last-insert-id');
    this.#record = record;
    this.#lost = { record, node, wrote: fate === 'unknown' && run !== undefined && writes(run) };
    return true;
  }

  /** With `autocommit` off, a first statement that was under way has a transaction of its own. */
  #emptyRecord(): TransactionRecord | undefined {
    const { inTransaction, autocommit } = this.#session;
    if (inTransaction || autocommit || this.#beginning === undefined) return undefined;
    return new TransactionRecord(this.#beginning, this.#settings);
  }

  /** Whether a command may run after the transaction was run again, given how far it came before. */
  #mayRun(run: CommandRun, fate: Fate): boolean {
    switch (fate) {
      case 'not-sent':
        return true;
      case 'refused':
        // A server that takes no writes has not committed either.
        return run.classification.transaction === 'within' || this.#isRepeatable(run);
      case 'unknown':
        return !this.#relay.askedFile && (leavesNothing(run) || this.#isRepeatable(run));
    }
  }

  /** It was run again, with the same results. */
  replayed(): void {
    this.#lost = undefined;
  }

  /** It is not to be run again: nothing of it was committed. */
  abandon(): void {
    this.#drop();
    this.#session.primaryLost();
  }

  /** The session is over. */
  end(): void {
    this.#drop();
  }

  #drop(): void {
    this.#record?.drop();
    this.#record = undefined;
    this.#lost = undefined;
  }

  #isRepeatable(run: CommandRun): boolean {
    const { classification, statement, message, textStart } = run;
    if (classification.reason === 'last-insert-id' && !this.#knowsInsertId) return false;
    if (commandByte(run) === Command.INIT_DB) return true;
    const { lexMode } = this.#session;
    if (statement.kind === 'execute') {
      if (statement.statement.bound || opensCursor(message)) return false;
      return isRepeatable(classification, statement.statement.sql, 0, lexMode);
    }
    return textStart !== undefined && isRepeatable(classification, message.body, textStart, lexMode);
  }

  get #knowsInsertId(): boolean {
    return (this.#record?.beginning ?? this.#beginning)?.insertId !== undefined;
  }
}

function opens({ classification: { transaction } }: CommandRun): boolean {
  return transaction === 'opens' || transaction === 'opens-read-only' || transaction === 'opens-read-write';
}

function writes({ classification: { reason } }: CommandRun): boolean {
  return reason === 'write' || reason === 'last-insert-id';
}

/** Something was committed although the transaction is open: in a table without transactions, for one. */
function committed({ flavour }: ServerConnection, changes: readonly SessionChange[]): boolean {
  return changes.some((change) => flavour.commitsOf(change) !== undefined);
}
