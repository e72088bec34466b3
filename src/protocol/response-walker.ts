import { Capability, hasCapability } from './capabilities.js';
import { HEADER_BYTES, MAX_PACKET_PAYLOAD_BYTES, packetLength } from './framing.js';
import { MalformedPacket } from './malformed-packet.js';
import { decodeErr, type ErrPacket } from './packets/err.js';
import { decodeOk, encodeOk, type OkPacket } from './packets/ok.js';
import { decodeStmtPrepareOk, type StmtPrepareOk } from './packets/stmt-prepare-ok.js';
import { replacePacket, type ByteSink } from './replace-packet.js';
import { ResponsePlace, type ResponseShape } from './response-place.js';
import { ServerStatus } from './server-status.js';
import { namesOnlyStatementId } from './session-changes.js';

/** Who gets a response. Called while {@link ResponseWalker.walk} runs; `chunk` is only valid during the call. */
export interface ResponseSink extends ByteSink {
  /** An OK packet that lists session changes. @returns what the client gets in its place */
  rewriteOk(ok: OkPacket): OkPacket;
  /** @returns the statement id that the client is to see */
  rewritePrepareOk(prepared: StmtPrepareOk): number;
  /** An error. @returns whether it goes to the client */
  forwardErr(error: ErrPacket): boolean;
  /** Takes the bytes of definitions and rows, too; of control packets nothing. */
  readonly content?: ResultContent | undefined;
}

/** Valid only during the call. */
export interface ResultContent {
  take(bytes: Buffer): void;
}

const NOTHING = Buffer.alloc(0);

/** `RESULTSET_METADATA_NONE`, and where that byte stands in a COM_STMT_PREPARE_OK. */
const NO_METADATA = 0;
const METADATA_OF_PREPARED = 12;

/**
 * Follows a server's response through the chunks in which it comes, to know where it ends and what it says,
 * and hands the bytes on. Rows are not decoded: only the headers of their packets are looked at.
 *
 * One walker serves a connection for good; {@link begin} starts it on the next response.
 */
export class ResponseWalker {
  readonly #place: ResponsePlace;
  readonly #capabilities: number;
  readonly #deprecateEof: boolean;
  readonly #renumbers: boolean;
  /** A byte says whether definitions follow, and where the client wants none, none do. */
  readonly #optionalMetadata: boolean;
  #sequenceId = 0;
  /** Bytes of the packet under way that are still to come: they are forwarded unseen. */
  #skip = 0;
  /** The packet under way was full, so that the next one continues it. */
  #continues = false;
  /** A packet's beginning that has to be seen whole before it goes on. */
  #held: Buffer = NOTHING;

  /** Server status flags of this response's last OK or EOF packet; undefined when none came. */
  status: number | undefined;
  warnings = 0;
  /** Rows of the last result set. */
  rows = 0;
  /** The last packet that ended a result was an ERR. */
  error: ErrPacket | undefined;
  /** The last OK packet outside of rows: what a write reports. */
  ok: OkPacket | undefined;
  /** One of the response's OK packets gave an insert id. */
  insertsId = false;
  /** The response ended in an OK packet, which tells what was committed until then: an ERR does not, nor does an EOF after rows. */
  tellsCommits = false;
  /** The bytes are not the protocol's: the connection cannot be used any more. */
  malformed: MalformedPacket | undefined;

  /**
   * @param capabilities that this connection's two sides agreed on
   * @param renumbers the answers came compressed: there, servers number the packets inside as they like, and clients do not look
   */
  constructor(capabilities: number, renumbers = false) {
    this.#capabilities = capabilities;
    this.#renumbers = renumbers;
    this.#deprecateEof = hasCapability(capabilities, Capability.DEPRECATE_EOF);
    this.#place = new ResponsePlace(this.#deprecateEof);
    this.#optionalMetadata = hasCapability(capabilities, Capability.OPTIONAL_RESULTSET_METADATA);
  }

  get done(): boolean {
    return this.#place.at === 'done' && this.#skip === 0;
  }

  /** That the next packet has to have. */
  get sequenceId(): number {
    return this.#sequenceId;
  }

  /** The server waits for the file of a LOAD DATA LOCAL. */
  get awaitsFile(): boolean {
    return this.#place.at === 'file';
  }

  /** @param sequenceId that the response's first packet has to have */
  begin(shape: ResponseShape, sequenceId: number): void {
    this.#place.begin(shape);
    this.#sequenceId = sequenceId;
    this.#skip = 0;
    this.#continues = false;
    this.#held = NOTHING;
    this.status = undefined;
    this.warnings = 0;
    this.rows = 0;
    this.error = undefined;
    this.ok = undefined;
    this.insertsId = false;
    this.tellsCommits = false;
  }

