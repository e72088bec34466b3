import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../../src/protocol/byte-reader.js';
import { Capability, hasCapability } from '../../../src/protocol/capabilities.js';
import { HEADER_BYTES, MessageSplitter, payloadOf } from '../../../src/protocol/framing.js';
import { MalformedPacket } from '../../../src/protocol/malformed-packet.js';
import { decodeAuthSwitchRequest } from '../../../src/protocol/packets/auth-switch-request.js';
import { decodeHandshakeResponse } from '../../../src/protocol/packets/handshake-response.js';
import { decodeHandshakeV10 } from '../../../src/protocol/packets/handshake-v10.js';
import { decodeOk } from '../../../src/protocol/packets/ok.js';
import { decodeSessionChanges } from '../../../src/protocol/session-changes.js';
import { CLIENT_LOGINS, SERVER_LOGIN } from './captured/logins.js';

const SHA2 = 'caching_sha2_password';
const NATIVE = 'mysql_native_password';

interface Expected {
  readonly database: string;
  readonly authPlugin: string;
  readonly collation: number;
  readonly answerBytes: number;
  readonly maxPacketBytes: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly has: number;
  readonly hasNot: number;
}

const { DEPRECATE_EOF, FOUND_ROWS, QUERY_ATTRIBUTES, SESSION_TRACK, SSL, MULTI_STATEMENTS } = Capability;
const EXPECTED: Readonly<Record<keyof typeof CLIENT_LOGINS, Expected>> = {
  'mysql 9.7 (libmysqlclient)': {
    ...{ database: 'shop', authPlugin: SHA2, collation: 255, answerBytes: 32, maxPacketBytes: 0x1000000 },
    attributes: { _client_name: 'libmysql', _client_version: '9.7.4', program_name: 'mysql' },
    has: DEPRECATE_EOF | QUERY_ATTRIBUTES | SESSION_TRACK,
    hasNot: FOUND_ROWS | SSL,
  },
  'mariadb 10.11 (libmariadb)': {
    ...{ database: 'shop', authPlugin: SHA2, collation: 33, answerBytes: 32, maxPacketBytes: 0x100000 },
    attributes: { _client_name: 'libmariadb', _client_version: '3.3.20', _server_host: '127.0.0.1' },
    has: SESSION_TRACK | MULTI_STATEMENTS,
    hasNot: DEPRECATE_EOF | QUERY_ATTRIBUTES,
  },
  'mariadb with another plugin first': {
    ...{ database: 'shop', authPlugin: NATIVE, collation: 33, answerBytes: 0, maxPacketBytes: 0x100000 },
    attributes: { _client_name: 'libmariadb' },
    has: SESSION_TRACK,
    hasNot: DEPRECATE_EOF,
  },
  'PyMySQL 1.0': {
    ...{ database: 'shop', authPlugin: SHA2, collation: 45, answerBytes: 32, maxPacketBytes: 0xffffff },
    attributes: { _client_name: 'pymysql', _client_version: '1.0.2' },
    has: Capability.MULTI_RESULTS,
    hasNot: SESSION_TRACK | DEPRECATE_EOF | MULTI_STATEMENTS,
  },
  'PHP 8.2 (mysqlnd)': {
    ...{ database: 'shop', authPlugin: SHA2, collation: 255, answerBytes: 32, maxPacketBytes: 0xc0000000 },
    attributes: { _client_name: 'mysqlnd', _server_host: '127.0.0.1' },
    has: 0,
    hasNot: SESSION_TRACK | DEPRECATE_EOF | MULTI_STATEMENTS,
  },
  'PHP 8.2 without a schema': {
    ...{ database: '', authPlugin: SHA2, collation: 255, answerBytes: 32, maxPacketBytes: 0xc0000000 },
    attributes: { _client_name: 'mysqlnd' },
    has: 0,
    hasNot: Capability.CONNECT_WITH_DB,
  },
  'mysql2 3.24': {
    ...{ database: 'shop', authPlugin: SHA2, collation: 224, answerBytes: 32, maxPacketBytes: 0 },
    attributes: { _client_name: 'Node-MySQL-2', _client_version: '3.24.6' },
    has: FOUND_ROWS | SESSION_TRACK | QUERY_ATTRIBUTES,
    hasNot: SSL,
  },
};

/** Lengths at which a packet cut short is read all the same. */
function acceptedLengths(payload: Buffer, decode: (cut: Buffer) => unknown): number[] {
  return Array.from(payload.keys()).filter((length) => {
    const cut = decode(Buffer.from(payload.subarray(0, length)));
    return !(cut instanceof MalformedPacket);
  });
}

