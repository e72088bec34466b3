import { ByteReader } from '../byte-reader.js';
import { ByteWriter } from '../byte-writer.js';
import { MalformedPacket } from '../malformed-packet.js';

export const NONCE_BYTES = 20;

/** A server's greeting, `Protocol::HandshakeV10`. */
export interface HandshakeV10 {
  readonly serverVersion: string;
  readonly connectionId: number;
  /** 20 bytes, none of them NUL. */
  readonly nonce: Buffer;
  readonly capabilities: number;
  /** The low byte of the collation's id: more does not fit. */
  readonly collation: number;
  readonly status: number;
  readonly authPlugin: string;
}

export function encodeHandshakeV10(packet: HandshakeV10): Buffer {
  return new ByteWriter()
    .int1(10)
    .nulString(packet.serverVersion)
    .int4(packet.connectionId)
    .bytes(packet.nonce.subarray(0, 8))
    .int1(0)
    .int2(packet.capabilities & 0xffff)
    .int1(packet.collation)
    .int2(packet.status)
    .int2(packet.capabilities >>> 16)
    .int1(NONCE_BYTES + 1)
    .zeros(10)
    .bytes(packet.nonce.subarray(8))
    .int1(0)
    .nulString(packet.authPlugin)
    .payload();
}

export function decodeHandshakeV10(payload: Buffer): HandshakeV10 | MalformedPacket {
  const reader = new ByteReader(payload);
  if (reader.int1() !== 10) return new MalformedPacket('HandshakeV10');
  const serverVersion = reader.nulBytes().toString('latin1');
  const connectionId = reader.int4();
  const nonceStart = reader.bytes(8);
  reader.int1();
  const capabilitiesLow = reader.int2();
  const collation = reader.int1();
  const status = reader.int2();
  const capabilitiesHigh = reader.int2();
  const nonceLength = reader.int1();
  reader.bytes(10);
  const nonceEnd = reader.bytes(Math.max(13, nonceLength - 8));
  const authPlugin = reader.remaining > 0 ? reader.nulBytes().toString('latin1') : 'mysql_native_password';
  if (reader.failed) return new MalformedPacket('HandshakeV10');
  return {
    serverVersion,
    connectionId,
    nonce: Buffer.concat([nonceStart, nonceEnd.subarray(0, NONCE_BYTES - 8)]),
    capabilities: (capabilitiesLow | (capabilitiesHigh << 16)) >>> 0,
    collation,
    status,
    authPlugin,
  };
}
