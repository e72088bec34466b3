import { ByteReader } from '../byte-reader.js';
import { ByteWriter } from '../byte-writer.js';
import { MalformedPacket } from '../malformed-packet.js';
import { NONCE_BYTES } from './handshake-v10.js';

/** `Protocol::AuthSwitchRequest`: the server wants another plugin. */
export interface AuthSwitchRequest {
  readonly plugin: string;
  readonly nonce: Buffer;
}

export function encodeAuthSwitchRequest(packet: AuthSwitchRequest): Buffer {
  return new ByteWriter().int1(0xfe).nulString(packet.plugin).bytes(packet.nonce).int1(0).payload();
}

export function decodeAuthSwitchRequest(payload: Buffer): AuthSwitchRequest | MalformedPacket {
  const reader = new ByteReader(payload);
  const header = reader.int1();
  const plugin = reader.nulBytes().toString('latin1');
  const data = reader.rest();
  if (header !== 0xfe || reader.failed) return new MalformedPacket('AuthSwitchRequest');
  // MySQL's nonces end with a NUL that is none of theirs. MariaDB has longer ones, where it may be.
  const terminated = data.length <= NONCE_BYTES + 1 && data.at(-1) === 0;
  return { plugin, nonce: terminated ? data.subarray(0, -1) : data };
}
