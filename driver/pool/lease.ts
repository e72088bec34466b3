import { EventEmitter } from 'node:events';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { routeStatement, type Route, type RouteReason } from '../../src/routing/route.js';
import type { Cluster } from '../cluster/cluster.js';
import {
  isLoss,
  isReadOnlyServer,
  mayBePartlyDone,
  previousLost,
  transactionLost,
  withRoute,
  type RouteTaken,
} from '../errors.js';
import type { CoreCommand, CoreQuery, QueryError, ResultCallback, Sql } from '../mysql2/internals.js';
import { ExecuteCall, QueryCall, type Call } from '../route/call.js';
import { ReadRun, type Reader } from '../route/read-run.js';
import { WayToPrimary } from '../route/way-to-primary.js';
import type { ConnectionLease, RoutedConnection } from '../session/routed-connection.js';
import { checkValues } from './check-values.js';
import { LeaseTransaction } from './lease-transaction.js';
import { SessionHome } from './session-home.js';

/** Statements that end no transaction, whatever they say. */
const WITHIN_TRANSACTION: ReadonlySet<string> = new Set(['read', 'hint-replica', 'write', 'locking-read']);

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
  /** The replica's connection of the read before: what that left is there. */
  #previous: RoutedConnection | undefined;
  /** Statements that came while one waits for a primary. */
  #queue: (() => void)[] | undefined;
  #isElsewhere = false;
  #runsOn: RoutedConnection | undefined;
  #heldBack: CoreCommand[] = [];
  readonly #transaction: LeaseTransaction;

  constructor(cluster: Cluster, connection: RoutedConnection) {
    this.#cluster = cluster;
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
      keep: (replica) => this.#keep(replica),
    });
  }

  get home(): RoutedConnection {
    return this.#home.connection;
  }

  get elsewhere(): RoutedConnection | undefined {
    return this.#runsOn ?? this.#transaction.connection;
  }

  query(command: CoreQuery): void {
    if (this.#queue !== undefined) {
      this.#queue.push(() => this.query(command));
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
      if (command.onResult === undefined && this.#isAtOwn) {
        this.#begins(known);
        this.#noteWhenEnded(known, command, this.#route(known).reason);
        this.home.server.expecting(known, () => this.home.runQuery(command));
      } else this.#here(known, new QueryCall(command, config));
    } else this.#place(known, new QueryCall(command, config));
  }

  execute(statement: Sql, values: unknown, callback: ResultCallback): CoreCommand | undefined {
    if (this.#queue !== undefined) {
      this.#queue.push(() => this.#executeLater(statement, values, callback));
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
    this.#dropPrevious();
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
    return to === 'primary' || (to === 'previous' && this.#previous === undefined);
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
    const previous = this.#previous;
    if (this.#transaction.isOpen) this.#transaction.run(known, call, route.to === 'transaction');
    else if (route.to === 'replica') {
      this.#dropPrevious();
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
        else this.#keep(connection);
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
    previous.server.expecting(known, () => call.begin(previous, () => false));
  }

  /** Where the session is. If that is at no primary, it goes to the one there is, or will be. */
  #onPrimary(known: KnownStatement, call: Call, why: RouteReason): void {
    const { server } = this.home;
    const isOfConnection = OF_CONNECTION.has(known.classification.reason) && !server.isGone;
    if ((this.#home.isOfPrimary && !this.#home.isHeld) || isOfConnection || this.home.isAlone)
      this.#here(known, call, why);
    else this.#settle(known, call, new WayToPrimary(this.#cluster, call.sql), why);
  }

  #settle(known: KnownStatement, call: Call, way: WayToPrimary, why: RouteReason): void {
    const queue: (() => void)[] = [];
    this.#queue = queue;
    this.#isElsewhere = true;
    this.#home.settle(known, call.sql, way, (failure) => {
      this.#queue = undefined;
      this.#back(() => {
        if (failure !== undefined) this.#refuse(known, call, failure);
        else if (this.#isOver) {
          this.#home.ended(false);
          this.#refuse(known, call, new Error('The connection was given back.'));
        } else this.#here(known, call, why, way);
      });
      for (const go of queue) go();
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
    this.#begins(known);
    const connection = this.home;
    const { server } = connection;
    const taken = { to: 'primary', reason: why, node: server.node.name } as const;
    const intercept = (error: QueryError): boolean => {
      if (isLoss(error)) return this.#lost(known, call, way, error, taken);
      if (isReadOnlyServer(error)) return this.#refused(known, call, way, error, taken);
      withRoute(error, taken);
      return false;
    };
    const command = server.expecting(known, () => call.begin(connection, intercept));
    this.#noteWhenEnded(known, command, why);
    return command;
  }

  #noteWhenEnded(known: KnownStatement, command: CoreCommand, reason: string): void {
    const scope = this.#cluster.scopes.current;
    const { node } = this.home.server;
    command.once('end', () => this.#cluster.ranOnPrimary(node, known, scope, reason));
  }

  /** @returns whether the application is told otherwise */
  #lost(known: KnownStatement, call: Call, way: WayToPrimary, error: QueryError, taken: RouteTaken): boolean {
    const { server } = this.home;
    const { session, isOnly } = server;
    const { name } = server.node;
    const wasInTransaction = session.inTransaction || !session.autocommit;
    this.#cluster.failed(name, error);
    server.isGone = true;
    const loss = this.home.isAlone ? 'state' : this.#home.leave();
    const { classification } = known;
    if (isOnly && loss === 'nothing' && !wasInTransaction && classification.target === 'replica') {
      process.nextTick(() => this.#settle(known, call, way, this.#route(known).reason));
      return true;
    }
    if (isOnly && loss !== 'state' && wasInTransaction && WITHIN_TRANSACTION.has(classification.reason)) {
      this.#refuse(known, call, transactionLost(name, call.sql));
      return true;
    }
    withRoute(error, taken, 'unknown');
    return false;
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
    this.#dropPrevious();
    this.#cluster.counts.ran(this.home.server.node.name, 'primary', this.#route(known).reason);
  }

  #keep(connection: RoutedConnection): void {
    this.#previous = connection;
    this.#cluster.poolNamed(connection.server.node.name)?.lend(connection, () => this.#dropPrevious());
  }

  #dropPrevious(): void {
    const previous = this.#previous;
    if (previous === undefined) return;
    this.#previous = undefined;
    this.#cluster.poolNamed(previous.server.node.name)?.reclaim(previous);
    previous.release();
  }
}

/** Asks for what the read before has left, and is a read itself. */
function asksReplica({ classification: { reason, target } }: KnownStatement, { sql }: Call): boolean {
  if (target !== 'last') return false;
  if (reason === 'diagnostics' || reason === 'found-rows') return true;
  return reason === 'row-count' && /^\s*select\b/i.test(sql);
}

/** What the statement before left went with its connection: whoever asks for it is told. */
function lostWithPrevious(
  { server: { session } }: RoutedConnection,
  { classification: { reason, target } }: KnownStatement,
  sql: string,
): QueryError | undefined {
  const { rowCount, diagnostics } = session.previousLost;
  const asksRows = target === 'last' && reason === 'row-count' && (rowCount || diagnostics);
  const asksDiagnostics = target === 'last' && reason === 'diagnostics' && diagnostics;
  const asksId = session.insertIdLost && /last_insert_id|@@[^,;]{0,20}identity/i.test(sql);
  if (asksId) session.insertIdLost = false;
  return asksRows || asksDiagnostics || asksId ? previousLost(sql) : undefined;
}
