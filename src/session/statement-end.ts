import type { Classification } from '../classify/classification.js';
import type { ErrPacket } from '../protocol/packets/err.js';
import type { OkPacket } from '../protocol/packets/ok.js';
import type { SessionChange } from '../protocol/session-changes.js';

/** How a statement ended, as far as its session is concerned. */
export interface StatementEnd {
  readonly role: 'primary' | 'replica';
  readonly classification: Classification;
  /** Server status flags; undefined when only an error came. */
  readonly status: number | undefined;
  readonly ok: OkPacket | undefined;
  /** One of its OK packets gave an insert id. */
  readonly insertsId: boolean;
  readonly error: ErrPacket | undefined;
  readonly warnings: number;
  /** Its answer tells all that was committed: it ended in an OK, or that is asked for. */
  readonly tellsCommits: boolean;
  /** What FOUND_ROWS() is after it; undefined where it leaves that as it is. */
  readonly rows: number | undefined;
  readonly changes: readonly SessionChange[];
  /** The framed command, of a statement that came as text. */
  readonly command: Buffer | undefined;
  /** It was only prepared: it has not run. */
  readonly prepares: boolean;
  /** The statement's text, where {@link Session.wantsText}. */
  readonly text: Buffer | undefined;
}

/** Errors with which a server refuses a statement before it does anything: syntax, an unknown function or variable. */
const REFUSED_UNREAD: ReadonlySet<number> = new Set([1064, 1149, 1193, 1305]);

/** Whether a server did nothing of it. */
export function refusedUnread(end: StatementEnd): boolean {
  // Of several statements, those before the refused one have run.
  return (
    end.error !== undefined && REFUSED_UNREAD.has(end.error.errno) && end.classification.reason !== 'multi-statement'
  );
}
