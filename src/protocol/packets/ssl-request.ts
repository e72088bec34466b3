import { ByteWriter } from '../byte-writer.js';
import { Capability, hasCapability } from '../capabilities.js';

/** The head of a `Protocol::HandshakeResponse41`, which is all that `Protocol::SSLRequest` has: TLS begins right behind it. */
export const SSL_REQUEST_BYTES = 32;

/** @param payload of a client's first packet */
export function isSslRequest(payload: Buffer): boolean {
  return payload.length === SSL_REQUEST_BYTES && hasCapability(payload.readUInt32LE(0), Capability.SSL);
}

export function encodeSslRequest(capabilities: number, maxPacketBytes: number, collation: number): Buffer {
  return new ByteWriter(SSL_REQUEST_BYTES).int4(capabilities).int4(maxPacketBytes).int1(collation).zeros(23).payload();
}
