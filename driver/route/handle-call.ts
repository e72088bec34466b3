import type { CoreCommand, QueryError, ResultCallback, Sql, StatementCallback } from '../mysql2/internals.js';
import type { ConnectionLease, RoutedConnection } from '../session/routed-connection.js';
import { PreparedHandle } from '../session/prepared-handle.js';
import { passingOn, type Call, type Intercept } from './call.js';

/** `connection.prepare()`: what is made is a handle that outlives the connection. */
export class PrepareCall implements Call {
  readonly isOfHome = true;
  readonly isHarmless = true;
  readonly sql: string;
  readonly #lease: ConnectionLease;
  readonly #options: Sql;
  readonly #callback: StatementCallback;

  constructor(lease: ConnectionLease, options: Sql, callback: StatementCallback) {
    this.sql = typeof options === 'string' ? options : options.sql;
    this.#lease = lease;
    this.#options = options;
    this.#callback = callback;
  }

  begin(connection: RoutedConnection, intercept: Intercept): CoreCommand {
    return connection.runPrepare(this.#options, (error, statement) => {
      if (error !== null && error !== undefined) {
        if (!intercept.intercept(error)) this.#callback(error);
      } else if (statement !== undefined) {
        this.#callback(null, new PreparedHandle(this.#lease, this.#options, statement));
      }
    });
  }

  fail(error: QueryError): void {
    this.#callback(error);
  }
}

/** An execution of a statement that `connection.prepare()` has prepared. */
export class HandleCall implements Call {
  readonly isOfHome = true;
  readonly sql: string;
  /** What the application has. */
  readonly command: CoreCommand;
  readonly #handle: PreparedHandle;
  readonly #values: unknown;
  readonly #callback: ResultCallback | undefined;
  #isBegun = false;

  constructor(handle: PreparedHandle, values: unknown, callback: ResultCallback | undefined) {
    this.sql = handle.query;
    this.#handle = handle;
    this.#values = values;
    this.#callback = callback;
    this.command = handle.newCommand(values, callback);
  }

  begin(connection: RoutedConnection, intercept: Intercept): CoreCommand {
    const callback = this.#callback;
    const command = this.#isBegun ? this.#handle.newCommand(this.#values, callback) : this.command;
    this.#isBegun = true;
    if (callback !== undefined) command.onResult = passingOn(callback, intercept);
    const known = this.#handle.on(connection);
    if (known !== undefined) command.statement = known;
    else this.#prepare(connection, command);
    return connection.addCommand(command);
  }

  fail(error: QueryError): void {
    if (this.#callback === undefined) this.command.emit('error', error);
    else this.#callback(error);
  }

  /** Before the execution, which is next in the queue. */
  #prepare(connection: RoutedConnection, command: CoreCommand): void {
    connection.runPrepare(this.#handle.options, (error, statement) => {
      if (statement !== undefined) {
        this.#handle.isNow(statement);
        command.statement = statement;
        return;
      }
      if (error === null) return;
      command.start = () => null;
      if (command.onResult === undefined) command.emit('error', error);
      else command.onResult(error);
    });
  }
}
