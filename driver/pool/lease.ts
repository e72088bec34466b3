import { EventEmitter } from 'node:events';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { routeStatement, type Route, type RouteReason } from '../../src/routing/route.js';
import type { Cluster } from '../cluster/cluster.js';
import { isLoss, isReadOnlyServer, noPrimary, withRoute } from '../errors.js';
import type { CoreCommand, CoreQuery, QueryError, ResultCallback, Sql } from '../mysql2/internals.js';
import { ExecuteCall, QueryCall, type Call } from '../route/call.js';
import { PrimaryRun } from '../route/primary-run.js';
import { ReadRun, type Reader } from '../route/read-run.js';
import type { ConnectionLease, RoutedConnection } from '../session/routed-connection.js';
import { checkValues } from './check-values.js';
import { LeaseTransaction } from './lease-transaction.js';

/** What a single statement may leave behind is on the server, not on its connection. */
const LEAVES_NOTHING: ReadonlySet<string> = new Set(['write', 'ddl', 'read']);

/** What concerns nothing but the connection, whatever server that is to. */
const OF_CONNECTION: ReadonlySet<string> = new Set(['session-state', 'diagnostics', 'connection-id']);

/**
 * A session of an application, from `getConnection()` to `release()`. It is the one on its connection; reads that certainly need nothing of
 * it run on replicas, one at a time, while other commands of the session wait as they would behind each other on one connection.
 */
export class Lease implements ConnectionLease {
  readonly #cluster: Cluster;
  readonly #connection: RoutedConnection;
  /** The replica's connection of the read before: what that left is there. */
  #previous: RoutedConnection | undefined;
  #isElsewhere = false;
  #runsOn: RoutedConnection | undefined;
  #heldBack: CoreCommand[] = [];
  readonly #transaction: LeaseTransaction;

