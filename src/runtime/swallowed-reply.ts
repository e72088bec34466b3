import type { RwsplitError } from '../errors.js';
import type { ErrPacket } from '../protocol/packets/err.js';
import type { OkPacket } from '../protocol/packets/ok.js';
import type { StmtPrepareOk } from '../protocol/packets/stmt-prepare-ok.js';
import type { ReplyOwner, ServerConnection } from './server-connection.js';

/** Takes the reply to a command of ours: no client sees it. */
export class SwallowedReply implements ReplyOwner {
  error: ErrPacket | undefined;
  prepared: StmtPrepareOk | undefined;
  #sessionChanges: Buffer[] = [];
  readonly #ended: (error: ErrPacket | undefined) => void;
  readonly #lost: (error: RwsplitError) => void;

  constructor(ended: (error: ErrPacket | undefined) => void, lost: (error: RwsplitError) => void) {
    this.#ended = ended;
    this.#lost = lost;
  }

  forward(): void {
    // Swallowed.
  }

  rewriteOk(ok: OkPacket): OkPacket {
    this.#sessionChanges.push(Buffer.from(ok.sessionChanges));
    return ok;
  }

  rewritePrepareOk(prepared: StmtPrepareOk): number {
    this.prepared = prepared;
    return prepared.statementId;
  }

  forwardErr(error: ErrPacket): boolean {
    this.error = error;
    return false;
  }

  replyEnded(connection: ServerConnection): void {
    for (const changes of this.#sessionChanges) connection.applyChanges(changes);
    this.#ended(this.error);
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