  /** The client has sent its file. @param sequenceId that the server's next packet has to have */
  fileSent(sequenceId: number): void {
    this.#place.fileSent();
    this.#sequenceId = sequenceId;
  }

  /**
   * @param input bytes from the server, from `start` to `end`; may be changed in place
   * @returns how many of them belong to this response: all, unless it is {@link done} or {@link malformed}
   */
  walk(input: Buffer, start: number, end: number, sink: ResponseSink): number {
    if (this.#held.length === 0) return this.#walk(input, start, end, sink) - start;
    const heldBytes = this.#held.length;
    const joined = Buffer.concat([this.#held, input.subarray(start, end)]);
    this.#held = NOTHING;
    return this.#walk(joined, 0, joined.length, sink) - heldBytes;
  }

  /** @returns up to where `chunk` belongs to this response */
  #walk(chunk: Buffer, start: number, end: number, sink: ResponseSink): number {
    const place = this.#place;
    const { content } = sink;
    let at = start;
    let forwarded = start;
    let taken = start;
    for (;;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, end - at);
        this.#skip -= skipped;
        at += skipped;
      }
      if (this.#skip > 0 || place.at === 'done' || place.at === 'file') break;
      const payload = at + HEADER_BYTES;
      if (end < payload) break;
      const length = packetLength(chunk, at);
      const next = payload + length;
      if (end === payload && length > 0 && !this.#continues) break;
      const first = this.#continues || length === 0 ? -1 : (chunk[payload] ?? -1);
      const control = !this.#continues && place.isControl(first, length);
      if (control && next > end) break;
      // In a stream both sides count anew as they please.
      if (chunk[at + 3] !== this.#sequenceId && place.at !== 'stream') {
        if (!this.#renumbers) {
          this.#fail('a packet with the next sequence id');
          return end;
        }
        chunk[at + 3] = this.#sequenceId;
      }
      this.#sequenceId = (this.#sequenceId + 1) & 0xff;

      if (!control) {
        if (place.at === 'rows' && !this.#continues) this.rows++;
        this.#continues = length === MAX_PACKET_PAYLOAD_BYTES;
        if (!this.#continues) place.packetEnded();
        this.#skip = length;
        at = payload;
        continue;
      }
      if (content !== undefined) {
        if (at > taken) content.take(chunk.subarray(taken, at));
        taken = next;
      }
      if (!this.#plainControl(first, length, chunk, payload)) {
        const replacement = this.#control(first, chunk.subarray(payload, next), sink);
        if (this.malformed !== undefined) return end;
        if (replacement !== undefined) forwarded = replacePacket(chunk, forwarded, at, next, replacement, sink);
      }
      at = next;
    }
    if (at > taken) content?.take(chunk.subarray(taken, at));
    if (at > forwarded) sink.forward(chunk, forwarded, at);
    if (!this.done && !this.awaitsFile && at < end) {
      this.#held = Buffer.from(chunk.subarray(at, end));
      return end;
    }
    return at;
  }

  /**
   * What nearly every result has of control packets, dealt with where it lies: a column count of one byte, a classic EOF.
   * @returns false for any other
   */
  #plainControl(first: number, length: number, chunk: Buffer, payload: number): boolean {
    if (length === (this.#optionalMetadata ? 2 : 1) && this.#place.at === 'first' && first > 0x00 && first < 0xfb) {
      this.#resultSet(first, !this.#optionalMetadata || chunk[payload + 1] !== NO_METADATA);
      return true;
    }
    if (length !== 5 || first !== 0xfe || this.#deprecateEof) return false;
    this.status = (chunk[payload + 3] ?? 0) | ((chunk[payload + 4] ?? 0) << 8);
    this.tellsCommits = false;
    switch (this.#place.at) {
      case 'columns-eof':
        this.#place.columnsEof(this.status);
        return true;
      case 'rows':
      case 'field-list':
      case 'ok':
        this.warnings = (chunk[payload + 1] ?? 0) | ((chunk[payload + 2] ?? 0) << 8);
        this.#place.resultEnded(this.status);
        return true;
      default:
        return false;
    }
  }

  #resultSet(columns: number, follow: boolean): void {
    this.rows = 0;
    this.#place.resultSet(columns, follow);
  }

  /** @returns what replaces the packet (empty: nothing at all), or undefined when it goes on as it came */
  #control(first: number, body: Buffer, sink: ResponseSink): Buffer | undefined {
    if (first === 0xff) return this.#err(body, sink);
    switch (this.#place.at) {
      case 'first':
        if (first === 0xfb) {
          this.#place.fileWanted();
          return undefined;
        }
        return first === 0x00 ? this.#okPacket(body, sink) : this.#columnCount(first, body);
      case 'ok':
        return this.#okPacket(body, sink);
      case 'stream':
        // A log's end is a classic EOF packet, whatever was agreed on.
        if (body.length !== 5) return this.#okAfterRows(body, sink);
        this.status = body.readUInt16LE(3);
        this.#place.end();
        return undefined;
      case 'rows':
      case 'field-list':
        return this.#deprecateEof ? this.#okAfterRows(body, sink) : this.#fail('EOF_Packet');
      case 'prepare':
        return this.#prepareOk(body, sink);
      case 'params-eof':
        this.#place.paramsEof();
        return undefined;
      case 'prepared-columns-eof':
        this.#place.end();
        return undefined;
      default:
        return this.#fail('EOF_Packet');
    }
  }

  #columnCount(first: number, body: Buffer): undefined {
    const countBytes = first === 0xfc ? 3 : 1;
    const count = body.length < countBytes ? 0 : first === 0xfc ? body.readUInt16LE(1) : first < 0xfb ? first : 0;
    // Tables have 4096 columns at most. Without one, nothing would tell where the definitions end.
    if (count < 1) return this.#fail('a column count');
    this.#resultSet(count, !this.#optionalMetadata || body[countBytes] !== NO_METADATA);
  }

  #okAfterRows(body: Buffer, sink: ResponseSink): Buffer | undefined {
    // Nearly every result ends so: no counts, no text, no changes but the statement's number. Decoding it would cost more than
    // walking the result.
    if (body.length < 7 || body[1] !== 0 || body[2] !== 0) return this.#okPacket(body, sink);
    const status = body.readUInt16LE(3);
    const changed = (status & ServerStatus.SESSION_STATE_CHANGED) !== 0;
    if (changed && !(body[7] === 0 && body[8] === body.length - 9 && namesOnlyStatementId(body, 9))) {
      return this.#okPacket(body, sink);
    }
    this.status = status & ~ServerStatus.SESSION_STATE_CHANGED;
    this.tellsCommits = true;
    this.warnings = body.readUInt16LE(5);
    this.#place.resultEnded(this.status);
    if (!changed) return undefined;
    body.writeUInt16LE(this.status, 3);
    return body.subarray(0, 7);
  }

  #okPacket(body: Buffer, sink: ResponseSink): Buffer | undefined {
    const ok = decodeOk(body, this.#capabilities);
    if (ok instanceof MalformedPacket) return this.#fail('OK_Packet');
    this.status = ok.status;
    this.warnings = ok.warnings;
    this.tellsCommits = true;
    if (ok.header === 0x00) this.ok = ok;
    if (ok.lastInsertId !== 0n) this.insertsId = true;
    this.#place.resultEnded(this.status);
    if (ok.sessionChanges.length === 0) return undefined;
    if (namesOnlyStatementId(ok.sessionChanges, 0))
      return encodeOk({ ...ok, sessionChanges: NOTHING }, this.#capabilities);
    const rewritten = sink.rewriteOk(ok);
    return rewritten === ok ? undefined : encodeOk(rewritten, this.#capabilities);
  }

  #err(body: Buffer, sink: ResponseSink): Buffer | undefined {
    const error = decodeErr(body);
    if (error instanceof MalformedPacket) return this.#fail('ERR_Packet');
    this.error = error;
    this.tellsCommits = false;
    this.#place.end();
    return sink.forwardErr(error) ? undefined : NOTHING;
  }

  #prepareOk(body: Buffer, sink: ResponseSink): Buffer | undefined {
    const prepared = decodeStmtPrepareOk(body);
    if (prepared instanceof MalformedPacket) return this.#fail('COM_STMT_PREPARE_OK');
    const follow = !this.#optionalMetadata || body[METADATA_OF_PREPARED] !== NO_METADATA;
    this.#place.prepared(prepared.params, prepared.columns, follow);
    const rewritten = Buffer.from(body);
    rewritten.writeUInt32LE(sink.rewritePrepareOk(prepared), 1);
    return rewritten;
  }

  #fail(expected: string): undefined {
    this.malformed = new MalformedPacket(expected);
    this.#place.end();
  }
}
