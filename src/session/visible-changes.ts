import type { SessionChange } from '../protocol/session-changes.js';

/** The server's default for session_track_system_variables. */
const TRACKED_BY_DEFAULT: ReadonlySet<string> = new Set([
  'time_zone',
  'autocommit',
  'character_set_client',
  'character_set_results',
  'character_set_connection',
]);

/**
 * What a client sees of the changes that the server reports: we have it report all of them, the client gets those that it would get
 * on a connection of its own.
 * @param askedFor the trackers that the client itself has set (`session_track_…`)
 */
export function visibleChanges(
  changes: readonly SessionChange[],
  askedFor: ReadonlySet<string>,
): readonly SessionChange[] {
  const listIsOurs = !askedFor.has('session_track_system_variables');
  return changes.filter((change) => {
    switch (change.kind) {
      case 'system-variable':
        return !listIsOurs || TRACKED_BY_DEFAULT.has(change.name);
      case 'state-change':
        return askedFor.has('session_track_state_change');
      case 'gtids':
        return askedFor.has('session_track_gtids');
      // Never asked for by us: where it comes, the client wanted it.
      case 'schema':
      case 'transaction-characteristics':
      case 'transaction-state':
      case 'unknown':
        return true;
    }
  });
}
