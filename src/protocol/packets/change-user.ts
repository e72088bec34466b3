import { ByteReader } from '../byte-reader.js';
import { ByteWriter } from '../byte-writer.js';
import { Capability, hasCapability } from '../capabilities.js';
import { Command } from '../commands.js';
import { MalformedPacket } from '../malformed-packet.js';
import { readPluginAndAttributes, type HandshakeResponse } from './handshake-response.js';

/**
 * `COM_CHANGE_USER`: a login on a connection that has one already.
 * @param current what the connection was logged in with: the flags that it agreed on stay
 */
export function decodeChangeUser(payload: Buffer, current: HandshakeResponse): HandshakeResponse | MalformedPacket {
  const { capabilities } = current;
  const reader = new ByteReader(payload);
  const command = reader.int1();
  const user = reader.nulBytes().toString('utf8');
  const secure = hasCapability(capabilities, Capability.SECURE_CONNECTION);
  const authResponse = secure ? reader.bytes(reader.int1()) : reader.nulBytes();
  const database = reader.nulBytes().toString('utf8');
  // What follows may be left out by old clients: then all stays as it was.
  const collation = reader.remaining >= 2 ? reader.int2() : current.collation;
  const { authPlugin, attributes } = readPluginAndAttributes(reader, capabilities);
  if (command !== Command.CHANGE_USER || reader.failed) return new MalformedPacket('COM_CHANGE_USER');
  return {
    ...current,
    collation,
    user,
    authResponse: Buffer.from(authResponse),
    database,
    authPlugin,
    attributes,
  };
}

/** @param packet its flags say which fields there are */
export function encodeChangeUser(packet: HandshakeResponse): Buffer {
  const { capabilities } = packet;
  const writer = new ByteWriter(256)
    .int1(Command.CHANGE_USER)
    .nulString(packet.user)
    .int1(packet.authResponse.length)
    .bytes(packet.authResponse)
    .nulString(packet.database)
    .int2(packet.collation);
  if (hasCapability(capabilities, Capability.PLUGIN_AUTH)) writer.nulString(packet.authPlugin);
  if (hasCapability(capabilities, Capability.CONNECT_ATTRS)) writer.lenencBytes(packet.attributes);
  return writer.payload();
}
