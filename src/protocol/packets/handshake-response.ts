import { ByteReader } from '../byte-reader.js';
import { ByteWriter } from '../byte-writer.js';
import { Capability, hasCapability } from '../capabilities.js';
import { MalformedPacket } from '../malformed-packet.js';

/** A client's answer to the greeting, `Protocol::HandshakeResponse41`. */
export interface HandshakeResponse {
  readonly capabilities: number;
  readonly maxPacketBytes: number;
  /** The low byte of the collation's id. */
  readonly collation: number;
  readonly user: string;
  readonly authResponse: Buffer;
  /** Empty when none was named. */
  readonly database: string;
  readonly authPlugin: string;
  /** Connection attributes as they came (length-encoded pairs, without the length of all). */
  readonly attributes: Buffer;
  /** From 1 to 22, where zstd was chosen: for both sides. */
  readonly zstdLevel?: number | undefined;
}

export function decodeHandshakeResponse(payload: Buffer): HandshakeResponse | MalformedPacket {
  const reader = new ByteReader(payload);
  const capabilities = reader.int4();
  if (!hasCapability(capabilities, Capability.PROTOCOL_41)) return new MalformedPacket('HandshakeResponse41');
  const maxPacketBytes = reader.int4();
  const collation = reader.int1();
  reader.bytes(23);
  const user = reader.nulBytes().toString('utf8');
  const authResponse = readAuthResponse(reader, capabilities);
  const database =
    hasCapability(capabilities, Capability.CONNECT_WITH_DB) && reader.remaining > 0
      ? reader.nulBytes().toString('utf8')
      : '';
  const { authPlugin, attributes } = readPluginAndAttributes(reader, capabilities);
  const zstdLevel =
    hasCapability(capabilities, Capability.ZSTD_COMPRESSION_ALGORITHM) && reader.remaining > 0
      ? reader.int1()
      : undefined;
  if (reader.failed) return new MalformedPacket('HandshakeResponse41');
  return {
    capabilities,
    maxPacketBytes,
    collation,
    user,
    authResponse: Buffer.from(authResponse),
    database,
    authPlugin,
    attributes,
    zstdLevel,
  };
}

/** What COM_CHANGE_USER has in the same form. @returns copies */
export function readPluginAndAttributes(
  reader: ByteReader,
  capabilities: number,
): Pick<HandshakeResponse, 'authPlugin' | 'attributes'> {
  const has = (flag: number): boolean => hasCapability(capabilities, flag) && reader.remaining > 0;
  const authPlugin = has(Capability.PLUGIN_AUTH) ? reader.nulBytes().toString('latin1') : '';
  const attributes = has(Capability.CONNECT_ATTRS) ? Buffer.from(reader.lenencBytes()) : Buffer.alloc(0);
  return { authPlugin, attributes };
}

function readAuthResponse(reader: ByteReader, capabilities: number): Buffer {
  if (hasCapability(capabilities, Capability.PLUGIN_AUTH_LENENC_CLIENT_DATA)) return reader.lenencBytes();
  if (hasCapability(capabilities, Capability.SECURE_CONNECTION)) return reader.bytes(reader.int1());
  return reader.nulBytes();
}

export function encodeHandshakeResponse(packet: HandshakeResponse): Buffer {
  const writer = new ByteWriter(256)
    .int4(packet.capabilities)
    .int4(packet.maxPacketBytes)
    .int1(packet.collation)
    .zeros(23)
    .nulString(packet.user)
    .lenencBytes(packet.authResponse);
  if (hasCapability(packet.capabilities, Capability.CONNECT_WITH_DB)) writer.nulString(packet.database);
  if (hasCapability(packet.capabilities, Capability.PLUGIN_AUTH)) writer.nulString(packet.authPlugin);
  if (hasCapability(packet.capabilities, Capability.CONNECT_ATTRS)) writer.lenencBytes(packet.attributes);
  if (hasCapability(packet.capabilities, Capability.ZSTD_COMPRESSION_ALGORITHM)) writer.int1(packet.zstdLevel ?? 3);
  return writer.payload();
}

/** Connection attributes in the form that {@link HandshakeResponse.attributes} has. */
export function encodeConnectionAttributes(pairs: Readonly<Record<string, string>>): Buffer {
  const writer = new ByteWriter();
  for (const [name, value] of Object.entries(pairs)) writer.lenencString(name).lenencString(value);
  return writer.payload();
}
