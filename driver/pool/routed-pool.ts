import type { KnownStatement } from '../../src/classify/known-statement.js';
import { isDiversion, routeStatement, type RouteReason } from '../../src/routing/route.js';
import type { Node } from '../../src/topology/snapshot.js';
import type { Cluster } from '../cluster/cluster.js';
import { forwardEvents } from '../cluster/forward-events.js';
import type { Scope } from '../cluster/scopes.js';
import { isAway, withRoute } from '../errors.js';
import {
  core,
  type ConnectionCallback,
  type CoreConnection,
  type CoreQuery,
  type QueryError,
  type ResultCallback,
  type Sql,
} from '../mysql2/internals.js';
import { seenAs } from '../mysql2/seen-as.js';
import { ExecuteCall, failLater, NO_INTERCEPT, QueryCall, type Call } from '../route/call.js';
import { PrimaryRun } from '../route/primary-run.js';
import { ReadRun, type Reader, type ToPrimary } from '../route/read-run.js';
import { WayToPrimary } from '../route/way-to-primary.js';
import { RoutedConnection } from '../session/routed-connection.js';
import { Lease } from './lease.js';

/** Which servers a pool's statements go to: as the core decides, or all to one side. */
export type Side = 'both' | 'primary' | 'replica';

const FORWARDED = ['connection', 'acquire', 'enqueue', 'release', 'failover', 'topology', 'log'] as const;

