import type { KnownStatement } from '../../src/classify/known-statement.js';
import type { Cluster } from '../cluster/cluster.js';
import { previousLost } from '../errors.js';
import type { QueryError } from '../mysql2/internals.js';
import type { Call } from '../route/call.js';
import type { RoutedConnection } from '../session/routed-connection.js';

/** The replica's connection of a session's read before: what that has left is there. Whoever needs the connection has it. */
export class PreviousRead {
  readonly #cluster: Cluster;
  #connection: RoutedConnection | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get connection(): RoutedConnection | undefined {
    return this.#connection;
  }

  keep(connection: RoutedConnection): void {
    this.#connection = connection;
    this.#cluster.poolNamed(connection.server.node.name)?.lend(connection, () => this.drop());
  }

  drop(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#cluster.poolNamed(connection.server.node.name)?.reclaim(connection);
    connection.release();
  }
}

/** Asks for what the read before has left, and is a read itself. */
export function asksReplica({ classification: { reason, target } }: KnownStatement, { sql }: Call): boolean {
  if (target !== 'last') return false;
  if (reason === 'diagnostics' || reason === 'found-rows') return true;
  return reason === 'row-count' && /^\s*select\b/i.test(sql);
}

/** What the statement before left went with its connection: whoever asks for it is told. */
export function lostWithPrevious(
  { server: { session } }: RoutedConnection,
  { classification: { reason, target } }: KnownStatement,
  sql: string,
): QueryError | undefined {
  const { rowCount, diagnostics } = session.previousLost;
  const asksRows = target === 'last' && reason === 'row-count' && (rowCount || diagnostics);
  const asksDiagnostics = target === 'last' && reason === 'diagnostics' && diagnostics;
  const asksId = session.insertIdLost && /last_insert_id|@@[^,;]{0,20}identity/i.test(sql);
  if (asksId) session.insertIdLost = false;
  return asksRows || asksDiagnostics || asksId ? previousLost(sql) : undefined;
}