function attributesOf(bytes: Buffer): Record<string, string> {
  const reader = new ByteReader(bytes);
  const found: Record<string, string> = {};
  while (reader.remaining > 0) found[reader.lenencBytes().toString()] = reader.lenencBytes().toString();
  expect(reader.failed).toBe(false);
  return found;
}

function payload(packet: Buffer): Buffer {
  return packet.subarray(HEADER_BYTES);
}

describe.each(Object.entries(CLIENT_LOGINS))('the login of %s', (name, packet) => {
  const expected = Object.entries(EXPECTED).find(([known]) => known === name)?.[1];
  if (expected === undefined) throw new Error(`nothing is expected of ${name}`);

  test('is read as the client meant it', () => {
    const login = decodeHandshakeResponse(payload(packet));
    if (login instanceof MalformedPacket) throw new Error('it cannot be read');
    const { user, database, authPlugin, collation, maxPacketBytes, authResponse, capabilities, attributes } = login;
    expect({ user, database, authPlugin, collation, maxPacketBytes, answerBytes: authResponse.length }).toEqual({
      ...{ user: 'app', database: expected.database, authPlugin: expected.authPlugin },
      ...{ collation: expected.collation, maxPacketBytes: expected.maxPacketBytes, answerBytes: expected.answerBytes },
    });
    expect(capabilities & (expected.has | expected.hasNot)).toBe(expected.has);
    expect(attributesOf(attributes)).toMatchObject(expected.attributes);
  });

  test('cut short anywhere is malformed, unless whole fields at its end are missing', () => {
    const body = payload(packet);
    const capabilities = body.readUInt32LE(0);
    const pluginEnd = body.indexOf(`${expected.authPlugin}\0`) + expected.authPlugin.length + 1;
    const databaseEnd = pluginEnd - expected.authPlugin.length - 1;
    const names = hasCapability(capabilities, Capability.CONNECT_WITH_DB);
    const answerEnd = names ? databaseEnd - expected.database.length - 1 : databaseEnd;
    const ends = [...new Set([answerEnd, databaseEnd, pluginEnd])];
    expect(acceptedLengths(body, decodeHandshakeResponse)).toEqual(ends);
  });

  test('is one message, wherever it is cut', () => {
    for (let cut = 0; cut <= packet.length; cut++) {
      const splitter = new MessageSplitter(1 << 20);
      splitter.push(packet.subarray(0, cut));
      const early = splitter.next();
      expect(early === undefined).toBe(cut < packet.length);
      splitter.push(packet.subarray(cut));
      const message = early ?? splitter.next();
      expect(message === undefined ? undefined : payloadOf(message)).toEqual(payload(packet));
      expect(message?.sequenceId).toBe(1);
      expect(splitter.bufferedBytes).toBe(0);
    }
  });
});

describe("the server's side of a login", () => {
  test('begins with a greeting, which cut short is malformed but where only the plugin is missing', () => {
    const greeting = payload(SERVER_LOGIN.greeting);
    expect(decodeHandshakeV10(greeting)).toMatchObject({
      serverVersion: '9.7.4-2',
      connectionId: 18,
      collation: 255,
      status: 2,
      capabilities: 0xdfffffff,
      authPlugin: SHA2,
      nonce: Buffer.from('576a74720f465f683528435d750c401b426f2b2d', 'hex'),
    });
    expect(acceptedLengths(greeting, decodeHandshakeV10)).toEqual([greeting.indexOf(SHA2)]);
  });

  test('may ask for another plugin, whose name has to be whole', () => {
    const request = payload(SERVER_LOGIN.authSwitch);
    expect(decodeAuthSwitchRequest(request)).toEqual({
      plugin: SHA2,
      nonce: Buffer.from('576a74720f465f683528435d750c401b426f2b2d', 'hex'),
    });
    // Nothing says how long the data is: what a plugin gets of it, it has to judge.
    expect(acceptedLengths(request, decodeAuthSwitchRequest)[0]).toBe(1 + SHA2.length + 1);
  });

  test('says that the password is right, and in which schema the session is', () => {
    expect([...payload(SERVER_LOGIN.fastAuthOk)]).toEqual([0x01, 0x03]);
    const body = payload(SERVER_LOGIN.ok);
    const ok = decodeOk(body, SESSION_TRACK);
    if (ok instanceof MalformedPacket) throw new Error('it cannot be read');
    expect(decodeSessionChanges(ok.sessionChanges)).toEqual([{ kind: 'schema', name: 'shop' }]);
    expect(acceptedLengths(body, (cut) => decodeOk(cut, SESSION_TRACK))).toEqual([]);
  });
});
