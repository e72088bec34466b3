import { EventEmitter } from 'node:events';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { routeStatement, type Route, type RouteReason } from '../../src/routing/route.js';
import type { Cluster } from '../cluster/cluster.js';
import {
  connectionGivenUp,
  isAway,
  isLoss,
  isReadOnlyServer,
  mayBePartlyDone,
  notSent,
  transactionLost,
  withRoute,
  type RouteTaken,
} from '../errors.js';
import type {
  CoreCommand,
  CoreQuery,
  QueryError,
  ResultCallback,
  Sql,
  StatementCallback,
} from '../mysql2/internals.js';
import { ExecuteCall, isSent, NO_INTERCEPT, QueryCall, type Call } from '../route/call.js';
import { HandleCall, PrepareCall } from '../route/handle-call.js';
import { ReadRun, type Reader } from '../route/read-run.js';
import { WayToPrimary } from '../route/way-to-primary.js';
import type { ConnectionCommand, ConnectionLease, RoutedConnection, Told } from '../session/routed-connection.js';
import type { PreparedHandle } from '../session/prepared-handle.js';
import { checkValues } from './check-values.js';
import { LeaseTransaction } from './lease-transaction.js';
import { LostCommands, type Attempt } from './lost-commands.js';
import { asksReplica, lostWithPrevious, PreviousRead } from './previous-read.js';
import { SessionHome } from './session-home.js';

/** What comes while a statement waits for a primary is put behind it. @param failure that one was not executed: neither is what may build on it */
type Waiting = (failure?: QueryError) => void;

/** What concerns nothing but the connection, whatever server that is to. */
const OF_CONNECTION: ReadonlySet<string> = new Set(['session-state', 'diagnostics', 'connection-id']);

/**
 * A session of an application, from `getConnection()` to `release()`. It is the one on its connection; reads that certainly need nothing of
 * it run on replicas, one at a time, while other commands of the session wait as they would behind each other on one connection.
 */
export class Lease implements ConnectionLease {
  readonly #cluster: Cluster;
  readonly #home: SessionHome;
  #isOver = false;
  readonly #previous: PreviousRead;
  /** Statements that came while one waits for a primary. */
  #queue: Waiting[] | undefined;
  #isElsewhere = false;
  #runsOn: RoutedConnection | undefined;
  #heldBack: CoreCommand[] = [];
  readonly #transaction: LeaseTransaction;
  readonly #lost: LostCommands;
  /** How many commands there were. */
  #order = 0;
  /** The last statement without a callback that had nothing before it. */
  #silent: { readonly command: CoreCommand; readonly known: KnownStatement; readonly sql: string } | undefined;

