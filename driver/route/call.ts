import {
  core,
  type ConnectionSettings,
  type CoreCommand,
  type CoreQuery,
  type QueryError,
  type ResultCallback,
  type Sql,
} from '../mysql2/internals.js';
import type { RoutedConnection } from '../session/routed-connection.js';

/** Who may take an error away from who called. */
export interface Intercept {
  /** @returns whether it did, and will see to the rest */
  intercept(error: QueryError): boolean;
}

/** Nobody does. */
export const NO_INTERCEPT: Intercept = { intercept: () => false };

/** Whether the server may have got it, as the command's connection is lost. */
export function isSent({ next }: CoreCommand): boolean {
  return next !== undefined && next !== null;
}

/** One statement, which can be begun anew elsewhere as long as nothing of an answer has been seen. */
export interface Call {
  readonly sql: string;
  /** It runs where its session is, and on no replica. */
  readonly isOfHome?: true;
  /** It changes nothing, whatever becomes of it. */
  readonly isHarmless?: true;
  /** @throws TypeError for values that cannot be sent */
  begin(connection: RoutedConnection, intercept: Intercept): CoreCommand;
  /** It ends without having been answered. */
  fail(error: QueryError): void;
}

/** For what fails while it is asked for. @param error as it was thrown */
export function failLater(call: Call, error: unknown): void {
  process.nextTick(() => call.fail(error instanceof Error ? error : new Error(String(error))));
}

/** Of a connection that is lost mysql2 may tell more than once: what it sends as two commands, each of them tells. */
export function passingOn(callback: ResultCallback, intercept: Intercept): ResultCallback {
  let hasFailed = false;
  return (error, rows, fields) => {
    if (hasFailed) return;
    if (error) {
      hasFailed = true;
      if (intercept.intercept(error)) return;
    }
    // mysql2 leaves the third one out where there are no fields.
    if (fields === undefined) callback(error, rows);
    else callback(error, rows, fields);
  };
}

export class ExecuteCall implements Call {
  readonly sql: string;
  readonly #statement: Sql;
  readonly #values: unknown;
  readonly #callback: ResultCallback;

  constructor(statement: Sql, values: unknown, callback: ResultCallback) {
    this.sql = typeof statement === 'string' ? statement : statement.sql;
    this.#statement = statement;
    this.#values = values;
    this.#callback = callback;
  }

  begin(connection: RoutedConnection, intercept: Intercept): CoreCommand {
    return connection.runExecute(this.#statement, this.#values, passingOn(this.#callback, intercept));
  }

  fail(error: QueryError): void {
    this.#callback(error);
  }
}

/** What mysql2 keeps of the options that a query was made with. */
interface QueryInside {
  readonly _queryOptions?: object;
  _connection?: unknown;
}

export class QueryCall implements Call {
  readonly sql: string;
  readonly #command: CoreQuery & QueryInside;
  readonly #config: ConnectionSettings;
  readonly #values: unknown;
  readonly #named: boolean | undefined;
  readonly #callback: ResultCallback | undefined;
  #isBegun = false;

  /** @param command that was made for the application, and has it: its listeners, its stream */
  constructor(command: CoreQuery, config: ConnectionSettings) {
    this.sql = command.sql;
    this.#command = command;
    this.#config = config;
    this.#values = command.values;
    this.#named = command.namedPlaceholders;
    this.#callback = command.onResult;
  }

  begin(connection: RoutedConnection, intercept: Intercept): CoreCommand {
    if (this.#callback === undefined) return this.#beginStream(connection, intercept);
    const command = this.#isBegun ? this.#again() : this.#command;
    this.#isBegun = true;
    command.onResult = passingOn(this.#callback, intercept);
    return connection.runQuery(command);
  }

  fail(error: QueryError): void {
    if (this.#callback === undefined) this.#command.emit('error', error);
    else this.#callback(error);
  }

  #again(): CoreQuery {
    const options = { ...this.#command._queryOptions, sql: this.sql, values: this.#values };
    const command = core.Connection.createQuery(options, undefined, undefined, this.#config);
    command.namedPlaceholders = this.#named;
    return command;
  }

  /** What listens to events must not hear of an attempt that fails: it hears of another query's. */
  #beginStream(connection: RoutedConnection, intercept: Intercept): CoreCommand {
    const outer = this.#command;
    const inner = this.#again();
    // Who reads the stream too slowly halts the connection that it comes from.
    outer._connection = connection;
    let answered = false;
    let taken = false;
    const failed = (error: QueryError): void => {
      connection.off('error', lost);
      taken = !answered && intercept.intercept(error);
      if (!taken) outer.emit('error', error);
    };
    inner.on('fields', (...fields) => {
      answered = true;
      outer.emit('fields', ...fields);
    });
    inner.on('result', (...row) => {
      answered = true;
      outer.emit('result', ...row);
    });
    inner.once('error', failed);
    // To a query without a callback mysql2 does not tell that its connection is gone.
    const lost = (error: QueryError): void => {
      // Nobody may want to know: then the connection's own event is all there is, as with mysql2.
      if (outer.listenerCount('error') === 0) outer.once('error', () => {});
      failed(error);
      if (!taken) inner.emit('end');
    };
    connection.once('error', lost);
    inner.once('end', () => {
      connection.off('error', lost);
      if (!taken) outer.emit('end');
    });
    return connection.runQuery(inner);
  }
}
