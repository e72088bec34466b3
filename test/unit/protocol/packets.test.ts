import * as fc from 'fast-check';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  decryptPassword,
  encryptPassword,
  scramble,
  scrambleMatches,
  verifierOf,
} from '../../../src/protocol/auth/caching-sha2.js';
import { ByteReader } from '../../../src/protocol/byte-reader.js';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { Capability } from '../../../src/protocol/capabilities.js';
import { MalformedPacket } from '../../../src/protocol/malformed-packet.js';
import { decodeAuthSwitchRequest, encodeAuthSwitchRequest } from '../../../src/protocol/packets/auth-switch-request.js';
import { decodeErr, encodeErr } from '../../../src/protocol/packets/err.js';
import { decodeHandshakeResponse, encodeHandshakeResponse } from '../../../src/protocol/packets/handshake-response.js';
import { decodeHandshakeV10, encodeHandshakeV10 } from '../../../src/protocol/packets/handshake-v10.js';
import { decodeOk, encodeOk } from '../../../src/protocol/packets/ok.js';
import { findQueryText } from '../../../src/protocol/query-attributes.js';
import {
  decodeSessionChanges,
  encodeSessionChanges,
  type SessionChange,
} from '../../../src/protocol/session-changes.js';

const NONCE = Buffer.from('abcdefghijklmnopqrst', 'latin1');

describe('integers and strings', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.uint8Array({ maxLength: 400 }), (number, bytes) => {
        const reader = new ByteReader(new ByteWriter(1).lenencInt(number).lenencBytes(bytes).payload());
        expect(reader.lenencInt()).toBe(number);
        expect(Buffer.from(bytes).equals(reader.lenencBytes())).toBe(true);
        expect(reader.failed || reader.remaining > 0).toBe(false);
      }),
    );
  });

  test('that are cut short are a failure, never an exception', () => {
    const reader = new ByteReader(Buffer.from([0xfd, 1]));
    expect([reader.lenencInt(), reader.failed]).toEqual([0n, true]);
    const huge = new ByteReader(Buffer.from([0xfe, 255, 255, 255, 255, 255, 255, 255, 255]));
    expect([huge.lenencBytes().length, huge.failed]).toEqual([0, true]);
  });
});

const GREETING = {
  serverVersion: '9.7.4',
  connectionId: 77,
  nonce: NONCE,
  capabilities: 0xdeadbeef,
  collation: 255,
  status: 2,
  authPlugin: 'caching_sha2_password',
};
const LOGIN = {
  capabilities:
    (Capability.PROTOCOL_41 |
      Capability.CONNECT_WITH_DB |
      Capability.PLUGIN_AUTH |
      Capability.CONNECT_ATTRS |
      Capability.PLUGIN_AUTH_LENENC_CLIENT_DATA) >>>
    0,
  maxPacketBytes: 1 << 24,
  collation: 45,
  user: 'jürgen',
  authResponse: Buffer.alloc(32, 7),
  database: 'shop',
  authPlugin: 'caching_sha2_password',
  attributes: Buffer.from([1, 2, 3]),
};
const OK = {
  header: 0x00,
  affectedRows: 300n,
  lastInsertId: 70_000n,
  status: 0x4002,
  warnings: 1,
  info: Buffer.from('info'),
  sessionChanges: encodeSessionChanges([{ kind: 'schema', name: 'shop' }]),
} as const;
const ERR = { errno: 1064, sqlState: '42000', message: 'You have an error' };
const SWITCH = { plugin: 'mysql_native_password', nonce: NONCE };
const TRACK = Capability.SESSION_TRACK;

const PACKETS: readonly [string, Buffer, (payload: Buffer) => unknown, unknown][] = [
  ['HandshakeV10', encodeHandshakeV10(GREETING), decodeHandshakeV10, GREETING],
  ['HandshakeResponse41', encodeHandshakeResponse(LOGIN), decodeHandshakeResponse, LOGIN],
  ['OK', encodeOk(OK, TRACK), (payload) => decodeOk(payload, TRACK), OK],
  ['ERR', encodeErr(ERR), decodeErr, ERR],
  ['AuthSwitchRequest', encodeAuthSwitchRequest(SWITCH), decodeAuthSwitchRequest, SWITCH],
];

