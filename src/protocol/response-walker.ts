import { Capability, hasCapability } from './capabilities.js';
import { framePackets, HEADER_BYTES, MAX_PACKET_PAYLOAD_BYTES, packetLength } from './framing.js';
import { MalformedPacket } from './malformed-packet.js';
import { decodeErr, type ErrPacket } from './packets/err.js';
import { decodeOk, encodeOk, type OkPacket } from './packets/ok.js';
import { decodeStmtPrepareOk, type StmtPrepareOk } from './packets/stmt-prepare-ok.js';
import { ServerStatus } from './server-status.js';
import { namesOnlyStatementId } from './session-changes.js';

/** What a command's answer looks like. */
export type ResponseShape =
  | 'result' // OK, ERR, LOCAL INFILE or result sets: COM_QUERY, COM_STMT_EXECUTE
  | 'ok' // one OK, EOF or ERR packet
  | 'prepare' // COM_STMT_PREPARE_OK and its definitions
  | 'rows' // COM_STMT_FETCH: rows, then the end
  | 'columns' // COM_FIELD_LIST: definitions, then the end
  | 'string' // COM_STATISTICS: one packet of text
  | 'stream'; // COM_BINLOG_DUMP: packets without end, or until an EOF or ERR

/** Who gets a response. Called while {@link ResponseWalker.walk} runs; `chunk` is only valid during the call. */
export interface ResponseSink {
  /** The next bytes of the response, as the client is to get them. */
  forward(chunk: Buffer, start: number, end: number): void;
  /** An OK packet that lists session changes. @returns what the client gets in its place */
  rewriteOk(ok: OkPacket): OkPacket;
  /** @returns the statement id that the client is to see */
  rewritePrepareOk(prepared: StmtPrepareOk): number;
  /** An error. @returns whether it goes to the client */
  forwardErr(error: ErrPacket): boolean;
}

/**
 * Where the walker stands in a response:
 *
 * ```
 *            ┌────────────── more results ───────────────┐
 *            ▼                                           │
 *  first ──► columns ──► columns-eof ──► rows ──► OK/EOF ┴─► done
 *    │          └─ DEPRECATE_EOF ────────▲ │
 *    ├─► OK, ERR ─► done                   └─► ERR ─► done
 *    └─► file: the client sends a file, then `first` again
 *  stream ─► EOF, ERR ─► done
 *  prepare ─► params ─► params-eof ─► prepared-columns ─► prepared-columns-eof ─► done
 * ```
 */
