import type { Classification } from './classification.js';
import type { ConnectionStatement } from './connection-statement.js';
import type { DigestEntry } from './digest-table.js';
import type { OwnStatement } from './own-statement.js';

/** What is known of a statement from its text. */
export interface KnownStatement {
  readonly classification: Classification;
  /** Where it is counted; undefined for what no server is asked. */
  readonly digest: DigestEntry | undefined;
  /** The statement is one that rwsplit itself answers. */
  readonly own: OwnStatement | undefined;
  /** It is about the id that its client was told. */
  readonly ofConnection: ConnectionStatement | undefined;
}
