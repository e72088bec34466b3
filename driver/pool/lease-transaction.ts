import type { KnownStatement } from '../../src/classify/known-statement.js';
import type { RouteReason } from '../../src/routing/route.js';
import type { Cluster } from '../cluster/cluster.js';
import { noPrimary } from '../errors.js';
import type { QueryError } from '../mysql2/internals.js';
import type { Call } from '../route/call.js';
import { ReadRun, type Reader } from '../route/read-run.js';
import type { RoutedConnection } from '../session/routed-connection.js';
import { ReadOnlyTransaction } from './read-only-transaction.js';

/** The lease whose session it is. */
export interface TransactionHost {
  isOfPrimary(): boolean;
  /** The application has given the connection back. */
  isOver(): boolean;
  /** What comes on the connection has to wait. */
  goesElsewhere(): void;
  /** @param first what comes before all that has waited */
  back(first?: () => void): void;
  /** @param reason the route's own when absent */
  onPrimary(known: KnownStatement, call: Call, reason?: RouteReason): void;
  place(known: KnownStatement, call: Call): void;
  /** What is left on the replica's connection may be asked for next. */
  keep(connection: RoutedConnection): void;
}

/**
 * The read-only transaction that a session has open on a replica, if it has:
 *
 * ```
 *  START TRANSACTION READ ONLY ──► a replica ── a read, COMMIT ──────────────► the same connection
 *                                     └──────── a write, a lock, a ping … ───► the session's own, opened anew there
 * ```
 */
export class LeaseTransaction {
  readonly #cluster: Cluster;
  readonly #home: () => RoutedConnection;
  readonly #host: TransactionHost;
  #opening: RoutedConnection | undefined;
  #current: ReadOnlyTransaction | undefined;

  /** @param home the session's connection: another one, when the primary is another one */
  constructor(cluster: Cluster, home: () => RoutedConnection, host: TransactionHost) {
    this.#cluster = cluster;
    this.#home = home;
    this.#host = host;
  }

  get isOpen(): boolean {
    return this.#current !== undefined;
  }

  /** Where it is open, or being opened. */
  get connection(): RoutedConnection | undefined {
    return this.#opening ?? this.#current?.connection;
  }

  open(known: KnownStatement, call: Call): void {
    this.#host.goesElsewhere();
    const { session } = this.#home().server;
    const before = session.nextTransaction.commands;
    const reader: Reader = {
      wanted: () => session,
      before: before.map((command) => command.toString('utf8')),
      runs: (connection) => {
        this.#opening = connection;
      },
      ended: (connection) => {
        this.#opening = undefined;
        if (connection.server.session.inTransaction) {
          this.#opened(connection, [...before, Buffer.from(call.sql, 'utf8')]);
        } else connection.release();
        this.#host.back();
      },
    };
    const toPrimary = (reason: RouteReason): void => this.#host.back(() => this.#host.onPrimary(known, call, reason));
    new ReadRun(this.#cluster, call, known, this.#cluster.scopes.current, reader, toPrimary).start();
  }

  /** Runs a statement of the transaction. @param mayStay it can run where that is open */
  run(known: KnownStatement, call: Call, mayStay: boolean): void {
    const current = this.#current;
    if (current === undefined) return;
    if (!mayStay) {
      this.#goOn(known, call);
      return;
    }
    if (known.classification.target !== 'replica') {
      this.#host.goesElsewhere();
      current.run(known, call, () => this.#mayHaveEnded(current));
      return;
    }
    const fitness = current.fitness(known);
    if (fitness.kind === 'fits') current.run(known, call, () => {});
    else if (fitness.kind === 'unfit') this.#goOn(known, call);
    else {
      this.#host.goesElsewhere();
      current.await(fitness, (isThere) => {
        if (isThere && this.#current === current) current.run(known, call, () => this.#host.back());
        else this.#goOn(known, call);
      });
    }
  }

  /** Goes on on the connection itself. @param then what comes before all that has waited */
  move(then?: (error: QueryError | undefined) => void): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#host.goesElsewhere();
    this.#current = undefined;
    current.abandon(() => this.#openAnew(current.commands, then));
  }

  /** The session is over. */
  abandon(): void {
    const current = this.#current;
    this.#leave();
    current?.abandon(() => {});
  }

  #opened(connection: RoutedConnection, commands: readonly Buffer[]): void {
    const { session } = this.#home().server;
    const goesOn = (known: KnownStatement, call: Call): void => {
      if (this.#current === opened) this.#goOn(known, call);
      else this.#host.place(known, call);
    };
    const left = (): void => {
      if (this.#current === opened) this.#leave();
    };
    const opened = new ReadOnlyTransaction(this.#cluster, { session, goesOn, left }, connection, commands);
    if (this.#host.isOver()) {
      opened.abandon(() => {});
      return;
    }
    this.#current = opened;
    session.learn('replica', [], connection.server.session.status);
    if (!session.pins.delete('next-transaction')) return;
    // What the next transaction is to be was told to the primary, which is to forget it.
    session.nextTransaction.clear();
    this.#home().ask('COMMIT', () => {});
  }

  #goOn(known: KnownStatement, call: Call): void {
    this.move((error) => {
      if (error === undefined) this.#host.onPrimary(known, call);
      else call.fail(error);
    });
  }

  /** A statement of the transaction has ended that may have ended it. */
  #mayHaveEnded(current: ReadOnlyTransaction): void {
    const { connection } = current;
    if (this.#current === current && !connection.server.session.inTransaction) {
      this.#leave();
      if (connection.server.isRetired) connection.release();
      else this.#host.keep(connection);
    }
    this.#host.back();
  }

  #openAnew(commands: readonly string[], then?: (error: QueryError | undefined) => void): void {
    const { session, node } = this.#home().server;
    if (!this.#host.isOfPrimary()) {
      session.leftReplica(false);
      const what = `the connection is to ${node.name}, which takes no writes; begin the transaction anew`;
      this.#host.back(() => then?.(noPrimary(what, '')));
      return;
    }
    let left = commands.length;
    let failure: QueryError | undefined;
    for (const sql of commands) {
      this.#home().ask(sql, (error) => {
        left--;
        failure ??= error ?? undefined;
        if (left > 0) return;
        session.leftReplica(failure === undefined);
        this.#host.back(() => then?.(failure));
      });
    }
  }

  #leave(): void {
    if (this.#current === undefined) return;
    this.#current = undefined;
    this.#home().server.session.leftReplica(false);
  }
}
