import type { KnownStatement } from '../src/classify/known-statement.js';
import type { Route } from '../src/routing/route.js';
import type { QueryError } from './mysql2/internals.js';

/** What became of a statement that got no answer: only what was not executed may be sent again. */
export type Outcome = 'not-executed' | 'unknown';

/** Where a statement went, and why. */
export interface RouteTaken {
  readonly to: 'primary' | 'replica';
  readonly reason: string;
  /** `HOST:PORT`, or the name that was given; undefined where there was none to go to. */
  readonly node: string | undefined;
}

/** What the pool's errors have beside mysql2's fields. */
export interface SplitError extends QueryError {
  route?: RouteTaken;
  /** Undefined where the server itself answered with the error. */
  outcome?: Outcome;
}

export const ER_OPTION_PREVENTS_STATEMENT = 1290;
const ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION = 1792;
const ER_READ_ONLY_MODE = 1836;

/** A server's way to say that it is leaving. */
const LEAVING: ReadonlySet<number> = new Set([1053, 1077, 1079, 3032, 4031]);
const ER_CON_COUNT_ERROR = 1040;

/** Of a server that shuts down, or is offline, to who logs in. */
const GOING: ReadonlySet<number> = new Set([1053, 3032]);

/** A server may have done a part of these before it refuses the next one. */
const IN_PARTS: ReadonlySet<string> = new Set(['procedure-call', 'stored-function', 'multi-statement']);

/** The server, not the transaction, is read-only: the statement was not executed. 1290 is said of other options, too. */
export function isReadOnlyServer({ errno, message }: QueryError): boolean {
  return errno === ER_READ_ONLY_MODE || (errno === ER_OPTION_PREVENTS_STATEMENT && /read[-_]only/i.test(message));
}

/** A replica's answer to what writes after all. */
export function isRefusedWrite(error: QueryError): boolean {
  return isReadOnlyServer(error) || error.errno === ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION;
}

/** The connection is gone, or about to go. */
export function isLoss(error: QueryError): boolean {
  return error.fatal === true || LEAVING.has(error.errno ?? 0);
}

/** No connection was made, for a reason that lies with the server and not with the pool's own bounds. */
export function isServersTrouble(error: QueryError): boolean {
  if (error.errno === ER_CON_COUNT_ERROR) return true;
  return error.fatal === true && error.sqlState === undefined;
}

/** No connection was made, as the server is not there, or going: another one may take its place. */
export function isAway(error: QueryError): boolean {
  return (error.fatal === true && error.sqlState === undefined) || GOING.has(error.errno ?? 0);
}

/** Where a server refuses a part of it as a write, another part may have been done. */
export function mayBePartlyDone({ classification: { reason } }: KnownStatement): boolean {
  return IN_PARTS.has(reason);
}

export function withRoute(error: QueryError, route: RouteTaken, outcome?: Outcome): QueryError {
  const told: SplitError = error;
  told.route ??= route;
  if (outcome !== undefined) told.outcome ??= outcome;
  return told;
}

export function noPrimary(problem: string | undefined, sql: string): QueryError {
  const error: SplitError = new Error(`no primary can take the statement: ${problem ?? 'none is known'}`);
  return Object.assign(error, { code: 'RWSPLIT_NO_PRIMARY', sql });
}

/** Nothing of it was committed: as after a deadlock, the application may run the whole transaction again. */
export function transactionLost(node: string, sql: string): QueryError {
  const what = `the open transaction was lost with its connection to ${node}; nothing of it was committed: run it again`;
  const told: SplitError = new Error(what);
  return Object.assign(told, { code: 'ER_LOCK_DEADLOCK', errno: 1213, sqlState: '40001', sqlMessage: what, sql });
}

/** What cannot be set again went with its connection. */
export function sessionLost(node: string, sql: string): QueryError {
  const what = `what the session had on its connection to ${node} is gone (variables, locks, tables of its own); set it up again`;
  const told: SplitError = new Error(what);
  return Object.assign(told, { code: 'RWSPLIT_SESSION_LOST', errno: 2013, sqlState: 'HY000', sqlMessage: what, sql });
}

/** What a statement left is asked for, and went with the connection to the primary before. */
export function previousLost(sql: string): QueryError {
  const what = 'what the statement before left went with the connection to the server that had it';
  const told: SplitError = new Error(what);
  return Object.assign(told, { code: 'RWSPLIT_PREVIOUS_LOST', sqlMessage: what, sql });
}

/** Of what had waited behind a statement that failed so, and may build on it. */
export function notSent(error: QueryError, sql: string): QueryError {
  const told: SplitError = Object.assign(new Error(error.message), error, { sql, outcome: 'not-executed' as const });
  delete told.route;
  return told;
}

/** A transaction that is lost has what this wants. */
export function endsByRollback({ classification: { reason } }: KnownStatement, sql: string): boolean {
  return reason === 'transaction-control' && ROLLBACK.test(sql);
}

const ROLLBACK = /^\s*rollback(?:\s+work)?\s*;?\s*$/i;

/** Of a connection that was given up. */
export function connectionGivenUp(node: string, why: string): QueryError {
  const error: QueryError = new Error(`the connection to ${node} was given up: ${why}`);
  return Object.assign(error, { code: 'PROTOCOL_CONNECTION_LOST', fatal: true });
}

export function routeTaken(route: Route, node: string | undefined): RouteTaken {
  return { to: route.to === 'replica' ? 'replica' : 'primary', reason: route.reason, node };
}
