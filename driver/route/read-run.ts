import type { KnownStatement } from '../../src/classify/known-statement.js';
import { flavourOf } from '../../src/flavour/flavour-of.js';
import type { ChosenReplica } from '../../src/routing/choose-replica.js';
import type { Waits } from '../../src/session/freshness.js';
import type { RouteReason } from '../../src/routing/route.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Scope } from '../cluster/scopes.js';
import { isLoss, isRefusedWrite, isServersTrouble, withRoute } from '../errors.js';
import type { CoreCommand, QueryError } from '../mysql2/internals.js';
import type { NodePool } from '../pool/node-pool.js';
import { enterState } from '../session/enter-state.js';
import { RoutedConnection } from '../session/routed-connection.js';
import type { Wanted } from '../session/server-session.js';
import { failLater, type Call, type Intercept } from './call.js';

/** Who has a read run. */
export interface Reader {
  /** In which state the session on the connection has to be. */
  wanted(connection: RoutedConnection): Wanted;
  /** What is said there first. */
  readonly before?: readonly string[];
  /** It runs there now. */
  runs(connection: RoutedConnection): void;
  /** It has ended there; the connection is the reader's to give back. */
  ended(connection: RoutedConnection): void;
}

/** Has the primary answer a read. */
export type ToPrimary = (reason: RouteReason, run: ReadRun) => void;

/** Nearly no read fails anywhere. */
const NONE: ReadonlySet<string> = new Set();

/** Runs one certain read on a replica that has what it has to see: on another where that fails before it has answered, at last on the primary. */
export class ReadRun implements Intercept {
  readonly call: Call;
  readonly known: KnownStatement;
  readonly scope: Scope;
  readonly #cluster: Cluster;
  readonly #reader: Reader;
  readonly #toPrimary: ToPrimary;
  #failed = NONE;
  /** Where it runs, or ran last. */
  #connection: RoutedConnection | undefined;
  #beganAtMs: number | undefined;

  /** @param toPrimary called where the primary is to answer it */
  constructor(cluster: Cluster, call: Call, known: KnownStatement, scope: Scope, reader: Reader, toPrimary: ToPrimary) {
    this.#cluster = cluster;
    this.call = call;
    this.known = known;
    this.scope = scope;
    this.#reader = reader;
    this.#toPrimary = toPrimary;
  }

  start(): void {
    const chosen = this.#cluster.choose(this.known, this.scope, this.#failed);
    if (typeof chosen === 'string') {
      this.#toPrimary(chosen === 'primary' ? this.known.classification.reason : chosen, this);
      return;
    }
    const pool = this.#cluster.poolOf(chosen.node);
    const free = pool.takeFree();
    if (free !== undefined) this.#whenIdle(RoutedConnection.of(free), chosen);
    else this.#ask(pool, chosen);
  }

