import type { Reasons } from '../../src/session/reasons.js';
import type { ClientStatus } from '../client-connection.js';
import type { ResultSet } from './result-set.js';

/** `SHOW RWSPLIT SESSIONS`: the clients that are logged in, what they do and where, and what binds them to a connection. */
export function showSessions(clients: readonly ClientStatus[], nowMs: number): ResultSet {
  return {
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'user', type: 'text' },
      { name: 'address', type: 'text' },
      { name: 'transport', type: 'text' },
      { name: 'schema', type: 'text' },
      { name: 'phase', type: 'text' },
      { name: 'seconds', type: 'integer' },
      { name: 'runs_on', type: 'text' },
      { name: 'reason', type: 'text' },
      { name: 'statement', type: 'text' },
      { name: 'transaction', type: 'text' },
      { name: 'pins', type: 'text' },
      { name: 'holds', type: 'text' },
      { name: 'keeps', type: 'text' },
      { name: 'variables', type: 'text' },
    ],
    rows: clients.map((client) => rowOf(client, nowMs)),
  };
}

function rowOf({ session, runner, ...client }: ClientStatus, nowMs: number): (string | number)[] {
  const { running, waits, kept } = runner;
  const runs = client.phase === 'idle' ? '' : running === undefined ? '' : placeOf(running);
  return [
    client.id,
    client.user,
    client.address,
    client.transport,
    session.state.schema,
    waits ? 'waiting' : client.phase,
    secondsSince(client.phaseSinceMs, nowMs),
    runs,
    runner.reason,
    runner.statement,
    session.inReplicaTransaction ? 'read-only' : session.inTransaction ? 'open' : '',
    reasonsOf(session.pins, nowMs),
    reasonsOf(session.holds, nowMs),
    kept.map(([as, connection]) => `${as} ${placeOf(connection)}`).join(', '),
    [...session.state.variables.keys()].toSorted().join(', '),
  ];
}

/** A node, and the connection's thread there. */
function placeOf({ node, threadId }: { readonly node: { readonly name: string }; readonly threadId: number }): string {
  return `${node.name}#${threadId}`;
}

/** Each with its age: `user-variable 12s`. */
function reasonsOf(reasons: Reasons<string>, nowMs: number): string {
  return [...reasons].map((reason) => `${reason} ${secondsSince(reasons.sinceMs(reason) ?? nowMs, nowMs)}s`).join(', ');
}

function secondsSince(sinceMs: number, nowMs: number): number {
  return Math.max(0, Math.round((nowMs - sinceMs) / 1000));
}
