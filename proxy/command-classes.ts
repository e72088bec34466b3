import type { Classification, ClassReason, PinReason } from '../src/classify/classification.js';

function toPrimary(reason: ClassReason, pins: readonly PinReason[] = []): Classification {
  return Object.freeze({ target: 'primary', reason, pins, unpins: [] });
}

/** The classes of commands that are no statements, and of statements that are not what they seem. */
export const COMMAND_CLASS = {
  /** What changes or asks for the session's own connection. */
  session: toPrimary('session-state'),
  /** COM_STATISTICS, COM_DEBUG. */
  server: toPrimary('server-specific'),
  /** COM_FIELD_LIST: a session's temporary tables have fields too. */
  fieldList: toPrimary('session-state'),
  /** COM_PROCESS_KILL. */
  administration: toPrimary('administration'),
  /** A read of a temporary table. */
  temporaryTable: toPrimary('temporary-table'),
  /** A COM_QUERY whose attributes cannot be read. */
  unreadable: toPrimary('unparsable'),
  /** What a replica refused as a write is no read, whatever its text says: it is taken for what most such statements are. */
  refused: toPrimary('stored-function', ['stored-function']),
} as const;
