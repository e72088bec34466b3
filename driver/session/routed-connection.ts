import { flavourOf } from '../../src/flavour/flavour-of.js';
import {
  core,
  type CoreCommand,
  type CoreConnection,
  type CoreQuery,
  type QueryError,
  type ResultCallback,
  type Sql,
  type StatementCallback,
} from '../mysql2/internals.js';
import { connectionGivenUp } from '../errors.js';
import type { PreparedHandle } from './prepared-handle.js';
import { seenAs } from '../mysql2/seen-as.js';
import { isOkResult } from './ok-result.js';
import type { ServerSession } from './server-session.js';

export type Told = (error: QueryError | null) => void;

/** A command that is no statement: `ping()` and its like. It can be run again where its connection was lost. */
export interface ConnectionCommand {
  /** Puts it into the queue of the connection that the session is on. */
  begin(home: RoutedConnection, told: Told): CoreCommand;
  /** Whatever the session had is over with it. */
  readonly endsAll?: boolean;
}

/** What an application has from `getConnection()`: it says where each statement runs. */
export interface ConnectionLease {
  query(command: CoreQuery): void;
  /** @returns undefined where it is to run on the connection itself */
  execute(sql: Sql, values: unknown, callback: ResultCallback): CoreCommand | undefined;
  prepare(options: Sql, callback: StatementCallback): CoreCommand;
  executeHandle(handle: PreparedHandle, values: unknown, callback: ResultCallback | undefined): CoreCommand;
  /** The application has given the connection back. */
  readonly isOver: boolean;
  /** Runs what is no statement. */
  command(command: ConnectionCommand, told: Told): CoreCommand;
  /** @returns whether the command is kept until what runs elsewhere has ended */
  holdsBack(command: CoreCommand): boolean;
  /** Where statements run at the moment, if that is not on the connection itself. */
  readonly elsewhere: RoutedConnection | undefined;
  /** On which connection the session is now. */
  readonly home: RoutedConnection;
  /** @param isDestroyed nobody is to use its connection again */
  ended(isDestroyed: boolean): void;
}

/**
 * A connection of one of the pools of mysql2, made into this after its login. To its pool, and to who has it from there, it is what it
 * was; while an application has it from `getConnection()`, certain reads of the session run on another one.
 */
export class RoutedConnection extends core.PoolConnection {
  declare server: ServerSession;
  declare lease: ConnectionLease | undefined;
  /** It is of no pool: its lease ends with it. */
  declare isAlone: boolean;

  static adopt(connection: CoreConnection, server: ServerSession): RoutedConnection {
    // Before the prototype: properties that are new to an object whose prototype was changed give V8 of Node 20 a shape of its own for each.
    const routed = Object.assign(RoutedConnection.of(connection), { server, lease: undefined, isAlone: false });
    Object.setPrototypeOf(routed, RoutedConnection.prototype);
    track(routed);
    for (const event of ['error', 'end']) {
      routed.once(event, () => server.lost());
    }
    return routed;
  }

  /** The connections of a node's pool are all of this class. */
  static of(connection: CoreConnection): RoutedConnection {
    return seenAs<RoutedConnection>(connection);
  }

  override query(sql: Sql | CoreQuery, values?: unknown, callback?: unknown): CoreQuery {
    const { lease } = this;
    if (lease === undefined) return super.query(sql, values, callback);
    const command = isQuery(sql) ? sql : core.Connection.createQuery(sql, values, callback, this.config);
    lease.query(command);
    return command;
  }

  override execute(sql: Sql, values?: unknown, callback?: unknown): CoreCommand {
    const { lease } = this;
    const given = typeof values === 'function' ? values : callback;
    if (lease === undefined || typeof given !== 'function') return super.execute(sql, values, callback);
    const own = typeof values === 'function' ? undefined : values;
    // Whoever gives a callback gets what mysql2 gives callbacks.
    const elsewhere = lease.execute(sql, own, seenAs<ResultCallback>(given));
    return elsewhere ?? super.execute(sql, values, callback);
  }

  /** Past the lease. */
  runQuery(command: CoreQuery): CoreQuery {
    return super.query(command);
  }

  runExecute(sql: Sql, values: unknown, callback: ResultCallback): CoreCommand {
    return values === undefined ? super.execute(sql, callback) : super.execute(sql, values, callback);
  }

