import { ByteReader } from '../byte-reader.js';
import { ByteWriter } from '../byte-writer.js';
import { Capability, hasCapability } from '../capabilities.js';
import { MalformedPacket } from '../malformed-packet.js';
import { ServerStatus } from '../server-status.js';

/** `OK_Packet`: a statement's success, or (with the header 0xFE) the end of rows under DEPRECATE_EOF. */
export interface OkPacket {
  readonly header: 0x00 | 0xfe;
  readonly affectedRows: bigint;
  readonly lastInsertId: bigint;
  readonly status: number;
  readonly warnings: number;
  readonly info: Buffer;
  /** The session's changes as they came: see `session-changes.ts`. Empty when there are none. */
  readonly sessionChanges: Buffer;
}

/** @param capabilities what both sides of the connection agreed on */
export function decodeOk(payload: Buffer, capabilities: number): OkPacket | MalformedPacket {
  const reader = new ByteReader(payload);
  const header = reader.int1();
  const affectedRows = reader.lenencInt();
  const lastInsertId = reader.lenencInt();
  const status = reader.int2();
  const warnings = reader.int2();
  let info: Buffer = Buffer.alloc(0);
  let sessionChanges = info;
  if (hasCapability(capabilities, Capability.SESSION_TRACK)) {
    if (reader.remaining > 0) info = reader.lenencBytes();
    if ((status & ServerStatus.SESSION_STATE_CHANGED) !== 0) sessionChanges = reader.lenencBytes();
  } else if (reader.remaining > 0) {
    // Documented as a string to the packet's end; servers write its length first, and clients read it so.
    info = reader.lenencBytes();
  }
  if (reader.failed || (header !== 0x00 && header !== 0xfe)) return new MalformedPacket('OK_Packet');
  return { header, affectedRows, lastInsertId, status, warnings, info, sessionChanges };
}

/** @param capabilities of the connection to which it goes */
export function encodeOk(packet: OkPacket, capabilities: number): Buffer {
  const tracks = hasCapability(capabilities, Capability.SESSION_TRACK);
  const changes = tracks && packet.sessionChanges.length > 0;
  const status = changes
    ? packet.status | ServerStatus.SESSION_STATE_CHANGED
    : packet.status & ~ServerStatus.SESSION_STATE_CHANGED;
  const writer = new ByteWriter(32 + packet.info.length + packet.sessionChanges.length)
    .int1(packet.header)
    .lenencInt(packet.affectedRows)
    .lenencInt(packet.lastInsertId)
    .int2(status)
    .int2(packet.warnings);
  if (packet.info.length > 0 || changes) writer.lenencBytes(packet.info);
  if (changes) writer.lenencBytes(packet.sessionChanges);
  return writer.payload();
}
