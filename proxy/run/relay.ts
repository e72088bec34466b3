import { Capability, hasCapability } from '../../src/protocol/capabilities.js';
import { MalformedPacket } from '../../src/protocol/malformed-packet.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import type { OkPacket } from '../../src/protocol/packets/ok.js';
import type { StmtPrepareOk } from '../../src/protocol/packets/stmt-prepare-ok.js';
import type { ResultDigest } from '../../src/protocol/result-digest.js';
import { decodeSessionChanges, encodeSessionChanges, type SessionChange } from '../../src/protocol/session-changes.js';
import type { RwsplitError } from '../../src/errors.js';
import type { ReplyOwner, ServerConnection } from '../../src/runtime/server-connection.js';
import { visibleChanges } from '../../src/session/visible-changes.js';
import type { ClientStatement } from '../client-statement.js';

/** Where a relay hands the bytes to. */
export interface RelayClient {
  readonly capabilities: number;
  /** Written but not yet taken by the kernel. */
  readonly pendingBytes: number;
  /** @returns false when the client is slow to take it: the relay's `clientDrained` follows */
  write(bytes: Buffer): boolean;
  /** What the client sends now is its file, until it ends. @param sequenceId of its first packet */
  wantFile(sequenceId: number): void;
  /** What the client sends now goes to the server as it is, until the answer ends. */
  wantStream(): void;
  streamEnded(): void;
  setReading(reading: boolean): void;
}

/** Who decides what comes after an answer. */
export interface RelayEnd {
  replyEnded(connection: ServerConnection): void;
  connectionLost(connection: ServerConnection, error: RwsplitError): void;
}

/** A replica that is read-only refused the statement before it did anything. */
const REFUSED_AS_WRITE: ReadonlySet<number> = new Set([1290, 1792, 1836]);
const ER_OPTION_PREVENTS_STATEMENT = 1290;
const ER_READ_ONLY_MODE = 1836;

/** The server takes no writes: it is no primary, or no longer. */
function isReadOnlyServer({ errno, message }: ErrPacket): boolean {
  return errno === ER_READ_ONLY_MODE || (errno === ER_OPTION_PREVENTS_STATEMENT && message.includes('read-only'));
}

/** Hands a statement's answer from the server to the client, and keeps what it tells of the session. */
export class Relay implements ReplyOwner {
  readonly #client: RelayClient;
  readonly #end: RelayEnd;
  #connection: ServerConnection | undefined;
  #onReplica = false;
  #prepares: ClientStatement | undefined;
  #changes: SessionChange[] = [];
  /** The trackers that the client itself has set. */
  readonly #trackersAskedFor = new Set<string>();
  /** The client has had a part of the answer. */
  forwarded = false;
  /** With which error a server that is read-only refused the statement because it writes. The client has not seen that. */
  refusedAsWrite: ErrPacket | undefined;
  /** The answer is not the client's: the connection was not in the session's state. */
  dropped = false;
  /** Takes what the answer has, where that matters. */
  content: ResultDigest | undefined;
  /** The client has been asked for a file. */
  askedFile = false;

  constructor(client: RelayClient, end: RelayEnd) {
    this.#client = client;
    this.#end = end;
  }

  /** @param prepares the statement whose id the answer brings */
  begin(connection: ServerConnection, onReplica: boolean, prepares: ClientStatement | undefined): void {
    this.#connection = connection;
    this.#onReplica = onReplica;
    this.#prepares = prepares;
    this.forwarded = false;
    this.refusedAsWrite = undefined;
    this.dropped = false;
    this.content = undefined;
    this.askedFile = false;
    if (this.#changes.length > 0) this.#changes = [];
  }

  /** What the answer told of the session. */
  get changes(): readonly SessionChange[] {
    return this.#changes;
  }

  /** The client itself sets a tracker: from now on it sees what that one reports. */
  askedFor(tracker: string): void {
    this.#trackersAskedFor.add(tracker);
  }

  /** The client has begun its session anew. */
  reset(): void {
    this.#trackersAskedFor.clear();
  }

  clientDrained(): void {
    this.#connection?.resume();
  }

  forward(chunk: Buffer, start: number, end: number): void {
    if (this.dropped) return;
    this.forwarded = true;
    const flows = this.#client.write(chunk.subarray(start, end));
    // Nearly always the kernel has taken it all by now; else the next bytes must not be read over these.
    if (this.#client.pendingBytes > 0) this.#connection?.keepBuffer();
    if (!flows) this.#connection?.pause();
  }

  rewriteOk(ok: OkPacket): OkPacket {
    const changes = decodeSessionChanges(ok.sessionChanges);
    if (changes instanceof MalformedPacket) return ok;
    this.#changes.push(...changes);
    const visible = hasCapability(this.#client.capabilities, Capability.SESSION_TRACK)
      ? visibleChanges(changes, this.#trackersAskedFor)
      : [];
    return { ...ok, sessionChanges: encodeSessionChanges(visible) };
  }

  rewritePrepareOk(prepared: StmtPrepareOk): number {
    const statement = this.#prepares;
    if (statement === undefined) return prepared.statementId;
    statement.params = prepared.params;
    this.#connection?.addPrepared(statement.key, prepared.statementId);
    return statement.id;
  }

  forwardErr(error: ErrPacket): boolean {
    const isRefusal = this.#onReplica ? REFUSED_AS_WRITE.has(error.errno) : isReadOnlyServer(error);
    if (isRefusal && !this.forwarded && !this.dropped) {
      this.refusedAsWrite = error;
      return false;
    }
    return !this.dropped;
  }

  fileWanted(connection: ServerConnection): void {
    this.askedFile = true;
    this.#client.wantFile(connection.walker.sequenceId);
  }

  drained(): void {
    this.#client.setReading(true);
  }

  replyEnded(connection: ServerConnection): void {
    this.#end.replyEnded(connection);
  }

  connectionLost(connection: ServerConnection, error: RwsplitError): void {
    this.#end.connectionLost(connection, error);
  }
}
