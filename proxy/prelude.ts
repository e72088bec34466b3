import type { ClassReason } from '../src/classify/classification.js';
import type { Session } from '../src/session/session.js';

/**
 * A statement to run unseen before one that asks for what earlier statements of the session left on their connection, when it runs
 * on another one: what is there is another session's.
 * @param afterPrevious the connection ran the session's previous statement
 */
export function prelude(reason: ClassReason, session: Session, afterPrevious: boolean): string | undefined {
  switch (reason) {
    case 'diagnostics':
      return afterPrevious ? undefined : 'DO 0';
    case 'row-count':
      if (afterPrevious) return undefined;
      // 0 after a statement without rows, -1 after a read.
      return session.previousGaveRows ? 'SELECT 1' : 'DO 0';
    case 'found-rows':
      if (afterPrevious) return undefined;
      // Makes FOUND_ROWS() the number of rows, as after the read that gave them.
      return (
        `SELECT SQL_CALC_FOUND_ROWS 1 FROM JSON_TABLE(CONCAT('[0',REPEAT(',0',${session.foundRows}),']'),'$[*]' ` +
        `COLUMNS(n FOR ORDINALITY)) AS t WHERE n<=${session.foundRows} LIMIT 0`
      );
    case 'last-insert-id':
    // What they run may ask for it.
    case 'procedure-call':
    case 'stored-function':
      return session.holds.has('last-insert-id') ? undefined : 'SET @@session.last_insert_id=0';
    default:
      return undefined;
  }
}