  /** A statement of ours, of which the session is not to know. */
  ask(sql: string, callback: ResultCallback): void {
    // Past what mysql2 puts in the place of `addCommand` when a connection is lost: nobody would be told.
    if (this.server.isGone) {
      const error = connectionGivenUp(this.server.node.name, 'it was lost');
      process.nextTick(() => callback(error));
      return;
    }
    const command = core.Connection.createQuery(sql, undefined, callback, this.config);
    command.namedPlaceholders = false;
    this.server.expectOwn(command);
    super.addCommand(watched(this, command));
  }

  override addCommand(command: CoreCommand): CoreCommand {
    if (this.lease?.holdsBack(command) === true) return command;
    return super.addCommand(watched(this, command));
  }

  /** What was held back. */
  addNow(command: CoreCommand): void {
    if (!this.server.isGone) super.addCommand(watched(this, command));
    else {
      const error = connectionGivenUp(this.server.node.name, 'it was lost');
      if (command.onResult !== undefined) command.onResult(error);
      else if (command.listenerCount('error') > 0) command.emit('error', error);
    }
  }

  override prepare(options: Sql, callback?: StatementCallback): CoreCommand {
    const { lease } = this;
    return lease === undefined || callback === undefined
      ? super.prepare(options, callback)
      : lease.prepare(options, callback);
  }

  /** Past the lease. */
  runPrepare(options: Sql, callback: StatementCallback): CoreCommand {
    return super.prepare(options, callback);
  }

  override unprepare(sql: Sql): unknown {
    const home = homeOf(this);
    if (home.server.isGone) return undefined;
    return home === this ? super.unprepare(sql) : home.unprepare(sql);
  }

  override ping(callback?: Told): CoreCommand {
    const { lease } = this;
    if (lease === undefined) return super.ping(callback);
    return lease.command({ begin: (home, told) => home.runPing(told) }, (error) => callback?.(error));
  }

  override reset(callback?: Told): CoreCommand {
    const { lease } = this;
    if (lease === undefined) return this.runReset((error) => callback?.(error));
    return lease.command({ begin: (home, told) => home.runReset(told), endsAll: true }, (error) => callback?.(error));
  }

  override changeUser(options: unknown, callback?: Told): CoreCommand {
    const [wanted, given] = typeof options === 'function' ? [{}, seenAs<Told>(options)] : [options, callback];
    const { lease } = this;
    if (lease === undefined) return this.runChangeUser(wanted, (error) => given?.(error));
    const begin: ConnectionCommand['begin'] = (home, told) => home.runChangeUser(wanted, told);
    return lease.command({ begin, endsAll: true }, (error) => given?.(error));
  }

  runPing(told: Told): CoreCommand {
    return super.ping(told);
  }

  runReset(told: Told): CoreCommand {
    const command = super.reset((error) => {
      if (!error) this.server.reset();
      told(error);
    });
    track(this);
    return command;
  }

  runChangeUser(options: unknown, told: Told): CoreCommand {
    const { user } = this.config;
    const command = super.changeUser(options, told);
    command.once('end', () => {
      this.server.changed(this.config.database ?? '');
      this.server.isOfOtherUser ||= this.config.user !== user;
    });
    track(this);
    return command;
  }

  override pause(): void {
    super.pause();
    this.lease?.elsewhere?.pause();
  }

  override resume(): void {
    super.resume();
    this.lease?.elsewhere?.resume();
  }

  override end(callback?: unknown): unknown {
    if (!this.isAlone) return super.end(callback);
    endLease(this, false);
    return this._realEnd(callback);
  }

  override release(): void {
    endLease(this, false);
    if (this.server.isRetired) super.destroy();
    else super.release();
  }

  override destroy(): void {
    endLease(this, true);
    super.destroy();
  }

  /** The session goes on elsewhere, and the application has this object for it all the same. */
  abandon(): void {
    super.destroy();
  }
}

// Private methods there are not on an object that the class has not made.

function endLease(connection: RoutedConnection, isDestroyed: boolean): void {
  const { lease } = connection;
  connection.lease = undefined;
  lease?.ended(isDestroyed);
}

function homeOf(connection: RoutedConnection): RoutedConnection {
  return connection.lease?.home ?? connection;
}

function watched(connection: RoutedConnection, command: CoreCommand): CoreCommand {
  connection.server.watch(command, connection.lease !== undefined);
  return command;
}

/** Makes the server tell what becomes of the session. */
function track(connection: RoutedConnection): void {
  const { server } = connection;
  connection.ask(flavourOf(server.session.serverVersion).trackSession, (_error, answer) => {
    if (isOkResult(answer)) server.tracks(answer);
  });
}

function isQuery(sql: Sql | CoreQuery): sql is CoreQuery {
  return typeof sql === 'object' && 'addListener' in sql;
}
