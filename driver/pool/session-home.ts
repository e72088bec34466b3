import type { KnownStatement } from '../../src/classify/known-statement.js';
import type { PrimaryLoss } from '../../src/session/session.js';
import type { Cluster } from '../cluster/cluster.js';
import { endsByRollback, isAway, isLoss, sessionLost, transactionLost } from '../errors.js';
import type { QueryError } from '../mysql2/internals.js';
import type { WayToPrimary } from '../route/way-to-primary.js';
import { enterState } from '../session/enter-state.js';
import type { ConnectionLease, RoutedConnection } from '../session/routed-connection.js';

type Done = (failure?: QueryError) => void;

/**
 * The connection that a leased session is on: the application's own, until that is lost or its server is the primary no more; then one to
 * the next primary, in the session's schema and with its variables.
 */
export class SessionHome {
  readonly #cluster: Cluster;
  readonly #lease: ConnectionLease;
  readonly #own: RoutedConnection;
  #connection: RoutedConnection;
  /** What went with the connection is known, and told. */
  #isLeft = false;

  constructor(cluster: Cluster, own: RoutedConnection, lease: ConnectionLease) {
    this.#cluster = cluster;
    this.#lease = lease;
    this.#own = own;
    this.#connection = own;
  }

  get connection(): RoutedConnection {
    return this.#connection;
  }

  /** The application's own connection is the one. */
  get isAtOwn(): boolean {
    return this.#connection === this.#own;
  }

  /** Statements for the primary can run there. */
  get isOfPrimary(): boolean {
    const { server } = this.#connection;
    return !this.#isLeft && !server.isGone && server.node.name === this.#cluster.snapshot.primary?.address.name;
  }

  /** Nothing new is to begin there while the primary is being changed. */
  get isHeld(): boolean {
    return this.#cluster.writes.isClosed && !this.#connection.server.session.mustGoOn;
  }

  /** @returns what went with the connection; `nothing` where that was told before */
  leave(): PrimaryLoss {
    if (this.#isLeft) return 'nothing';
    this.#isLeft = true;
    const { session, isOfOtherUser } = this.#connection.server;
    const loss = session.primaryLost();
    return isOfOtherUser ? 'state' : loss;
  }

  /** Nothing went with its connection that is yet to be told. */
  get isIntact(): boolean {
    const { session, isOfOtherUser } = this.#connection.server;
    return this.#isLeft || (session.primaryLoss === 'nothing' && !isOfOtherUser);
  }

  /** The connection is gone. @returns what an application is to be told of that, once */
  owed(known: KnownStatement, sql: string): QueryError | undefined {
    const { server } = this.#connection;
    return server.isGone && !this.#connection.isAlone ? this.#toldOf(this.leave(), known, sql) : undefined;
  }

  /** Goes to where the primary is, as soon as there is one. */
  settle(known: KnownStatement, sql: string, way: WayToPrimary, done: Done): void {
    const { server } = this.#connection;
    way.whenThere(
      () => {
        if (this.isOfPrimary) {
          done();
          return;
        }
        const owed = this.#toldOf(this.leave(), known, sql);
        if (owed === undefined) this.#move(sql, way, done);
        else done(owed);
      },
      (error) => done(error),
      !server.isGone && server.session.mustGoOn,
    );
  }

  /** The same where nobody is to be told of anything. */
  follow(way: WayToPrimary, done: Done): void {
    way.whenThere(
      () => {
        if (this.isOfPrimary) {
          done();
          return;
        }
        this.leave();
        this.#move('', way, done);
      },
      (error) => done(error),
    );
  }

  /** @param isDestroyed nobody is to use the connection again */
  ended(isDestroyed: boolean): void {
    const connection = this.#connection;
    if (connection === this.#own) return;
    connection.lease = undefined;
    if (isDestroyed) connection.destroy();
    else connection.release();
  }

  #toldOf(loss: PrimaryLoss, known: KnownStatement, sql: string): QueryError | undefined {
    const { name } = this.#connection.server.node;
    switch (loss) {
      case 'nothing':
        return undefined;
      case 'transaction':
        // What ends it, and keeps nothing of it, has what it wants.
        return endsByRollback(known, sql) ? undefined : transactionLost(name, sql);
      case 'state':
        return sessionLost(name, sql);
    }
  }

  #move(sql: string, way: WayToPrimary, done: Done): void {
    way.connect(
      // One that has just been made has yet to tell what its session is in.
      (connection) => connection.server.whenIdle(() => this.#take(connection, sql, way, done)),
      (error) => done(error),
    );
  }

  #take(connection: RoutedConnection, sql: string, way: WayToPrimary, done: Done): void {
    const { server } = connection;
    if (server.isGone || !server.isFree) {
      connection.destroy();
      this.#move(sql, way, done);
      return;
    }
    enterState(connection, this.#connection.server.session, this.#cluster.baseline, (failure) => {
      if (failure === undefined) {
        this.#enter(connection);
        done();
        return;
      }
      connection.destroy();
      if (failure === 'unfit') this.#move(sql, way, done);
      else if (isLoss(failure) || isAway(failure)) {
        way.refused(server.node.name, failure);
        this.#move(sql, way, done);
      } else done(failure);
    });
  }

  #enter(connection: RoutedConnection): void {
    const old = this.#connection;
    const { session } = old.server;
    connection.server.session.previousLost = session.previousLost;
    connection.server.session.insertIdLost = session.insertIdLost;
    connection.lease = this.#lease;
    this.#connection = connection;
    this.#isLeft = false;
    // Whatever was open there is over for the application.
    if (!old.server.isGone) old.abandon();
    if (old !== this.#own) old.lease = undefined;
  }
}
