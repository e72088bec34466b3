import { ByteReader } from '../byte-reader.js';
import { ByteWriter } from '../byte-writer.js';
import { MalformedPacket } from '../malformed-packet.js';

/** `ERR_Packet`. */
export interface ErrPacket {
  readonly errno: number;
  /** Five characters. */
  readonly sqlState: string;
  readonly message: string;
}

export function decodeErr(payload: Buffer): ErrPacket | MalformedPacket {
  const reader = new ByteReader(payload);
  const header = reader.int1();
  const errno = reader.int2();
  if (header !== 0xff || reader.failed) return new MalformedPacket('ERR_Packet');
  // Before the handshake is done, servers send errors without a state (1040, 1129, 1130).
  const marked = payload[reader.position] === 0x23;
  if (!marked) return { errno, sqlState: 'HY000', message: reader.rest().toString('utf8') };
  reader.int1();
  const sqlState = reader.bytes(5).toString('latin1');
  const message = reader.rest().toString('utf8');
  return reader.failed ? new MalformedPacket('ERR_Packet') : { errno, sqlState, message };
}

export function encodeErr(packet: ErrPacket): Buffer {
  return new ByteWriter(16 + packet.message.length)
    .int1(0xff)
    .int2(packet.errno)
    .string('#')
    .string(packet.sqlState)
    .string(packet.message)
    .payload();
}
