import type { RwsplitError } from '../errors.js';
import { MalformedPacket } from '../protocol/malformed-packet.js';
import type { ErrPacket } from '../protocol/packets/err.js';
import type { OkPacket } from '../protocol/packets/ok.js';
import type { StmtPrepareOk } from '../protocol/packets/stmt-prepare-ok.js';
import type { ResultContent } from '../protocol/response-walker.js';
import { decodeSessionChanges, type SessionChange } from '../protocol/session-changes.js';
import type { ReplyOwner, ServerConnection } from './server-connection.js';

/** What came back for a command of ours. */
export interface Swallowed {
  readonly error: ErrPacket | undefined;
  readonly status: number | undefined;
  readonly changes: readonly SessionChange[];
  readonly prepared: StmtPrepareOk | undefined;
}

/** Takes the reply to a command of ours: no client sees it. */
export class SwallowedReply implements ReplyOwner {
  #prepared: StmtPrepareOk | undefined;
  readonly #changes: SessionChange[] = [];
  readonly #ended: (swallowed: Swallowed) => void;
  readonly #lost: (error: RwsplitError) => void;
  /** Takes what the answer has, where that matters. */
  readonly content: ResultContent | undefined;

  constructor(ended: (swallowed: Swallowed) => void, lost: (error: RwsplitError) => void, content?: ResultContent) {
    this.#ended = ended;
    this.#lost = lost;
    this.content = content;
  }

  forward(): void {
    // Swallowed.
  }

  rewriteOk(ok: OkPacket): OkPacket {
    const changes = decodeSessionChanges(ok.sessionChanges);
    if (!(changes instanceof MalformedPacket)) this.#changes.push(...changes);
    return ok;
  }

  rewritePrepareOk(prepared: StmtPrepareOk): number {
    this.#prepared = prepared;
    return prepared.statementId;
  }

  forwardErr(): boolean {
    return false;
  }

  replyEnded(connection: ServerConnection): void {
    const { error, status } = connection.walker;
    this.#ended({ error, status, changes: this.#changes, prepared: this.#prepared });
  }

  connectionLost(_connection: ServerConnection, error: RwsplitError): void {
    this.#lost(error);
  }

  fileWanted(connection: ServerConnection): void {
    // No command of ours asks for a file: the server is not to be trusted.
    connection.destroy();
  }

  drained(): void {
    // Nobody waits to write behind a command of ours.
  }
}
