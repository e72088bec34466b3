import type { OkResult, StateChanges } from '../mysql2/internals.js';

const SESSION_STATE_CHANGED = 0x4000;

/** What MySQL's servers tell by themselves. Source: MySQL's manual, `session_track_system_variables`. */
const TOLD_BY_DEFAULT: ReadonlySet<string> = new Set([
  'time_zone',
  'autocommit',
  'character_set_client',
  'character_set_results',
  'character_set_connection',
]);

/** Rows are objects of other classes, or arrays. */
export function isOkResult(result: unknown): result is OkResult {
  return (
    typeof result === 'object' &&
    result !== null &&
    result.constructor.name === 'ResultSetHeader' &&
    'affectedRows' in result
  );
}

/** Takes out what only our own session trackers told. */
export function trimmed(result: OkResult, { systemVariables, schema }: StateChanges): void {
  let left = schema !== null;
  for (const name of Object.keys(systemVariables)) {
    if (TOLD_BY_DEFAULT.has(name)) left = true;
    else delete systemVariables[name];
  }
  if (left) {
    if (result.stateChanges !== undefined) {
      result.stateChanges.gtids = [];
      result.stateChanges.trackStateChange = null;
    }
    return;
  }
  delete result.stateChanges;
  result.serverStatus &= ~SESSION_STATE_CHANGED;
}
