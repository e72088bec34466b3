import type { CoreCommand, CoreConnection, CoreStatement, ResultCallback, Sql } from '../mysql2/internals.js';
import { seenAs } from '../mysql2/seen-as.js';
import type { ConnectionLease, RoutedConnection } from './routed-connection.js';

/**
 * What `connection.prepare()` gives: mysql2's own statement, as long as its connection is the session's. Where the session goes on at
 * another one, it is prepared there when it is executed next.
 */
export class PreparedHandle implements CoreStatement {
  readonly query: string;
  readonly options: Sql;
  readonly #lease: ConnectionLease;
  #statement: CoreStatement;

  constructor(lease: ConnectionLease, options: Sql, statement: CoreStatement) {
    this.#lease = lease;
    this.options = options;
    this.query = statement.query;
    this.#statement = statement;
  }

  get id(): number {
    return this.#statement.id;
  }

  get columns(): unknown {
    return this.#statement.columns;
  }

  get parameters(): unknown {
    return this.#statement.parameters;
  }

  get _connection(): CoreConnection {
    return this.#statement._connection;
  }

  execute(values: unknown, callback?: ResultCallback): CoreCommand {
    const [own, given] = typeof values === 'function' ? [[], seenAs<ResultCallback>(values)] : [values, callback];
    if (this.#lease.isOver) return this.#statement.execute(own, given);
    return this.#lease.executeHandle(this, own, given);
  }

  /** What was prepared on a connection that is gone is closed. */
  close(): unknown {
    const { home } = this.#lease;
    const isThere = this.#lease.isOver || (this.on(home) !== undefined && !home.server.isGone);
    return isThere ? this.#statement.close() : undefined;
  }

  /** As it is prepared there; undefined where it is not. */
  on(connection: RoutedConnection): CoreStatement | undefined {
    return this.#statement._connection === connection ? this.#statement : undefined;
  }

  isNow(statement: CoreStatement): void {
    this.#statement = statement;
  }

  /** An execution that is in no connection's queue yet. */
  newCommand(values: unknown, callback: ResultCallback | undefined): CoreCommand {
    const queue = { addCommand: (command: CoreCommand) => command };
    const statement: CoreStatement = Object.create(this.#statement, { _connection: { value: queue } });
    return statement.execute(values, callback);
  }
}