/** A pool of mysql2, to whom it is handed; beneath, each statement goes where it belongs. */
export class RoutedPool extends core.Pool {
  readonly cluster: Cluster;
  readonly #side: Side;
  readonly #reader: Reader;
  readonly #toPrimary: ToPrimary = (reason, run) => {
    if (isDiversion(reason)) this.#readOnPrimary(reason, run);
    else this.#onPrimary(run.call, run.known, run.scope, reason, true);
  };
  readonly #readEnded = (): void => this.cluster.primaryReads.free();

  constructor(cluster: Cluster, side: Side = 'both') {
    super({ config: cluster.settings });
    // It has no connections of its own to look after.
    clearTimeout(this._removeIdleTimeoutConnectionsTimer);
    this.cluster = cluster;
    this.#side = side;
    forwardEvents(cluster, this, FORWARDED);
    this.#reader = {
      wanted: ({ server }) => server.initial,
      runs: () => {},
      ended: (connection) => connection.release(),
    };
  }

  override query(sql: Sql, values?: unknown, callback?: unknown): CoreQuery {
    const { connectionConfig } = this.config;
    const command = core.Connection.createQuery(sql, values, callback, connectionConfig);
    command.namedPlaceholders ??= connectionConfig.namedPlaceholders;
    const call = new QueryCall(command, connectionConfig);
    const scope = this.cluster.scopes.current;
    if (!this._closed && this.cluster.comes()) this.#query(command, call, scope);
    else this.#queryLater(command, call, scope);
    return command;
  }

  override execute(sql: Sql, values?: unknown, callback?: unknown): void {
    const hasValues = typeof values !== 'function';
    // Without a callback it fails as mysql2's pool does.
    const given = seenAs<ResultCallback>(hasValues ? callback : values);
    const call = new ExecuteCall(sql, hasValues ? values : [], given);
    const { namedPlaceholders } = this.config.connectionConfig;
    const named = (typeof sql === 'string' ? undefined : sql.namedPlaceholders) ?? namedPlaceholders;
    const scope = this.cluster.scopes.current;
    if (!this._closed && this.cluster.comes()) this.#execute(call, named, scope);
    else this.#executeLater(call, named, scope);
  }

  override getConnection(callback: ConnectionCallback): void {
    this.#whenOpen(() => this.#connect(callback), callback);
  }

  override releaseConnection(connection: CoreConnection): void {
    connection.release();
  }

  override end(callback?: (error?: QueryError | null) => void): void {
    this._closed = true;
    this.cluster.end((error) => {
      if (typeof callback === 'function') callback(error);
      else if (error) throw error;
    });
  }

  /** Where a statement would go now, and why. */
  route(known: KnownStatement, scope: Scope): { to: 'primary' | 'replica'; reason: RouteReason } {
    const { classification, digest } = known;
    if (this.#side === 'replica') return { to: 'replica', reason: classification.reason };
    const route = routeStatement(this.cluster.freshSession, classification, digest?.refusedByReplica);
    if (this.#side === 'primary' || route.to !== 'replica' || classification.transaction !== undefined) {
      return { to: 'primary', reason: route.reason };
    }
    const level = classification.consistency ?? scope.freshness.level;
    return level === 'primary' ? { to: 'primary', reason: 'consistency' } : { to: 'replica', reason: route.reason };
  }

  /** @returns undefined where its values cannot be put into its text: then the call has failed */
  #read({ sql, values, namedPlaceholders = false }: CoreQuery, call: Call): KnownStatement | undefined {
    try {
      return this.cluster.texts.find(sql, values, namedPlaceholders, this.cluster.freshSession);
    } catch (error) {
      failLater(call, error);
      return undefined;
    }
  }

  #execute(call: Call, named: boolean, scope: Scope): void {
    this.#run(call, this.cluster.texts.findPrepared(call.sql, named, this.cluster.freshSession), scope);
  }

  #query(command: CoreQuery, call: Call, scope: Scope): void {
    const known = this.#read(command, call);
    if (known !== undefined) this.#run(call, known, scope);
  }

  // Apart from the others: who makes a function keeps what that needs, whether it is made or not.

  #executeLater(call: Call, named: boolean, scope: Scope): void {
    this.#whenOpen(
      () => this.#execute(call, named, scope),
      (error) => call.fail(error),
    );
  }

  #queryLater(command: CoreQuery, call: Call, scope: Scope): void {
    this.#whenOpen(
      () => this.#query(command, call, scope),
      (error) => call.fail(error),
    );
  }

  #whenOpen(go: () => void, refuse: (error: QueryError) => void): void {
    if (this._closed || this.cluster.isEnded) {
      process.nextTick(() => refuse(new Error('Pool is closed.')));
      return;
    }
    this.cluster.whenKnown(() => {
      if (this._closed || this.cluster.isEnded) refuse(new Error('Pool is closed.'));
      else go();
    });
  }

  #run(call: Call, known: KnownStatement, scope: Scope): void {
    const { to, reason } = this.route(known, scope);
    if (to === 'primary') this.#onPrimary(call, known, scope, reason, false);
    else if (known.classification.target !== 'replica') this.#onReplica(call);
    else new ReadRun(this.cluster, call, known, scope, this.#reader, this.#toPrimary).start();
  }

  #onPrimary(
    call: Call,
    known: KnownStatement,
    scope: Scope,
    reason: RouteReason,
    isRead: boolean,
    ended?: () => void,
  ): void {
    new PrimaryRun(this.cluster, call, known, scope, reason, isRead, ended).start();
  }

  /** The primary answers what no replica can, as far as there is room for that. */
  #readOnPrimary(reason: RouteReason, run: ReadRun): void {
    if (this.cluster.primaryReads.takeNow())
      this.#onPrimary(run.call, run.known, run.scope, reason, true, this.#readEnded);
    else this.#waitForPrimary(reason, run);
  }

  #waitForPrimary(reason: RouteReason, { call, known, scope }: ReadRun): void {
    this.cluster.primaryReads.take(
      () => this.#onPrimary(call, known, scope, reason, true, this.#readEnded),
      (why) => {
        const node = this.cluster.snapshot.primary?.address.name;
        const error = new Error(`${why}; bring a replica back, or raise balance.primaryReadsMax`);
        const told = Object.assign(error, { code: 'RWSPLIT_PRIMARY_BUSY', sql: call.sql });
        call.fail(withRoute(told, { to: 'primary', reason, node }, 'not-executed'));
      },
    );
  }

  /** Whatever it is, the application wants it there. */
  #onReplica(call: Call): void {
    this.#connect((error, connection) => {
      if (connection === undefined) {
        call.fail(error ?? new Error('The pool gave no connection.'));
        return;
      }
      call.begin(RoutedConnection.of(connection), NO_INTERCEPT).once('end', () => connection.release());
    });
  }

  #connect(callback: ConnectionCallback): void {
    const way = new WayToPrimary(this.cluster, '');
    const { primary } = this.cluster.snapshot;
    if (this.#side === 'primary') this.#connectToPrimary(way, callback);
    else if (this.#side === 'replica' || primary === undefined) this.#connectToReplica(way, callback);
    else this.#connectTo(primary, way, callback);
  }

  #connectTo(node: Node, way: WayToPrimary, callback: ConnectionCallback): void {
    const { name } = node.address;
    this.cluster.poolOf(node).getConnection((error, connection) => {
      if (connection !== undefined) this.#lease(RoutedConnection.of(connection), callback);
      else if (error === null || !isAway(error) || this.cluster.isUnseen) callback(error);
      else {
        way.refused(name, error);
        this.#connectToReplica(way, callback, name);
      }
    });
  }

  /** Its reads go on, and what it writes waits. @param failed it could not be reached */
  #connectToReplica(way: WayToPrimary, callback: ConnectionCallback, failed = ''): void {
    const { cluster } = this;
    const node = cluster.balance.next(cluster.snapshot, { failed: new Set([failed]), maxLagMs: undefined });
    const [first] = cluster.snapshot.replicas.filter(({ address }) => address.name !== failed);
    const chosen = node ?? first;
    if (chosen === undefined) {
      this.#connectToPrimary(way, callback);
      return;
    }
    cluster.poolOf(chosen).getConnection((error, connection) => {
      if (connection !== undefined) {
        const routed = RoutedConnection.of(connection);
        // What is put behind a command of ours there would run there, whatever it is.
        routed.server.whenIdle(() => this.#lease(routed, callback));
      } else if (error !== null && isAway(error)) {
        cluster.failed(chosen.address.name, error);
        this.#connectToPrimary(way, callback);
      } else callback(error);
    });
  }

  #connectToPrimary(way: WayToPrimary, callback: ConnectionCallback): void {
    way.connect(
      (connection) => this.#lease(connection, callback),
      (error, node) => callback(withRoute(error, { to: 'primary', reason: 'write', node }, 'not-executed')),
    );
  }

  #lease(connection: RoutedConnection, callback: ConnectionCallback): void {
    if (this.#side === 'both') connection.lease = new Lease(this.cluster, connection);
    callback(null, connection);
  }
}
