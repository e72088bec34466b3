import { restoreState } from '../../src/session/session-state.js';
import type { QueryError } from '../mysql2/internals.js';
import type { RoutedConnection } from './routed-connection.js';
import type { Wanted } from './server-session.js';

/**
 * Brings the session on a connection into another one's state.
 *
 * @param done told why it could not be: `unfit` where the connection has what cannot be taken back
 */
export function enterState(
  connection: RoutedConnection,
  wanted: Wanted,
  baseline: ReadonlyMap<string, string>,
  done: (failure?: QueryError | 'unfit') => void,
): void {
  const { server } = connection;
  const restore = restoreState(server.session.state, wanted.state, baseline);
  if (restore.kind === 'unfit') {
    done('unfit');
    return;
  }
  const { schema } = restore;
  const statements = [...(schema === undefined ? [] : [`USE ${connection.escapeId(schema)}`]), ...restore.statements];
  let left = statements.length;
  let failure: QueryError | undefined;
  for (const sql of statements) {
    connection.ask(sql, (error) => {
      left--;
      failure ??= error ?? undefined;
      if (left > 0) return;
      if (failure === undefined) server.isNow(wanted);
      done(failure);
    });
  }
  if (left === 0) {
    server.isNow(wanted);
    done();
  }
}
