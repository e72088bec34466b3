import type { Classification } from '../../src/classify/classification.js';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import type { PrimaryLoss } from '../../src/session/session.js';
import type { Cluster } from '../cluster/cluster.js';
import { endsByRollback, notSent, sessionLost, transactionLost, withRoute, type RouteTaken } from '../errors.js';
import type { CoreCommand, QueryError } from '../mysql2/internals.js';
import type { Call } from '../route/call.js';
import type { RoutedConnection } from '../session/routed-connection.js';
import type { ServerSession } from '../session/server-session.js';

/** Statements that end no transaction, whatever they say. */
const WITHIN_TRANSACTION: ReadonlySet<string> = new Set(['read', 'hint-replica', 'write', 'locking-read']);
/** Whatever became of these, a session without a transaction is in the state that it was in. */
const LEAVES_STATE: ReadonlySet<string> = new Set([...WITHIN_TRANSACTION, 'ddl', 'hint-primary', 'hint-node', 'rule']);
const ENDS_TRANSACTION = /^\s*(?:commit|rollback)(?:\s+work)?\s*;?\s*$/i;

/** A statement that was put into the queue of a connection. */
export interface Attempt {
  readonly known: KnownStatement;
  readonly call: Call;
  readonly connection: RoutedConnection;
  readonly taken: RouteTaken;
  /** Among all commands of the session. */
  readonly order: number;
  /** Undefined before it was put there. */
  command?: CoreCommand;
}

/** The session whose commands they are. */
export interface LossHost {
  readonly home: RoutedConnection;
  /** @returns what went with the connection of the session */
  leave(): PrimaryLoss;
  /** A statement without a callback that was sent there; nobody is told of its loss before the others are. */
  silent(connection: RoutedConnection): { readonly known: KnownStatement; readonly sql: string } | undefined;
  refuse(known: KnownStatement, call: Call, error: QueryError): void;
  /** Runs it where the session goes on. */
  enter(known: KnownStatement, call: Call): void;
}

interface Loss {
  readonly server: ServerSession;
  readonly lost: PrimaryLoss;
  readonly wasInTransaction: boolean;
  /** What those are told that had not been sent; undefined where they go on. */
  readonly refusal: ((sql: string, error: QueryError) => QueryError) | undefined;
}

/**
 * What becomes of a session's commands when their connection is lost. mysql2 sends one at a time: only the first may have been
 * executed, the others wait in its queue, and have been sent to nobody.
 *
 * ```
 *  in flight ── a read that needs nothing of the session, or in a transaction ──► runs elsewhere, or 1213
 *     │    └─── else ─────────────────────────────────────────────────────────► unknown
 *  queued ───── nothing of what they build on went with it ────────────────────► go on, in their order
 *          └─── else ─────────────────────────────────────────────────────────► not executed
 * ```
 */
export class LostCommands {
  readonly #cluster: Cluster;
  readonly #host: LossHost;
  #loss: Loss | undefined;
  #stranded: { readonly order: number; readonly go: () => void }[] = [];

  constructor(cluster: Cluster, host: LossHost) {
    this.#cluster = cluster;
    this.#host = host;
  }

  /** @returns whether the application is told otherwise */
  lost(attempt: Attempt, error: QueryError, isSent: boolean): boolean {
    const { known, call, connection, taken } = attempt;
    const { server } = connection;
    this.#cluster.failed(server.node.name, error);
    server.isGone = true;
    const isFirst = this.#loss?.server !== server;
    const loss = this.#lossOf(connection, isSent ? { known, sql: call.sql } : this.#host.silent(connection));
    if (!isSent) {
      this.#goesOn(attempt, loss, error);
      return true;
    }
    const { reason, target } = known.classification;
    if (isFirst && loss.lost === 'nothing' && !loss.wasInTransaction && target === 'replica') {
      this.strand(attempt.order, () => this.#host.enter(known, call));
      return true;
    }
    if (isFirst && loss.lost !== 'state' && loss.wasInTransaction && WITHIN_TRANSACTION.has(reason)) {
      this.#host.refuse(known, call, transactionLost(server.node.name, call.sql));
      return true;
    }
    withRoute(error, taken, 'unknown');
    return false;
  }

  /** They go on in their order, as soon as all have been told. */
  strand(order: number, go: () => void): void {
    this.#stranded.push({ order, go });
    if (this.#stranded.length > 1) return;
    process.nextTick(() => {
      const stranded = this.#stranded.sort((a, b) => a.order - b.order);
      this.#stranded = [];
      for (const { go } of stranded) go();
    });
  }

  #goesOn({ known, call, order }: Attempt, { refusal }: Loss, error: QueryError): void {
    if (refusal === undefined || endsByRollback(known, call.sql)) {
      this.strand(order, () => this.#host.enter(known, call));
    } else this.#host.refuse(known, call, refusal(call.sql, error));
  }

  #lossOf(connection: RoutedConnection, flight: { known: KnownStatement; sql: string } | undefined): Loss {
    const { server } = connection;
    if (this.#loss?.server === server) return this.#loss;
    const { session } = server;
    const wasInTransaction = session.inTransaction || !session.autocommit;
    // The session may have gone on already, without what is told last.
    const lost = connection === this.#host.home ? this.#host.leave() : 'nothing';
    const writes = flight !== undefined && flight.known.classification.target !== 'replica';
    if (writes) {
      // Whoever asks next for what it left is not to be told what another connection has.
      session.insertIdLost = true;
      session.previousLost = { rowCount: true, diagnostics: true };
    }
    const refusal = refusalOf(server.node.name, lost, wasInTransaction, flight);
    this.#loss = { server, lost, wasInTransaction, refusal };
    return this.#loss;
  }
}

function refusalOf(
  node: string,
  lost: PrimaryLoss,
  wasInTransaction: boolean,
  flight: { known: KnownStatement; sql: string } | undefined,
): Loss['refusal'] {
  if (lost === 'state') return (sql) => sessionLost(node, sql);
  const { classification } = flight?.known ?? {};
  if (wasInTransaction) {
    if (classification === undefined || WITHIN_TRANSACTION.has(classification.reason)) {
      return (sql) => transactionLost(node, sql);
    }
    // However that came out, the transaction is over.
    return ENDS_TRANSACTION.test(flight?.sql ?? '') ? undefined : (sql, error) => notSent(error, sql);
  }
  if (classification === undefined || leavesState(classification)) return undefined;
  return (sql, error) => notSent(error, sql);
}

function leavesState({ reason, pins, transaction }: Classification): boolean {
  return LEAVES_STATE.has(reason) && pins.length === 0 && transaction === undefined;
}
