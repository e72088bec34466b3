import type { KnownStatement } from '../../src/classify/known-statement.js';
import { DEFAULTS } from '../../src/defaults.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Scope } from '../cluster/scopes.js';
import {
  ER_OPTION_PREVENTS_STATEMENT,
  isLoss,
  isReadOnlyServer,
  isRefusedWrite,
  mayBePartlyDone,
  withRoute,
  type RouteTaken,
} from '../errors.js';
import type { QueryError } from '../mysql2/internals.js';
import type { RoutedConnection } from '../session/routed-connection.js';
import { failLater, type Call, type Intercept } from './call.js';
import { freePrimary, WayToPrimary } from './way-to-primary.js';

/** What a server that is read-only has certainly not done, not even in part. */
const WHOLE: ReadonlySet<string> = new Set(['write', 'ddl', 'locking-read']);

/** Runs one statement on the primary, in a session of its own; it waits while there is no primary, and runs anew on another one where the first certainly has not run it. */
export class PrimaryRun {
  readonly #cluster: Cluster;
  readonly #call: Call;
  readonly #known: KnownStatement;
  readonly #scope: Scope;
  readonly #reason: string;
  readonly #isRead: boolean;
  /** Made when there is something to wait for. */
  #way: WayToPrimary | undefined;
  #ended: (() => void) | undefined;
  #attempts = 0;

  /** @param isRead it is a certain read: to run it twice does no harm */
  constructor(
    cluster: Cluster,
    call: Call,
    known: KnownStatement,
    scope: Scope,
    reason: string,
    isRead: boolean,
    ended?: () => void,
  ) {
    this.#cluster = cluster;
    this.#call = call;
    this.#known = known;
    this.#scope = scope;
    this.#reason = reason;
    this.#isRead = isRead;
    this.#ended = ended;
  }

  start(): void {
    this.#attempts++;
    const free = this.#way === undefined ? freePrimary(this.#cluster) : undefined;
    if (free !== undefined) this.#send(free);
    else this.#connect(this.#wayToPrimary());
  }

  #connect(way: WayToPrimary): void {
    way.connect(
      (connection) => this.#send(connection),
      (error, node) => this.#fail(error, node),
    );
  }

  #wayToPrimary(): WayToPrimary {
    this.#way ??= new WayToPrimary(this.#cluster, this.#call.sql);
    return this.#way;
  }

  #send(connection: RoutedConnection): void {
    const { server } = connection;
    const mayRepeat = WHOLE.has(this.#known.classification.reason) && !server.session.inTransaction;
    const attempt = new Attempt(this, server.node.name, mayRepeat);
    let command;
    try {
      server.expects(this.#known);
      command = this.#call.begin(connection, attempt);
      server.expects(undefined);
    } catch (error) {
      server.expects(undefined);
      connection.release();
      failLater(this.#call, error);
      this.#over();
      return;
    }
    this.#cluster.counts.ran(attempt.node, 'primary', this.#reason);
    command.once('end', () => {
      this.#cluster.ranOnPrimary(server.node, this.#known, this.#scope, this.#reason);
      // As mysql2's pool does: the next one is not to meet a server that takes no writes.
      if (attempt.isReadOnly) connection.destroy();
      else connection.release();
      if (!attempt.isTaken) this.#over();
    });
  }

  /** @returns whether it runs once more */
  failed({ node, mayRepeat }: Attempt, error: QueryError): boolean {
    if (isLoss(error)) {
      this.#cluster.failed(node, error);
      if (this.#isRead && this.#attempts <= DEFAULTS.lossesPerRead) {
        process.nextTick(() => this.start());
        return true;
      }
      withRoute(error, this.#route(node), 'unknown');
      process.nextTick(() => this.#over());
      return false;
    }
    if (isReadOnlyServer(error)) {
      if (mayRepeat) {
        this.#wayToPrimary().refused(node, error);
        process.nextTick(() => this.start());
        return true;
      }
      void this.#cluster.hurry();
      withRoute(error, this.#route(node), mayBePartlyDone(this.#known) ? undefined : 'not-executed');
      return false;
    }
    withRoute(error, this.#route(node));
    return false;
  }

  #fail(error: QueryError, node: string | undefined): void {
    this.#call.fail(withRoute(error, this.#route(node), 'not-executed'));
    this.#over();
  }

  /** Once only: of a connection that is lost, mysql2 tells in more ways than one. */
  #over(): void {
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.();
  }

  #route(node: string | undefined): RouteTaken {
    return { to: 'primary', reason: this.#reason, node };
  }
}

/** The statement on one connection. */
class Attempt implements Intercept {
  readonly node: string;
  readonly mayRepeat: boolean;
  /** The server takes no writes. */
  isReadOnly = false;
  /** Its failure was no end of the statement. */
  isTaken = false;
  readonly #run: PrimaryRun;

  constructor(run: PrimaryRun, node: string, mayRepeat: boolean) {
    this.#run = run;
    this.node = node;
    this.mayRepeat = mayRepeat;
  }

  intercept(error: QueryError): boolean {
    this.isReadOnly = isRefusedWrite(error) || error.errno === ER_OPTION_PREVENTS_STATEMENT;
    this.isTaken = this.#run.failed(this, error);
    return this.isTaken;
  }
}