  #ask(pool: NodePool, chosen: ChosenReplica): void {
    pool.getConnection((error, connection) => {
      if (connection === undefined) this.#notConnected(chosen.node.address.name, error);
      else this.#whenIdle(RoutedConnection.of(connection), chosen);
    });
  }

  #whenIdle(connection: RoutedConnection, chosen: ChosenReplica): void {
    const { server } = connection;
    if (server.isBusy) server.whenIdle(() => this.#connected(connection, chosen));
    else this.#connected(connection, chosen);
  }

  #notConnected(node: string, error: QueryError | null): void {
    if (error !== null && isServersTrouble(error)) this.#cluster.failed(node, error);
    this.#failed = new Set(this.#failed).add(node);
    this.start();
  }

  #connected(connection: RoutedConnection, chosen: ChosenReplica): void {
    const { server } = connection;
    const wanted = this.#reader.wanted(connection);
    if (server.session.inTransaction || !server.session.autocommit) {
      // What it reads is of the time when its transaction began.
      connection.release();
      this.#toPrimary(this.known.classification.reason, this);
      return;
    }
    if (server.session.state.key === wanted.state.key) this.#awaitIfNeeded(connection, chosen);
    else this.#restore(connection, wanted, chosen);
  }

  /** Another session has left it in its own state. */
  #restore(connection: RoutedConnection, wanted: Wanted, chosen: ChosenReplica): void {
    enterState(connection, wanted, this.#cluster.baseline, (failure) => {
      if (failure === undefined) {
        this.#awaitIfNeeded(connection, chosen);
        return;
      }
      if (failure !== 'unfit' && isLoss(failure)) this.#cluster.failed(connection.server.node.name, failure);
      connection.destroy();
      this.#toPrimary(this.known.classification.reason, this);
    });
  }

  #awaitIfNeeded(connection: RoutedConnection, { position, waits }: ChosenReplica): void {
    if (waits === undefined || position.executed.contains(waits.for)) this.#send(connection, position);
    else this.#await(connection, position, waits);
  }

  /** It may run as soon as the replica has what it has to see. */
  #await(connection: RoutedConnection, position: ChosenReplica['position'], waits: Waits): void {
    const { serverVersion, split } = this.#cluster;
    const sql = flavourOf(serverVersion).awaitGtids(waits.for.toString(), split.consistencyWaitMs);
    connection.ask(sql, (error) => {
      if (!error) {
        position.proved(waits.for, Date.now());
        this.scope.freshness.seen(position, waits.own, waits.all);
        this.#send(connection, position);
        return;
      }
      if (isLoss(error)) this.#cluster.failed(connection.server.node.name, error);
      position.isLate = true;
      connection.release();
      this.#toPrimary('consistency', this);
    });
  }

  #send(connection: RoutedConnection, position: ChosenReplica['position']): void {
    const { server } = connection;
    const { name } = server.node;
    this.#connection = connection;
    this.#beganAtMs = this.#cluster.balance.loads?.began(name);
    if (this.#reader.before !== undefined) this.#sayBefore(connection, this.#reader.before);
    const command = this.#begin(connection);
    if (command === undefined) return;
    this.#cluster.counts.ran(name, 'replica', this.known.classification.reason);
    this.#reader.runs(connection);
    command.once('end', () => {
      // It may run elsewhere by now.
      if (this.#connection === connection) this.#ended();
      const level = this.known.classification.consistency ?? this.scope.freshness.level;
      this.scope.freshness.readEnded(position, level, false, Date.now());
      this.#reader.ended(connection);
    });
  }

  #sayBefore(connection: RoutedConnection, before: readonly string[]): void {
    for (const sql of before) {
      connection.ask(sql, (error) => {
        if (error) connection.destroy();
      });
    }
  }

  /** @returns undefined where its values cannot be sent: then it has failed */
  #begin(connection: RoutedConnection): CoreCommand | undefined {
    const { server } = connection;
    try {
      server.expects(this.known);
      const command = this.call.begin(connection, this);
      server.expects(undefined);
      return command;
    } catch (error) {
      server.expects(undefined);
      this.#ended();
      this.#reader.ended(connection);
      failLater(this.call, error);
      return undefined;
    }
  }

  /** It runs on its node no more. */
  #ended(): void {
    const [beganAtMs, connection] = [this.#beganAtMs, this.#connection];
    if (beganAtMs === undefined || connection === undefined) return;
    this.#beganAtMs = undefined;
    this.#cluster.balance.loads?.ended(connection.server.node.name, beganAtMs);
  }

  /** Nothing of an answer has come. */
  intercept(error: QueryError): boolean {
    const name = this.#connection?.server.node.name ?? '';
    if (isLoss(error)) {
      this.#ended();
      this.#cluster.failed(name, error);
      this.#failed = new Set(this.#failed).add(name);
      process.nextTick(() => this.start());
      return true;
    }
    if (isRefusedWrite(error)) {
      const { digest } = this.known;
      if (digest !== undefined && this.#cluster.texts.digests.isSingle(digest)) digest.refusedByReplica = true;
      process.nextTick(() => this.#toPrimary('replica-refused', this));
      return true;
    }
    withRoute(error, { to: 'replica', reason: this.known.classification.reason, node: name });
    return false;
  }
}