type State =
  | 'first'
  | 'file'
  | 'columns'
  | 'columns-eof'
  | 'rows'
  | 'ok'
  | 'prepare'
  | 'params'
  | 'params-eof'
  | 'prepared-columns'
  | 'prepared-columns-eof'
  | 'field-list'
  | 'string'
  | 'stream'
  | 'done';

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
  #state: State = 'done';
  readonly #capabilities: number;
  readonly #deprecateEof: boolean;
  readonly #renumbers: boolean;
  /** A byte says whether definitions follow, and where the client wants none, none do. */
  readonly #optionalMetadata: boolean;
  #sequenceId = 0;
  /** Definitions still to come in this list. */
  #definitions = 0;
  #preparedColumns = 0;
  #preparedFollow = true;
  /** Bytes of the packet under way that are still to come: they are forwarded unseen. */
  #skip = 0;
  /** The packet under way was full, so that the next one continues it. */
  #continues = false;
  /** The result set under way has a procedure's OUT parameters. */
  #outParams = false;
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
    this.#optionalMetadata = hasCapability(capabilities, Capability.OPTIONAL_RESULTSET_METADATA);
  }

  get done(): boolean {
    return this.#state === 'done' && this.#skip === 0;
  }

  /** That the next packet has to have. */
  get sequenceId(): number {
    return this.#sequenceId;
  }

  /** The server waits for the file of a LOAD DATA LOCAL. */
  get awaitsFile(): boolean {
    return this.#state === 'file';
  }

  /** @param sequenceId that the response's first packet has to have */
  begin(shape: ResponseShape, sequenceId: number): void {
    this.#state = initialState(shape);
    this.#sequenceId = sequenceId;
    this.#definitions = 0;
    this.#skip = 0;
    this.#continues = false;
    this.#outParams = false;
    this.#held = NOTHING;
    this.status = undefined;
    this.warnings = 0;
    this.rows = 0;
    this.error = undefined;
    this.ok = undefined;
    this.insertsId = false;
  }

  /** The client has sent its file. @param sequenceId that the server's next packet has to have */
  fileSent(sequenceId: number): void {
    this.#state = 'first';
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
    let at = start;
    let forwarded = start;
    for (;;) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, end - at);
        this.#skip -= taken;
        at += taken;
      }
      if (this.#skip > 0 || this.#state === 'done' || this.#state === 'file') break;
      const payload = at + HEADER_BYTES;
      if (end < payload) break;
      const length = packetLength(chunk, at);
      const next = payload + length;
      if (end === payload && length > 0 && !this.#continues) break;
      const first = this.#continues || length === 0 ? -1 : (chunk[payload] ?? -1);
      const control = !this.#continues && this.#isControl(first, length);
      if (control && next > end) break;
      // In a stream both sides count anew as they please.
      if (chunk[at + 3] !== this.#sequenceId && this.#state !== 'stream') {
        if (!this.#renumbers) {
          this.#fail('a packet with the next sequence id');
          return end;
        }
        chunk[at + 3] = this.#sequenceId;
      }
      this.#sequenceId = (this.#sequenceId + 1) & 0xff;

      if (!control) {
        if (this.#state === 'rows' && !this.#continues) this.rows++;
        this.#continues = length === MAX_PACKET_PAYLOAD_BYTES;
        if (!this.#continues) this.#packetEnded();
        this.#skip = length;
        at = payload;
        continue;
      }
      if (!this.#plainControl(first, length, chunk, payload)) {
        const replacement = this.#control(first, chunk.subarray(payload, next), sink);
        if (this.malformed !== undefined) return end;
        if (replacement !== undefined) forwarded = replace(chunk, forwarded, at, next, replacement, sink);
      }
      at = next;
    }
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
    if (length === (this.#optionalMetadata ? 2 : 1) && this.#state === 'first' && first > 0x00 && first < 0xfb) {
      this.#toColumns(first, !this.#optionalMetadata || chunk[payload + 1] !== NO_METADATA);
      return true;
    }
    if (length !== 5 || first !== 0xfe || this.#deprecateEof) return false;
    this.status = (chunk[payload + 3] ?? 0) | ((chunk[payload + 4] ?? 0) << 8);
    switch (this.#state) {
      case 'columns-eof':
        this.#state = (this.status & ServerStatus.CURSOR_EXISTS) !== 0 ? 'done' : 'rows';
        this.#outParams = (this.status & ServerStatus.PS_OUT_PARAMS) !== 0;
        return true;
      case 'rows':
      case 'field-list':
      case 'ok':
        this.warnings = (chunk[payload + 1] ?? 0) | ((chunk[payload + 2] ?? 0) << 8);
        this.#afterResult();
        return true;
      default:
        return false;
    }
  }

  /** Whether the packet says how the response goes on, so that it must be whole before it is acted on. */
  #isControl(first: number, length: number): boolean {
    switch (this.#state) {
      case 'rows':
        // A row may begin with 0xFE too: a column of 16 MB or more, and then its packet is full.
        return (
          first === 0xff || (first === 0xfe && (this.#deprecateEof ? length < MAX_PACKET_PAYLOAD_BYTES : length < 9))
        );
      case 'field-list':
      case 'stream':
        return first === 0xff || (first === 0xfe && length < MAX_PACKET_PAYLOAD_BYTES);
      case 'first':
      case 'ok':
      case 'prepare':
      case 'columns-eof':
      case 'params-eof':
      case 'prepared-columns-eof':
        return true;
      default:
        return false;
    }
  }

  #packetEnded(): void {
    switch (this.#state) {
      case 'columns':
        if (--this.#definitions === 0) this.#columnsEnded();
        return;
      case 'params':
        if (--this.#definitions === 0) this.#paramsEnded();
        return;
      case 'prepared-columns':
        if (--this.#definitions === 0) this.#preparedColumnsEnded();
        return;
      case 'string':
        this.#state = 'done';
        return;
      default:
    }
  }

  #toColumns(count: number, follow: boolean): void {
    this.rows = 0;
    this.#definitions = count;
    this.#state = 'columns';
    if (!follow) this.#columnsEnded();
  }

  #columnsEnded(): void {
    this.#state = this.#deprecateEof ? 'rows' : 'columns-eof';
  }

  #paramsEnded(): void {
    if (this.#deprecateEof) this.#toPreparedColumns();
    else this.#state = 'params-eof';
  }

  #toPreparedColumns(): void {
    this.#definitions = this.#preparedColumns;
    this.#state = this.#preparedColumns > 0 ? 'prepared-columns' : 'done';
    if (this.#preparedColumns > 0 && !this.#preparedFollow) this.#preparedColumnsEnded();
  }

  #preparedColumnsEnded(): void {
    this.#state = this.#deprecateEof ? 'done' : 'prepared-columns-eof';
  }

  /** @returns what replaces the packet (empty: nothing at all), or undefined when it goes on as it came */
  #control(first: number, body: Buffer, sink: ResponseSink): Buffer | undefined {
    if (first === 0xff) return this.#err(body, sink);
    switch (this.#state) {
      case 'first':
        if (first === 0xfb) {
          this.#state = 'file';
          return undefined;
        }
        return first === 0x00 ? this.#okPacket(body, sink) : this.#columnCount(first, body);
      case 'ok':
        return this.#okPacket(body, sink);
      case 'stream':
        // A log's end is a classic EOF packet, whatever was agreed on.
        if (body.length !== 5) return this.#okAfterRows(body, sink);
        this.status = body.readUInt16LE(3);
        this.#state = 'done';
        return undefined;
      case 'rows':
      case 'field-list':
        return this.#deprecateEof ? this.#okAfterRows(body, sink) : this.#fail('EOF_Packet');
      case 'prepare':
        return this.#prepareOk(body, sink);
      case 'params-eof':
        this.#toPreparedColumns();
        return undefined;
      case 'prepared-columns-eof':
        this.#state = 'done';
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
    this.#toColumns(count, !this.#optionalMetadata || body[countBytes] !== NO_METADATA);
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
    this.warnings = body.readUInt16LE(5);
    this.#afterResult();
    if (!changed) return undefined;
    body.writeUInt16LE(this.status, 3);
    return body.subarray(0, 7);
  }

  #okPacket(body: Buffer, sink: ResponseSink): Buffer | undefined {
    const ok = decodeOk(body, this.#capabilities);
    if (ok instanceof MalformedPacket) return this.#fail('OK_Packet');
    this.status = ok.status;
    this.warnings = ok.warnings;
    if (ok.header === 0x00) this.ok = ok;
    if (ok.lastInsertId !== 0n) this.insertsId = true;
    this.#afterResult();
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
    this.#state = 'done';
    return sink.forwardErr(error) ? undefined : NOTHING;
  }

  #prepareOk(body: Buffer, sink: ResponseSink): Buffer | undefined {
    const prepared = decodeStmtPrepareOk(body);
    if (prepared instanceof MalformedPacket) return this.#fail('COM_STMT_PREPARE_OK');
    this.#definitions = prepared.params;
    this.#preparedColumns = prepared.columns;
    this.#preparedFollow = !this.#optionalMetadata || body[METADATA_OF_PREPARED] !== NO_METADATA;
    if (prepared.params > 0) this.#state = 'params';
    if (prepared.params > 0 && !this.#preparedFollow) this.#paramsEnded();
    else if (prepared.params === 0) this.#toPreparedColumns();
    const rewritten = Buffer.from(body);
    rewritten.writeUInt32LE(sink.rewritePrepareOk(prepared), 1);
    return rewritten;
  }

  #afterResult(): void {
    if (this.#outParams) {
      // The set of OUT parameters is never the last, although the EOF after it says so.
      this.#outParams = false;
      this.#state = 'first';
      return;
    }
    this.#state =
      ((this.status ?? 0) & ServerStatus.MORE_RESULTS_EXISTS) !== 0 && this.#state !== 'ok' ? 'first' : 'done';
  }

  #fail(expected: string): undefined {
    this.malformed = new MalformedPacket(expected);
    this.#state = 'done';
  }
}

/**
 * Forwards what comes before a packet, and what stands in its place. Nearly always that is shorter and ends the chunk:
 * then it is written over the packet, and all goes in one piece.
 * @returns up to where `chunk` has been dealt with
 */
function replace(
  chunk: Buffer,
  forwarded: number,
  at: number,
  next: number,
  replacement: Buffer,
  sink: ResponseSink,
): number {
  const payload = at + HEADER_BYTES;
  if (replacement.length === 0) {
    if (at > forwarded) sink.forward(chunk, forwarded, at);
    return next;
  }
  if (payload + replacement.length <= next) {
    chunk.writeUIntLE(replacement.length, at, 3);
    chunk.set(replacement, payload);
    sink.forward(chunk, forwarded, payload + replacement.length);
    return next;
  }
  if (at > forwarded) sink.forward(chunk, forwarded, at);
  const framed = framePackets(replacement, chunk[at + 3] ?? 0);
  sink.forward(framed, 0, framed.length);
  return next;
}

function initialState(shape: ResponseShape): State {
  switch (shape) {
    case 'result':
      return 'first';
    case 'ok':
      return 'ok';
    case 'prepare':
      return 'prepare';
    case 'rows':
      return 'rows';
    case 'columns':
      return 'field-list';
    case 'string':
      return 'string';
    case 'stream':
      return 'stream';
  }
}
