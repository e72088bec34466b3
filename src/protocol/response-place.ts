import { MAX_PACKET_PAYLOAD_BYTES } from './framing.js';
import { ServerStatus } from './server-status.js';

/** What a command's answer looks like. */
export type ResponseShape =
  | 'result' // OK, ERR, LOCAL INFILE or result sets: COM_QUERY, COM_STMT_EXECUTE
  | 'ok' // one OK, EOF or ERR packet
  | 'prepare' // COM_STMT_PREPARE_OK and its definitions
  | 'rows' // COM_STMT_FETCH: rows, then the end
  | 'columns' // COM_FIELD_LIST: definitions, then the end
  | 'string' // COM_STATISTICS: one packet of text
  | 'stream'; // COM_BINLOG_DUMP: packets without end, or until an EOF or ERR

type Place =
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

/**
 * Where in a response the next packet stands:
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
export class ResponsePlace {
  #at: Place = 'done';
  readonly #deprecateEof: boolean;
  /** Definitions still to come in this list. */
  #definitions = 0;
  #preparedColumns = 0;
  #preparedFollow = true;
  /** The result set under way has a procedure's OUT parameters. */
  #outParams = false;

  /** @param deprecateEof both sides agreed that definitions end without an EOF packet, and rows with an OK */
  constructor(deprecateEof: boolean) {
    this.#deprecateEof = deprecateEof;
  }

  get at(): Place {
    return this.#at;
  }

  begin(shape: ResponseShape): void {
    this.#at = firstPlace(shape);
    this.#definitions = 0;
    this.#outParams = false;
  }

  /** Whether the packet here says how the response goes on, so that it must be whole before it is acted on. */
  isControl(first: number, length: number): boolean {
    switch (this.#at) {
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

  /** A packet that is no control packet has ended. */
  packetEnded(): void {
    switch (this.#at) {
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
        this.#at = 'done';
        return;
      default:
    }
  }

  /** The server wants the client's file. */
  fileWanted(): void {
    this.#at = 'file';
  }

  fileSent(): void {
    this.#at = 'first';
  }

  /** A result set begins. @param follow its columns' definitions come */
  resultSet(columns: number, follow: boolean): void {
    this.#definitions = columns;
    this.#at = 'columns';
    if (!follow) this.#columnsEnded();
  }

  /** The EOF packet behind the columns' definitions. @param status its flags */
  columnsEof(status: number): void {
    this.#at = (status & ServerStatus.CURSOR_EXISTS) !== 0 ? 'done' : 'rows';
    this.#outParams = (status & ServerStatus.PS_OUT_PARAMS) !== 0;
  }

  /** A statement has been prepared. @param follow its definitions come */
  prepared(params: number, columns: number, follow: boolean): void {
    this.#definitions = params;
    this.#preparedColumns = columns;
    this.#preparedFollow = follow;
    if (params > 0) this.#at = 'params';
    if (params > 0 && !follow) this.#paramsEnded();
    else if (params === 0) this.paramsEof();
  }

  /** The parameters' definitions are at their end. */
  paramsEof(): void {
    this.#definitions = this.#preparedColumns;
    this.#at = this.#preparedColumns > 0 ? 'prepared-columns' : 'done';
    if (this.#preparedColumns > 0 && !this.#preparedFollow) this.#preparedColumnsEnded();
  }

  /** An OK or EOF packet has ended a result. @param status its flags */
  resultEnded(status: number): void {
    if (this.#outParams) {
      // The set of OUT parameters is never the last, although the EOF after it says so.
      this.#outParams = false;
      this.#at = 'first';
      return;
    }
    this.#at = (status & ServerStatus.MORE_RESULTS_EXISTS) !== 0 && this.#at !== 'ok' ? 'first' : 'done';
  }

  /** Nothing comes any more. */
  end(): void {
    this.#at = 'done';
  }

  #columnsEnded(): void {
    this.#at = this.#deprecateEof ? 'rows' : 'columns-eof';
  }

  #paramsEnded(): void {
    if (this.#deprecateEof) this.paramsEof();
    else this.#at = 'params-eof';
  }

  #preparedColumnsEnded(): void {
    this.#at = this.#deprecateEof ? 'done' : 'prepared-columns-eof';
  }
}

function firstPlace(shape: ResponseShape): Place {
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
