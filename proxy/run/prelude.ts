import type { ClassReason } from '../../src/classify/classification.js';
import type { SessionChange } from '../../src/protocol/session-changes.js';
import type { Session } from '../../src/session/session.js';

/** Clears the diagnostics area. */
export const CLEAR = 'DO 0';

/** Makes the server tell LAST_INSERT_ID() as a change of the session; and ROW_COUNT() is 0 after it, while FOUND_ROWS() stays. */
export const TELL_INSERT_ID = 'SET @@session.last_insert_id=LAST_INSERT_ID()';

/** Makes FOUND_ROWS() the number of rows and ROW_COUNT() -1, as after the read that gave them; transfers none. */
export function giveRows(rows: number): string {
  return (
    `SELECT SQL_CALC_FOUND_ROWS 1 FROM JSON_TABLE(CONCAT('[0',REPEAT(',0',${rows}),']'),'$[*]' ` +
    `COLUMNS(n FOR ORDINALITY)) AS t WHERE n<=${rows} LIMIT 0`
  );
}

/**
 * What to run unseen before a statement that asks for what earlier statements of its session left on their connection, when it
 * runs on another one: what is there is another session's.
 */
export function prelude(reason: ClassReason, session: Session): readonly string[] {
  switch (reason) {
    case 'diagnostics':
      return [CLEAR];
    case 'last-insert-id':
    case 'row-count':
    case 'found-rows':
      // One statement may ask for all three.
      return session.rowCountIsUnset ? [giveRows(session.foundRows)] : [giveRows(session.foundRows), TELL_INSERT_ID];
    default:
      return [];
  }
}

/** Makes LAST_INSERT_ID() the number; 0 is what it is on a fresh connection. */
export function setInsertId(id: string): string {
  return `SET @@session.last_insert_id=${id}`;
}

/** LAST_INSERT_ID(), where the server tells it as a change of the session. */
export function insertIdIn(changes: readonly SessionChange[]): string | undefined {
  for (const change of changes) {
    if (change.kind === 'system-variable' && change.name === 'last_insert_id') return change.value;
  }
  return undefined;
}