describe('packets', () => {
  test.each(PACKETS)('%s is read as it was written', (_, payload, decode, packet) => {
    expect(decode(payload)).toEqual(packet);
  });

  test.each(PACKETS)('%s, cut short anywhere, never makes the decoder throw', (_, payload, decode) => {
    for (let length = 0; length < payload.length; length++)
      expect(() => decode(payload.subarray(0, length))).not.toThrow();
  });

  test('without what they must have are malformed', () => {
    expect(decodeHandshakeV10(Buffer.from([9]))).toBeInstanceOf(MalformedPacket);
    expect(decodeOk(Buffer.from([0, 0xfd]), TRACK)).toBeInstanceOf(MalformedPacket);
    expect(decodeHandshakeResponse(Buffer.alloc(40))).toBeInstanceOf(MalformedPacket);
  });

  test('that are random bytes never make a decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const [, , decode] of PACKETS) decode(Buffer.from(bytes));
        decodeSessionChanges(Buffer.from(bytes));
        findQueryText(Buffer.from(bytes), 0);
      }),
    );
  });
});

test('session changes are read as they were written', () => {
  const changes: SessionChange[] = [
    { kind: 'system-variable', name: 'sql_mode', value: 'ANSI' },
    { kind: 'schema', name: 'shop' },
    { kind: 'state-change' },
    { kind: 'gtids', gtids: '3e11fa47-71ca-11e1-9e33-c80aa9429562:23' },
    { kind: 'transaction-characteristics', statements: 'START TRANSACTION READ ONLY;' },
    { kind: 'transaction-state', state: 'T_______' },
  ];
  expect(decodeSessionChanges(encodeSessionChanges(changes))).toEqual(changes);
});

describe('query attributes', () => {
  const text = 'SELECT 1';
  const attributed = new ByteWriter()
    .int1(3)
    .lenencInt(3)
    .lenencInt(1)
    .int1(0b100)
    .int1(1)
    .bytes(Buffer.from([0xfe, 0]))
    .lenencString('name')
    .bytes(Buffer.from([0x08, 0]))
    .lenencString('number')
    .bytes(Buffer.from([0x06, 0]))
    .lenencString('nothing')
    .lenencString('value')
    .zeros(8)
    .string(text)
    .payload();

  test('are passed over, so that the text is found', () => {
    expect(attributed.toString('latin1', findQueryText(attributed, 0)?.start)).toBe(text);
    const none = Buffer.from(`\x03\x00\x01${text}`, 'latin1');
    expect(none.toString('latin1', findQueryText(none, 0)?.start)).toBe(text);
  });

  test('that are cut short are told apart', () => {
    expect(findQueryText(attributed.subarray(0, 12), 0)).toBeUndefined();
  });
});

describe('caching_sha2_password', () => {
  const sha = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

  test('answers a nonce as the protocol defines it, and the verifier recognises just that', () => {
    const password = Buffer.from('geheim');
    const mask = sha(sha(sha(password)), NONCE);
    const expected = Buffer.from(sha(password).map((byte, i) => byte ^ (mask[i] ?? 0)));
    const answer = scramble('geheim', NONCE);
    expect(answer.equals(expected)).toBe(true);
    expect(scrambleMatches(answer, NONCE, verifierOf('geheim'))).toBe(true);
    expect(scrambleMatches(answer, NONCE, verifierOf('other'))).toBe(false);
    expect(scrambleMatches(answer, Buffer.alloc(20, 1), verifierOf('geheim'))).toBe(false);
  });

  test('carries a password under RSA, and another key does not open it', () => {
    const pair = (): ReturnType<typeof makePair> => makePair();
    const [mine, other] = [pair(), pair()];
    const pem = Buffer.from(mine.publicKey.export({ type: 'spki', format: 'pem' }));
    const encrypted = encryptPassword('päßwort', NONCE, pem);
    expect(decryptPassword(encrypted, NONCE, mine.privateKey)?.toString()).toBe('päßwort');
    expect(decryptPassword(encrypted, NONCE, other.privateKey)?.toString()).not.toBe('päßwort');
  });
});

function makePair() {
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}