  constructor(cluster: Cluster, connection: RoutedConnection) {
    this.#cluster = cluster;
    this.#connection = connection;
    this.#transaction = new LeaseTransaction(cluster, connection, {
      isOfPrimary: () => this.#isOfPrimary(),
      isOver: () => connection.lease !== this,
      goesElsewhere: () => {
        this.#isElsewhere = true;
      },
      back: (first) => this.#back(first),
      onPrimary: (known, call, reason) =>
        this.#onPrimary(known, call, { to: 'primary', reason: reason ?? this.#route(known).reason }),
      place: (known, call) => this.#place(known, call),
      keep: (replica) => this.#keep(replica),
    });
  }

  get elsewhere(): RoutedConnection | undefined {
    return this.#runsOn ?? this.#transaction.connection;
  }

  query(command: CoreQuery): void {
    const { config, server } = this.#connection;
    const { sql } = command;
    if (typeof sql !== 'string') {
      this.#connection.runQuery(command);
      return;
    }
    const named = command.namedPlaceholders ?? config.namedPlaceholders;
    const known = this.#cluster.texts.find(sql, command.values, named, server.session);
    if (this.#staysHere(known)) {
      if (command.onResult === undefined) {
        this.#begins(known);
        this.#noteWhenEnded(known, command, this.#route(known).reason);
        this.#connection.server.expecting(known, () => this.#connection.runQuery(command));
      } else this.#here(known, new QueryCall(command, config));
    } else this.#place(known, new QueryCall(command, config));
  }

  execute(statement: Sql, values: unknown, callback: ResultCallback): CoreCommand | undefined {
    const { config, server } = this.#connection;
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

  holdsBack(command: CoreCommand): boolean {
    // What is no statement is for the connection itself: the transaction goes on there.
    if (!this.#isElsewhere && this.#transaction.isOpen) this.#transaction.move();
    if (this.#isElsewhere) this.#heldBack.push(command);
    return this.#isElsewhere;
  }

  ended(): void {
    this.#dropPrevious();
    this.#transaction.abandon();
  }

  /** Whether nothing but the connection itself can be meant. */
  #staysHere(known: KnownStatement): boolean {
    const { server } = this.#connection;
    if (this.#transaction.isOpen && !this.#isElsewhere) return false;
    // Which tables a read names is not looked at: one of its own may be among them.
    if (this.#isElsewhere || server.isBusy || !server.session.temporaryTables.isEmpty) return true;
    if (!this.#isOfPrimary()) return false;
    const { to } = this.#route(known);
    return to === 'primary' || (to === 'previous' && this.#previous === undefined);
  }

  #isOfPrimary(): boolean {
    return this.#connection.server.node.name === this.#cluster.snapshot.primary?.address.name;
  }

  #route(known: KnownStatement): Route {
    const { classification, digest } = known;
    const { session } = this.#connection.server;
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
    const route = this.#route(known);
    const previous = this.#previous;
    if (this.#transaction.isOpen) this.#transaction.run(known, call, route.to === 'transaction');
    else if (route.to === 'replica') {
      this.#dropPrevious();
      if (known.classification.transaction === undefined) this.#read(known, call);
      else this.#transaction.open(known, call);
    } else if (previous !== undefined && asksReplica(known, call)) this.#askPrevious(previous, known, call);
    else this.#onPrimary(known, call, route);
  }

  #read(known: KnownStatement, call: Call): void {
    this.#isElsewhere = true;
    const scope = this.#cluster.scopes.current;
    const own = this.#connection.server.session;
    const reader: Reader = {
      wanted: () => own,
      runs: (connection) => {
        this.#runsOn = connection;
      },
      ended: (connection) => {
        this.#runsOn = undefined;
        if (this.#connection.lease !== this || connection.server.isRetired) connection.release();
        else this.#keep(connection);
        this.#back();
      },
    };
    const toPrimary = (reason: RouteReason): void =>
      this.#back(() => this.#onPrimary(known, call, { to: 'primary', reason }));
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
    for (const command of heldBack) this.#connection.addNow(command);
  }

  #askPrevious(previous: RoutedConnection, known: KnownStatement, call: Call): void {
    previous.server.expecting(known, () => call.begin(previous, () => false));
  }

  /** On the connection itself. If that is to a server that is no primary: what needs nothing of the session runs on the one that is. */
  #onPrimary(known: KnownStatement, call: Call, route: Route): void {
    const { server } = this.#connection;
    const { classification } = known;
    if (this.#isOfPrimary() || OF_CONNECTION.has(classification.reason)) {
      this.#here(known, call, route.reason);
      return;
    }
    const isFree = server.isFree && server.session.state.key === this.#cluster.freshSession.state.key;
    if (isFree && classification.pins.length === 0 && LEAVES_NOTHING.has(classification.reason)) {
      this.#isElsewhere = true;
      const scope = this.#cluster.scopes.current;
      const ended = (): void => this.#back();
      new PrimaryRun(this.#cluster, call, known, scope, { reason: route.reason, isRead: false, ended }).start();
      return;
    }
    const error = noPrimary(
      `the connection is to ${server.node.name}, which takes no writes; take a new one`,
      call.sql,
    );
    const taken = { to: 'primary', reason: route.reason, node: server.node.name } as const;
    // Pools of others end what has had a fatal error.
    call.fail(withRoute(Object.assign(error, { fatal: true }), taken, 'not-executed'));
    server.isRetired = true;
  }

  /** On the connection itself. */
  #here(known: KnownStatement, call: Call, why?: RouteReason): CoreCommand {
    this.#begins(known);
    const { server } = this.#connection;
    const { classification } = known;
    const mayMove = !this.#isElsewhere && !server.session.inTransaction && classification.pins.length === 0;
    const { reason } = this.#route(known);
    const intercept = (error: QueryError): boolean => {
      const taken = { to: 'primary', reason, node: server.node.name } as const;
      if (isLoss(error)) withRoute(error, taken, 'unknown');
      else if (!isReadOnlyServer(error)) withRoute(error, taken);
      else if (mayMove && server.isOnly && LEAVES_NOTHING.has(classification.reason)) {
        this.#follow(known, call, () => call.fail(withRoute(error, taken, 'not-executed')));
        return true;
      } else withRoute(error, taken, 'not-executed');
      return false;
    };
    const command = server.expecting(known, () => call.begin(this.#connection, intercept));
    this.#noteWhenEnded(known, command, why ?? reason);
    return command;
  }

  #noteWhenEnded(known: KnownStatement, command: CoreCommand, reason: string): void {
    const scope = this.#cluster.scopes.current;
    command.once('end', () => this.#cluster.ranOnPrimary(this.#connection.server.node, known, scope, reason));
  }

  /** The server has become read-only: what it refused runs on the new primary, if there is one. */
  #follow(known: KnownStatement, call: Call, fail: () => void): void {
    this.#isElsewhere = true;
    void this.#cluster.hurry().then(() => {
      const { primary } = this.#cluster.snapshot;
      const follows = primary !== undefined && !this.#isOfPrimary();
      this.#back(() => {
        if (follows) this.#onPrimary(known, call, { to: 'primary', reason: known.classification.reason });
        else fail();
      });
    });
  }

  #begins(known: KnownStatement): void {
    this.#dropPrevious();
    this.#cluster.counts.ran(this.#connection.server.node.name, 'primary', this.#route(known).reason);
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
