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

export function routeTaken(route: Route, node: string | undefined): RouteTaken {
  return { to: route.to === 'replica' ? 'replica' : 'primary', reason: route.reason, node };
}
