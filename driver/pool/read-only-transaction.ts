import type { KnownStatement } from '../../src/classify/known-statement.js';
import { flavourOf } from '../../src/flavour/flavour-of.js';
import type { Fitness } from '../../src/session/freshness.js';
import type { KnownPosition } from '../../src/session/known-positions.js';
import { ReplicaTransaction } from '../../src/session/replica-transaction.js';
import type { Session } from '../../src/session/session.js';
import type { Cluster } from '../cluster/cluster.js';
import { isLoss, isReadOnlyServer, withRoute } from '../errors.js';
import type { QueryError } from '../mysql2/internals.js';
import type { Call } from '../route/call.js';
import { isOkResult } from '../session/ok-result.js';
import type { RoutedConnection } from '../session/routed-connection.js';

/** The session whose transaction it is. */
export interface TransactionOwner {
  readonly session: Session;
  /** Runs a statement of the transaction at the primary, where that goes on. */
  goesOn(known: KnownStatement, call: Call): void;
  /** The transaction is over where it was. */
  left(): void;
}

/**
 * A read-only transaction of a session, which is open on a connection to a replica. Its reads are put into the queue of that connection
 * as they come.
 */
export class ReadOnlyTransaction {
  readonly connection: RoutedConnection;
  readonly #cluster: Cluster;
  readonly #owner: TransactionOwner;
  readonly #state: ReplicaTransaction;
  #running = 0;

  /** @param commands that have opened it */
  constructor(cluster: Cluster, owner: TransactionOwner, connection: RoutedConnection, commands: readonly Buffer[]) {
    this.#cluster = cluster;
    this.#owner = owner;
    this.connection = connection;
    this.#state = new ReplicaTransaction(connection.server.node.name, commands);
  }

  /** What opens it anew. */
  get commands(): readonly string[] {
    return this.#state.commands.map((command) => command.toString('utf8'));
  }

  /**
   * What a read has to wait for that reads of no snapshot yet: it has to see what has come since the transaction was opened, too.
   * @returns `fits` where it may run at once
   */
  fitness({ classification }: KnownStatement): Fitness {
    const { scopes, snapshot, positions } = this.#cluster;
    const scope = scopes.current;
    const isFixed = this.#state.hasSnapshot && !this.#owner.session.readsCommitted;
    const node = snapshot.nodes.find(({ address }) => address.name === this.#state.node);
    if (isFixed || node === undefined) return { kind: 'fits' };
    const level = classification.consistency ?? scope.freshness.level;
    return scope.freshness.fitness(positions.of(node), level, snapshot);
  }

  /** @param then told whether the replica has what is waited for */
  await(wait: Extract<Fitness, { kind: 'waits' }>, then: (isThere: boolean) => void): void {
    const { serverVersion, split, scopes } = this.#cluster;
    const { current } = scopes;
    const sql = flavourOf(serverVersion).awaitGtids(wait.for.toString(), split.consistencyWaitMs);
    this.connection.ask(sql, (error) => {
      const position = this.#position;
      if (!error && position !== undefined) {
        position.proved(wait.for, Date.now());
        current.freshness.seen(position, wait.own, wait.all);
      }
      then(!error);
    });
  }

  /** @param ended called when the statement has ended there, but not where that is left to the owner */
  run(known: KnownStatement, call: Call, ended: () => void): void {
    const { classification } = known;
    const { connection } = this;
    const { name } = connection.server.node;
    let failure: QueryError | undefined;
    const scope = this.#cluster.scopes.current;
    const intercept = (error: QueryError): boolean => {
      failure = error;
      this.#running--;
      if (isLoss(error)) return this.#lost(known, call, error, ended);
      if (isReadOnlyServer(error)) {
        process.nextTick(() => this.#owner.goesOn(known, call));
        return true;
      }
      this.#running++;
      withRoute(error, { to: 'replica', reason: 'in-transaction', node: name });
      return false;
    };
    this.#running++;
    let command;
    try {
      command = connection.server.expecting(known, () => call.begin(connection, { intercept }));
    } catch (error) {
      this.#running--;
      call.fail(error instanceof Error ? error : new Error(String(error)));
      ended();
      return;
    }
    this.#cluster.counts.ran(name, 'replica', 'in-transaction');
    command.once('end', () => {
      if (failure !== undefined && (isLoss(failure) || isReadOnlyServer(failure))) return;
      this.#running--;
      if (failure === undefined) this.#ran(known, call);
      const level = classification.consistency ?? scope.freshness.level;
      const position = this.#position;
      if (position !== undefined) scope.freshness.readEnded(position, level, false, Date.now());
      ended();
    });
  }

  /** Ends it on the replica, behind what is under way there. */
  abandon(then: () => void): void {
    const { connection } = this;
    connection.ask('ROLLBACK', (error, answer) => {
      if (isOkResult(answer)) connection.server.tracks(answer);
      if (error) connection.destroy();
      else connection.release();
      then();
    });
  }

  get #position(): KnownPosition | undefined {
    const { snapshot, positions } = this.#cluster;
    const node = snapshot.nodes.find(({ address }) => address.name === this.#state.node);
    return node === undefined ? undefined : positions.of(node);
  }

  #ran({ classification }: KnownStatement, { sql }: Call): void {
    if (classification.target === 'replica') this.#state.read(sql);
    this.#state.ran(classification.transaction, Buffer.from(sql, 'utf8'));
  }

  /** Its connection is gone. Where it had read nothing, it can go on at the primary; else what it would read there may not fit. */
  #lost(known: KnownStatement, call: Call, error: QueryError, ended: () => void): boolean {
    this.#cluster.failed(this.#state.node, error);
    if (!this.#state.hasRead && this.#running === 0) {
      process.nextTick(() => this.#owner.goesOn(known, call));
      return true;
    }
    this.connection.destroy();
    withRoute(error, { to: 'replica', reason: 'in-transaction', node: this.#state.node }, 'unknown');
    this.#owner.left();
    ended();
    return false;
  }
}