  constructor(cluster: Cluster, connection: RoutedConnection) {
    this.#cluster = cluster;
    this.#previous = new PreviousRead(cluster);
    this.#home = new SessionHome(cluster, connection, this);
    this.#transaction = new LeaseTransaction(cluster, () => this.home, {
      isOfPrimary: () => this.#home.isOfPrimary,
      isOver: () => this.#isOver,
      goesElsewhere: () => {
        this.#isElsewhere = true;
      },
      back: (first) => this.#back(first),
      onPrimary: (known, call, reason) => this.#onPrimary(known, call, reason ?? this.#route(known).reason),
      place: (known, call) => this.#place(known, call),
      keep: (replica) => this.#previous.keep(replica),
    });
    const home = (): RoutedConnection => this.home;
    this.#lost = new LostCommands(cluster, {
      get home(): RoutedConnection {
        return home();
      },
      leave: () => this.#home.leave(),
      silent: ({ _command }) => (this.#silent?.command === _command ? this.#silent : undefined),
      refuse: (known, call, error) => this.#refuse(known, call, error),
      enter: (known, call) => this.#enter(known, call),
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get home(): RoutedConnection {
    return this.#home.connection;
  }

  get elsewhere(): RoutedConnection | undefined {
    return this.#runsOn ?? this.#transaction.connection;
  }

  query(command: CoreQuery): void {
    if (this.#queue !== undefined) {
      const { config } = this.home;
      this.#queue.push((failure) => {
        if (failure === undefined) this.query(command);
        else new QueryCall(command, config).fail(notSent(failure, command.sql));
      });
      return;
    }
    const { config, server } = this.home;
    const { sql } = command;
    if (typeof sql !== 'string') {
      this.home.runQuery(command);
      return;
    }
    const named = command.namedPlaceholders ?? config.namedPlaceholders;
    const known = this.#cluster.texts.find(sql, command.values, named, server.session);
    if (this.#staysHere(known)) {
      if (command.onResult === undefined && this.#isAtOwn && !server.isBusy) {
        this.#silent = { command, known, sql };
        this.#begins(known);
        this.#noteWhenEnded(known, command, this.#route(known).reason);
        this.home.server.expecting(known, () => this.home.runQuery(command));
      } else this.#here(known, new QueryCall(command, config));
    } else this.#place(known, new QueryCall(command, config));
  }

  execute(statement: Sql, values: unknown, callback: ResultCallback): CoreCommand | undefined {
    if (this.#queue !== undefined) {
      this.#queue.push((failure) => {
        if (failure === undefined) this.#executeLater(statement, values, callback);
        else callback(notSent(failure, typeof statement === 'string' ? statement : statement.sql));
      });
      return new EventEmitter();
    }
    const { config, server } = this.home;
    const sql = typeof statement === 'string' ? statement : statement?.sql;
    if (typeof sql !== 'string') return undefined;
    const named = (typeof statement === 'string' ? undefined : statement.namedPlaceholders) ?? config.namedPlaceholders;
    const known = this.#cluster.texts.findPrepared(sql, named, server.session);
    const stays = this.#staysHere(known);
    if (stays) return this.#here(known, new ExecuteCall(statement, values, callback));
    checkValues(typeof statement === 'string' ? values : (statement.values ?? values), named);
    this.#place(known, new ExecuteCall(statement, values, callback));
    return new EventEmitter();
  }

  prepare(options: Sql, callback: StatementCallback): CoreCommand {
    return this.#atHome(new PrepareCall(this, options, callback));
  }

  executeHandle(handle: PreparedHandle, values: unknown, callback: ResultCallback | undefined): CoreCommand {
    const call = new HandleCall(handle, values, callback);
    this.#atHome(call);
    return call.command;
  }

  command(given: ConnectionCommand, told: Told): CoreCommand {
    const order = this.#order++;
    const again = (): void => void this.command(given, told);
    const { server } = this.home;
    if (this.#queue !== undefined)
      this.#queue.push((failure) => (failure === undefined ? again() : told(notSent(failure, ''))));
    else if (!server.isGone) {
      return given.begin(this.home, (error) => {
        if (error === null || error === undefined || !isAway(error)) {
          told(error);
          return;
        }
        server.isGone = true;
        this.#cluster.failed(server.node.name, error);
        // Where the session does not go on, that is told then.
        this.#lost.strand(order, again);
      });
    } else if (!this.home.isAlone && (given.endsAll === true || this.#home.isIntact)) {
      const way = new WayToPrimary(this.#cluster, '');
      this.#goTo(
        (done) => this.#home.follow(way, done),
        (failure) => {
          if (failure === undefined) again();
          else told(failure);
        },
      );
    } else process.nextTick(() => told(connectionGivenUp(server.node.name, 'it was lost')));
    return new EventEmitter();
  }

  /** Where the session goes on. */
  #enter(known: KnownStatement, call: Call): void {
    if (this.#queue !== undefined) this.#waits(call, this.#queue, () => this.#enter(known, call));
    else if (call.isOfHome === true) this.#atHome(call);
    else if (this.#staysHere(known)) this.#here(known, call);
    else this.#place(known, call);
  }

  /** What runs where the session is, and nowhere else. */
  #atHome(call: Call): CoreCommand {
    const { server } = this.home;
    if (this.#queue !== undefined) {
      this.#waits(call, this.#queue, () => this.#atHome(call));
      return new EventEmitter();
    }
    const known = this.#cluster.texts.findPrepared(call.sql, false, server.session);
    const hasToWait = this.#isElsewhere || server.isBusy || this.#transaction.isOpen;
    if (hasToWait && !server.isGone) return this.#here(known, call);
    const owed = this.#home.owed(known, call.sql) ?? lostWithPrevious(this.home, known, call.sql);
    if (owed === undefined) return this.#onPrimary(known, call, this.#route(known).reason) ?? new EventEmitter();
    this.#refuse(known, call, owed);
    return new EventEmitter();
  }

  #waits(call: Call, queue: Waiting[], go: () => void): void {
    queue.push((failure) => (failure === undefined ? go() : call.fail(notSent(failure, call.sql))));
  }

  get #isAtOwn(): boolean {
    return this.#home.isAtOwn;
  }

  holdsBack(command: CoreCommand): boolean {
    // What is no statement is for the connection itself: the transaction goes on there.
    if (!this.#isElsewhere && this.#transaction.isOpen) this.#transaction.move();
    if (this.#isElsewhere) this.#heldBack.push(command);
    return this.#isElsewhere;
  }

  ended(isDestroyed: boolean): void {
    this.#isOver = true;
    this.#previous.drop();
    this.#transaction.abandon();
    this.#home.ended(isDestroyed);
  }

  #executeLater(statement: Sql, values: unknown, callback: ResultCallback): void {
    try {
      if (this.execute(statement, values, callback) === undefined) this.home.runExecute(statement, values, callback);
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Whether nothing but the connection itself can be meant. */
  #staysHere(known: KnownStatement): boolean {
    const { server } = this.home;
    if (this.#transaction.isOpen && !this.#isElsewhere) return false;
    if (server.isGone) return this.home.isAlone;
    // Which tables a read names is not looked at: one of its own may be among them.
    if (this.#isElsewhere || server.isBusy || !server.session.temporaryTables.isEmpty) return true;
    if (!this.#home.isOfPrimary || this.#home.isHeld) return false;
    const { to } = this.#route(known);
    return to === 'primary' || (to === 'previous' && this.#previous.connection === undefined);
  }

  #route(known: KnownStatement): Route {
    const { classification, digest } = known;
    const { session } = this.home.server;
    const route = routeStatement(session, classification, digest?.refusedByReplica);
    if (route.to === 'transaction') {
      const isState = classification.reason === 'session-state' && classification.transaction === undefined;
      return isState ? { to: 'primary', reason: classification.reason } : route;
    }
    if (route.to !== 'replica') return route;
    const opens = classification.transaction !== undefined;
    // Whether the read has opened one its answer does not tell.
    if (route.reason === 'read-only-transaction' && !opens) return { to: 'primary', reason: 'autocommit-off' };
    const level = classification.consistency ?? this.#cluster.scopes.current.freshness.level;
    return level === 'primary' ? { to: 'primary', reason: 'consistency' } : route;
  }

  #place(known: KnownStatement, call: Call): void {
    const owed = this.#home.owed(known, call.sql) ?? lostWithPrevious(this.home, known, call.sql);
    if (owed !== undefined) {
      this.#refuse(known, call, owed);
      return;
    }
    const route = this.#route(known);
    const { connection: previous } = this.#previous;
    if (this.#transaction.isOpen) this.#transaction.run(known, call, route.to === 'transaction');
    else if (route.to === 'replica') {
      this.#previous.drop();
      if (known.classification.transaction === undefined) this.#read(known, call);
      else this.#transaction.open(known, call);
    } else if (previous !== undefined && asksReplica(known, call)) this.#askPrevious(previous, known, call);
    else this.#onPrimary(known, call, route.reason);
  }

  #read(known: KnownStatement, call: Call): void {
    this.#isElsewhere = true;
    const scope = this.#cluster.scopes.current;
    const own = this.home.server.session;
    const reader: Reader = {
      wanted: () => own,
      runs: (connection) => {
        this.#runsOn = connection;
      },
      ended: (connection) => {
        this.#runsOn = undefined;
        if (this.#isOver || connection.server.isRetired) connection.release();
        else this.#previous.keep(connection);
        this.#back();
      },
    };
    const toPrimary = (reason: RouteReason): void => this.#back(() => this.#onPrimary(known, call, reason));
    const run = new ReadRun(this.#cluster, call, known, scope, reader, toPrimary);
    run.start();
  }

  /** @param first what comes before all that was held back */
  #back(first?: () => void): void {
    this.#isElsewhere = false;
    first?.();
    // It has gone elsewhere once more.
    if (this.#isElsewhere) return;
    if (this.#transaction.isOpen && this.#heldBack.length > 0) {
      this.#transaction.move();
      return;
    }
    const heldBack = this.#heldBack;
    this.#heldBack = [];
    for (const command of heldBack) this.home.addNow(command);
  }

  #askPrevious(previous: RoutedConnection, known: KnownStatement, call: Call): void {
    previous.server.expecting(known, () => call.begin(previous, NO_INTERCEPT));
  }

  /** Where the session is. If that is at no primary, it goes to the one there is, or will be. */
  #onPrimary(known: KnownStatement, call: Call, why: RouteReason): CoreCommand | undefined {
    const { server } = this.home;
    const isOfConnection = OF_CONNECTION.has(known.classification.reason) && !server.isGone;
    if ((this.#home.isOfPrimary && !this.#home.isHeld) || isOfConnection || this.home.isAlone) {
      return this.#here(known, call, why);
    }
    this.#settle(known, call, new WayToPrimary(this.#cluster, call.sql), why);
    return undefined;
  }

  #settle(known: KnownStatement, call: Call, way: WayToPrimary, why: RouteReason): void {
    this.#goTo(
      (done) => this.#home.settle(known, call.sql, way, done),
      (failure) => {
        if (failure === undefined) this.#here(known, call, why, way);
        else this.#refuse(known, call, failure);
      },
    );
  }

  /** Other statements wait meanwhile. @param then told why the session could not go there */
  #goTo(go: (done: (failure?: QueryError) => void) => void, then: (failure?: QueryError) => void): void {
    const queue: Waiting[] = [];
    this.#queue = queue;
    this.#isElsewhere = true;
    go((failure) => {
      this.#queue = undefined;
      this.#back(() => {
        if (failure === undefined && this.#isOver) {
          this.#home.ended(false);
          then(new Error('The connection was given back.'));
        } else then(failure);
      });
      for (const next of queue) next(failure);
    });
  }

  #refuse(known: KnownStatement, call: Call, error: QueryError): void {
    const { reason } = known.classification;
    withRoute(error, { to: 'primary', reason, node: this.home.server.node.name }, 'not-executed');
    process.nextTick(() => call.fail(error));
  }

  /** On the connection that the session is on. */
  #here(
    known: KnownStatement,
    call: Call,
    why = this.#route(known).reason,
    way = new WayToPrimary(this.#cluster, call.sql),
  ): CoreCommand {
    if (call.isHarmless !== true) this.#begins(known);
    const connection = this.home;
    const { server } = connection;
    const taken = { to: 'primary', reason: why, node: server.node.name } as const;
    const attempt: Attempt = { known, call, connection, taken, order: this.#order++ };
    const intercept = (error: QueryError): boolean => {
      if (isLoss(error)) return this.#isLost(attempt, error);
      if (isReadOnlyServer(error)) return this.#refused(known, call, way, error, taken);
      withRoute(error, taken);
      return false;
    };
    const command = server.expecting(known, () => call.begin(connection, { intercept }));
    attempt.command = command;
    if (call.isHarmless !== true) this.#noteWhenEnded(known, command, why);
    return command;
  }

  #isLost(attempt: Attempt, error: QueryError): boolean {
    const { call, known, taken, command } = attempt;
    const wasSent = command !== undefined && isSent(command) && call.isHarmless !== true;
    if (!this.home.isAlone) return this.#lost.lost(attempt, error, wasSent);
    this.home.server.isGone = true;
    if (wasSent) {
      withRoute(error, taken, 'unknown');
      return false;
    }
    this.#refuse(known, call, notSent(error, call.sql));
    return true;
  }

  #noteWhenEnded(known: KnownStatement, command: CoreCommand, reason: string): void {
    const scope = this.#cluster.scopes.current;
    const { node } = this.home.server;
    command.once('end', () => this.#cluster.ranOnPrimary(node, known, scope, reason));
  }

  /** The server takes no writes any more. A single statement did nothing, and waits for the next primary; a transaction cannot be committed there. */
  #refused(known: KnownStatement, call: Call, way: WayToPrimary, error: QueryError, taken: RouteTaken): boolean {
    const { server } = this.home;
    const { session, isOnly } = server;
    void this.#cluster.hurry();
    if (this.home.isAlone || !isOnly || mayBePartlyDone(known) || session.pins.size > 0) {
      withRoute(error, taken, mayBePartlyDone(known) ? undefined : 'not-executed');
      return false;
    }
    way.refused(server.node.name, error);
    server.isRetired = true;
    if (session.inTransaction) {
      this.#home.leave();
      this.#refuse(known, call, transactionLost(server.node.name, call.sql));
    } else process.nextTick(() => this.#settle(known, call, way, this.#route(known).reason));
    return true;
  }

  #begins(known: KnownStatement): void {
    this.#previous.drop();
    this.#cluster.counts.ran(this.home.server.node.name, 'primary', this.#route(known).reason);
  }
}
