import type { KeptConnections } from './kept-connections.js';
import type { RunState } from './run-state.js';
import type { ServerConnection } from '../../src/runtime/server-connection.js';

/** What a session is doing, for those who watch. */
export interface RunnerStatus {
  /** Where its command runs. */
  readonly running: ServerConnection | undefined;
  /** Its command waits for a connection. */
  readonly waits: boolean;
  readonly kept: KeptConnections['list'];
  /** The digest's text of the statement under way; '' for none. */
  readonly statement: string;
  /** Why that runs where it runs. */
  readonly reason: string;
}

export function statusOf({ connection, run, route }: RunState, { list }: KeptConnections): RunnerStatus {
  return {
    running: connection,
    waits: run !== undefined && connection === undefined,
    kept: list,
    statement: run?.digest?.text ?? '',
    reason: run === undefined ? '' : route.reason,
  };
}
