import type { EventEmitter } from 'node:events';
import mysql2, { type PoolOptions } from 'mysql2';
import mysql2Promise from 'mysql2/promise';
import { seenAs } from './seen-as.js';

/**
 * mysql2's own classes, as they are at run time: its types leave some of them out, and show others as they are not. What stands here
 * is all that the driver knows of its inside.
 */

/** An error, with the fields that mysql2 gives it. */
export interface QueryError extends Error {
  code?: string;
  errno?: number;
  sqlState?: string;
  sqlMessage?: string;
  sql?: string;
  fatal?: boolean;
}

export type ResultCallback = (error: QueryError | null, rows?: unknown, fields?: unknown) => void;
export type ConnectionCallback = (error: QueryError | null, connection?: CoreConnection) => void;

/** A statement's text, or what `query({ sql, … })` takes. */
export type Sql = string | SqlOptions;
export interface SqlOptions {
  readonly sql: string;
  readonly values?: unknown;
  readonly namedPlaceholders?: boolean;
}

/** A command in a connection's queue: `COM_QUERY`, and `COM_STMT_EXECUTE` where it has a statement. */
export interface CoreCommand extends EventEmitter {
  sql?: string;
  values?: unknown;
  namedPlaceholders?: boolean | undefined;
  onResult?: ResultCallback | undefined;
  /** Of a statement that was prepared for good. */
  statement?: { readonly query: string };
  /** What it does with the next packet: undefined or null before it is sent. */
  readonly next?: unknown;
  start?: () => null;
}

/** mysql2's PreparedStatementInfo: a statement as it is prepared on one connection. */
export interface CoreStatement {
  readonly query: string;
  readonly id: number;
  readonly columns: unknown;
  readonly parameters: unknown;
  readonly _connection: CoreConnection;
  execute(values: unknown, callback?: ResultCallback): CoreCommand;
  close(): unknown;
}

export type StatementCallback = (error: QueryError | null, statement?: CoreStatement) => void;

export interface CoreQuery extends CoreCommand {
  sql: string;
}

/** What a session tracker tells with an OK. */
export interface StateChanges {
  readonly systemVariables: Record<string, string>;
  readonly schema: string | null;
  gtids: string[];
  trackStateChange: string | null;
}

/** mysql2's ResultSetHeader of an OK packet. */
export interface OkResult {
  readonly affectedRows: number | string;
  readonly insertId: number | string;
  serverStatus: number;
  readonly warningStatus: number;
  stateChanges?: StateChanges;
}

export interface ConnectionSettings {
  host: string;
  port: number;
  readonly database: string | undefined;
  readonly user: string | undefined;
  readonly namedPlaceholders: boolean;
  readonly trace: boolean;
  readonly rowsAsArray: boolean;
}

export interface PoolSettings {
  readonly connectionConfig: ConnectionSettings;
  readonly connectionLimit: number;
  readonly queueLimit: number;
}

export interface CoreConnection extends EventEmitter {
  readonly config: ConnectionSettings;
  readonly threadId: number | null;
  readonly stream: { destroy(error?: Error): void };
  lastActiveTime: number;
  /** Of a pool's connection: it is free. */
  _released?: boolean;
  /** What is under way. */
  readonly _command?: CoreCommand | null;
  prepare(options: Sql, callback?: StatementCallback): CoreCommand;
  unprepare(sql: Sql): unknown;
  query(sql: Sql | CoreQuery, values?: unknown, callback?: unknown): CoreQuery;
  execute(sql: Sql, values?: unknown, callback?: unknown): CoreCommand;
  addCommand(command: CoreCommand): CoreCommand;
  /** Of a pool's connection: what `end()` is of others. */
  _realEnd(callback?: unknown): CoreCommand;
  end(callback?: unknown): unknown;
  ping(callback?: (error: QueryError | null) => void): CoreCommand;
  reset(callback?: (error: QueryError | null) => void): CoreCommand;
  changeUser(options: unknown, callback?: (error: QueryError | null) => void): CoreCommand;
  pause(): void;
  resume(): void;
  release(): void;
  escapeId(name: string): string;
  destroy(): void;
  /** Text as it goes to the server, with the values in it. */
  format(sql: string, values: unknown, namedPlaceholders?: boolean): string;
  _resolveNamedPlaceholders(options: object): void;
}

/** mysql2's ring queue. */
interface ConnectionQueue {
  readonly length: number;
  get(index: number): CoreConnection | undefined;
  pop(): CoreConnection | undefined;
}

export interface CorePool extends EventEmitter {
  readonly _allConnections: ConnectionQueue;
  readonly _freeConnections: ConnectionQueue;
  readonly _connectionQueue: { readonly length: number; shift(): ConnectionCallback | undefined };
  readonly config: PoolSettings;
  _closed: boolean;
  readonly _removeIdleTimeoutConnectionsTimer?: NodeJS.Timeout;
  getConnection(callback: ConnectionCallback): void;
  releaseConnection(connection: CoreConnection): void;
  query(sql: Sql, values?: unknown, callback?: unknown): CoreQuery;
  execute(sql: Sql, values?: unknown, callback?: unknown): void;
  end(callback?: (error?: QueryError | null) => void): void;
  promise(implementation?: PromiseConstructor): CorePromisePool;
}

interface Internals {
  createConnection(options: object): CoreConnection;
  readonly ConnectionConfig: { parseUrl(uri: string): PoolOptions };
  readonly Pool: new (options: { config: PoolSettings }) => CorePool;
  readonly PoolConnection: { new (pool: CorePool, options: object): CoreConnection; prototype: CoreConnection };
  readonly Connection: {
    prototype: CoreConnection;
    createQuery(sql: Sql, values: unknown, callback: unknown, config: ConnectionSettings): CoreQuery;
  };
  createPool(options: object): CorePool;
}

export interface CorePromisePool extends EventEmitter {
  readonly pool: CorePool;
  query(sql: Sql, values?: unknown): Promise<unknown>;
  execute(sql: Sql, values?: unknown): Promise<unknown>;
  end(): Promise<void>;
}

interface PromiseInternals {
  readonly PromiseConnection: new (connection: CoreConnection, implementation?: PromiseConstructor) => EventEmitter;
  readonly PromisePool: new (pool: CorePool, implementation?: PromiseConstructor) => CorePromisePool;
}

/** Of the application's own copy of mysql2. */
export const core = seenAs<Internals>(mysql2);
export const corePromise = seenAs<PromiseInternals>(mysql2Promise);
