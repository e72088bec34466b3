import { createPrivateKey, createPublicKey } from 'node:crypto';
import { ED25519 } from '../../src/protocol/auth/ed25519.js';
import { PARSEC } from '../../src/protocol/auth/parsec.js';
import { encryptPassword, scramble } from '../../src/protocol/auth/caching-sha2.js';
import { ByteWriter } from '../../src/protocol/byte-writer.js';
import { Capability, OFFERED_TO_CLIENTS, SERVER_CONNECTION_FLAGS } from '../../src/protocol/capabilities.js';
import { framePackets } from '../../src/protocol/framing.js';
import { encodeAuthSwitchRequest } from '../../src/protocol/packets/auth-switch-request.js';
import { encodeColumnDefinition } from '../../src/protocol/packets/column-definition.js';
import { encodeEof } from '../../src/protocol/packets/eof.js';
import { encodeErr } from '../../src/protocol/packets/err.js';
import { encodeChangeUser } from '../../src/protocol/packets/change-user.js';
import {
  encodeConnectionAttributes,
  encodeHandshakeResponse,
  type HandshakeResponse,
} from '../../src/protocol/packets/handshake-response.js';
import { encodeHandshakeV10 } from '../../src/protocol/packets/handshake-v10.js';
import { encodeOk, type OkPacket } from '../../src/protocol/packets/ok.js';
import { encodeTextRow } from '../../src/protocol/packets/text-row.js';
import { ServerStatus } from '../../src/protocol/server-status.js';
import { encodeSessionChanges, type SessionChange } from '../../src/protocol/session-changes.js';

// Valid packets of each kind, as payloads and as streams of framed packets.

export const NONCE = Buffer.from('abcdefghijklmnopqrst', 'latin1');
/** Always the same, so that a case can be run again; it protects nothing. */
export const PRIVATE_KEY = createPrivateKey({
  format: 'der',
  type: 'pkcs8',
  key: Buffer.from(
    `MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBALfMTEGZPYBuhi13
     W0WxvFWccxBXM/LOktkHMef2wz6JdJqpXRacpMP1lXeG571lwQ9O1HCKfK2hjT2Q
     419vYIxGwjjUqwJ0O5LjCL0yx40bXS2cCAO4HIQRxRZYm7V2uWuNC61nY6hU/zrX
     O1QAu08TdGvk++P3ua08KNMFEp/FAgMBAAECgYEAsEvIAUwJj/1zuny4EZuwOLX+
     MHhUndvDQ2UBW6x4Dq4uKIO3hI7wA/62RZYjBqppilNktiY//RPutFUbo1jj00gw
     uBDV57Yqb9mqEEyhp8eE0HJ3cdAtFZYHIpySWpi+5ovhGvRu9gfCy7WNB/+1QL6y
     Sx27GY9t4auYjfbrjSkCQQDrVSwIf+MagIb0wAxKosYcgTG3UgxymNHv4oWQpAVh
     M3B6I8O9bVy9rNuyh0/UdDGFXATivk7H2T0vbu2eSnAPAkEAx/CBpR9NVf3Xnb14
     wOkEXsMgR33fERD17ORQZ9afi6ybPRj3M9aJZjSBuZI/6557r1zaLS3f0N6d7n/y
     jKQe6wJAJv4u1J20GJERS36Cyt8bql9xyGlM7LQLnQ7QiL3Usl1elq5UYY+8XSVG
     Jderz40NI4ayvItB7HU/YRulPaQh2wJAEZ8QzgzENB/7MNvSGK5wxClOXv6o+kgU
     ZJx6uawgw56iz++zWc4+rdNS25gYKhv9qqb0U6cHYtE7+hkst1h/oQJAZs6bc/su
     xdTpWRUt2LOaC0CH3i2pQvBsMRMPTfFQlCvcij9r7OlIM4mUxmaQ9bGgsAkIe+pa
     ZLExKckRdWxNXQ==`,
    'base64',
  ),
});
export const PUBLIC_PEM = Buffer.from(createPublicKey(PRIVATE_KEY).export({ type: 'spki', format: 'pem' }));
const { AUTOCOMMIT, CURSOR_EXISTS, MORE_RESULTS_EXISTS, PS_OUT_PARAMS } = ServerStatus;
const EMPTY = Buffer.alloc(0);

/** Frames payloads one behind the other. */
export function stream(firstSequenceId: number, ...payloads: readonly Buffer[]): Buffer {
  return Buffer.concat(payloads.map((payload, i) => framePackets(payload, (firstSequenceId + i) & 0xff)));
}

export const GREETINGS = ['caching_sha2_password', 'mysql_native_password', 'sha256_password'].map((authPlugin) =>
  encodeHandshakeV10({
    serverVersion: '9.7.4',
    connectionId: 77,
    nonce: NONCE,
    capabilities: 0xffffffff,
    collation: 255,
    status: 2,
    authPlugin,
  }),
);

export const HANDSHAKE_RESPONSES = [
  OFFERED_TO_CLIENTS,
  SERVER_CONNECTION_FLAGS,
  Capability.PROTOCOL_41 | Capability.PLUGIN_AUTH_LENENC_CLIENT_DATA,
].flatMap((capabilities) =>
  ['caching_sha2_password', 'mysql_native_password'].map((authPlugin) =>
    encodeHandshakeResponse({
      capabilities: capabilities >>> 0,
      maxPacketBytes: 1 << 24,
      collation: 45,
      user: 'jürgen',
      authResponse: scramble('geheim', NONCE),
      database: 'shop',
      authPlugin,
      attributes: encodeConnectionAttributes({ program_name: 'fuzz', _pid: '1' }),
    }),
  ),
);

export const ATTRIBUTES = [encodeConnectionAttributes({ program_name: 'fuzz', _pid: '1' }), EMPTY];
/** What a session that changes its user was logged in with. */
export const LOGIN: HandshakeResponse = {
  capabilities: OFFERED_TO_CLIENTS,
  maxPacketBytes: 1 << 24,
  collation: 45,
  user: 'app',
  authResponse: EMPTY,
  database: '',
  authPlugin: 'caching_sha2_password',
  attributes: EMPTY,
};
export const CHANGE_USERS = [scramble('geheim', NONCE), EMPTY].map((authResponse) =>
  encodeChangeUser({ ...LOGIN, user: 'jürgen', database: 'shop', authResponse, attributes: ATTRIBUTES[0] ?? EMPTY }),
);

const CHANGES: readonly SessionChange[] = [
  { kind: 'system-variable', name: 'sql_mode', value: 'ANSI' },
  { kind: 'schema', name: 'shop' },
  { kind: 'state-change' },
  { kind: 'gtids', gtids: '3e11fa47-71ca-11e1-9e33-c80aa9429562:23' },
  { kind: 'transaction-characteristics', statements: 'START TRANSACTION READ ONLY;' },
  { kind: 'transaction-state', state: 'T_______' },
];
export const STATEMENT_ID = encodeSessionChanges([{ kind: 'system-variable', name: 'statement_id', value: '4711' }]);
export const SESSION_CHANGES = [encodeSessionChanges(CHANGES), STATEMENT_ID, EMPTY];

function ok(fields: Partial<OkPacket> = {}): Buffer {
  const plain = { header: 0x00, affectedRows: 0n, lastInsertId: 0n, status: AUTOCOMMIT, warnings: 0 } as const;
  return encodeOk({ ...plain, info: EMPTY, sessionChanges: EMPTY, ...fields }, Capability.SESSION_TRACK);
}

export const OKS = [
  ok(),
  ok({ affectedRows: 300n, lastInsertId: 2n ** 63n, info: Buffer.from('Records: 300') }),
  ok({ header: 0xfe, sessionChanges: STATEMENT_ID }),
  ok({ status: AUTOCOMMIT | MORE_RESULTS_EXISTS, sessionChanges: encodeSessionChanges(CHANGES) }),
];
export const ERRS = [
  encodeErr({ errno: 1064, sqlState: '42000', message: 'You have an error' }),
  Buffer.from('\xff\x10\x04Too many connections', 'latin1'),
];
export const AUTH_SWITCHES = ['mysql_native_password', 'sha256_password', 'unknown'].map((plugin) =>
  encodeAuthSwitchRequest({ plugin, nonce: NONCE }),
);
export const PREPARE_OKS = [new ByteWriter().int1(0).int4(7).int2(1).int2(2).int1(0).int2(0).payload()];

const column = encodeColumnDefinition({ name: 'id', type: 'integer' });
const count = (columns: number): Buffer => Buffer.from([columns]);
const row = encodeTextRow(['one', 2]);
const end = ok({ header: 0xfe, warnings: 2 });
const more = AUTOCOMMIT | MORE_RESULTS_EXISTS;
const eof = (status: number = AUTOCOMMIT): Buffer => encodeEof(status);

/** Answers of servers, from the first packet to the last. */
export const RESPONSES: readonly Buffer[] = [
  ...[...OKS, ...ERRS].map((payload) => stream(1, payload)),
  stream(1, count(2), column, column, eof(), row, row, eof()),
  stream(1, count(1), column, row, row, end),
  stream(1, count(1), column, eof(), row, eof(more), count(1), column, eof(), row, eof(more), ok()),
  stream(1, count(1), column, row, ok({ header: 0xfe, status: more }), ok()),
  stream(1, count(1), column, eof(more | PS_OUT_PARAMS), row, eof(), ok()),
  stream(1, count(1), column, eof(AUTOCOMMIT | CURSOR_EXISTS)),
  stream(1, count(1), column, eof(), row, ERRS[0] ?? EMPTY),
  stream(1, row, row, eof()),
  stream(1, column, column, end),
  stream(1, Buffer.from('\xfb/etc/hosts', 'latin1'), ok()),
  stream(1, PREPARE_OKS[0] ?? EMPTY, column, column, eof(), column, eof()),
  stream(1, PREPARE_OKS[0] ?? EMPTY, column, column, column),
  stream(1, Buffer.from('Uptime: 1  Threads: 2')),
];

/** Of MariaDB's plugins, which send no NUL behind it. */
const LONG_NONCE = Buffer.alloc(32, 0x5a);

/** What servers say to a login, in which order ever the mutator puts it. */
export const SERVER_LOGINS: readonly Buffer[] = GREETINGS.flatMap((greeting) => [
  stream(0, greeting, Buffer.from([1, 3]), ok()),
  stream(0, greeting, Buffer.from([1, 4]), Buffer.concat([Buffer.from([1]), PUBLIC_PEM]), ok()),
  ...AUTH_SWITCHES.map((request) => stream(0, greeting, request, Buffer.concat([Buffer.from([1]), PUBLIC_PEM]), ok())),
  stream(0, greeting, encodeAuthSwitchRequest({ plugin: ED25519, nonce: LONG_NONCE }).subarray(0, -1), ok()),
  stream(
    0,
    greeting,
    encodeAuthSwitchRequest({ plugin: PARSEC, nonce: LONG_NONCE }).subarray(0, -1),
    Buffer.from('0150009b7b7055e044cc68e6285f099883479a7b13', 'hex'),
    ok(),
  ),
  stream(0, greeting, ERRS[0] ?? EMPTY),
]);

/** What clients say from our greeting on. */
export const CLIENT_LOGINS: readonly Buffer[] = HANDSHAKE_RESPONSES.flatMap((response) => [
  stream(1, response, Buffer.from([2]), encryptPassword('geheim', NONCE, PUBLIC_PEM)),
  stream(1, response, scramble('geheim', NONCE), Buffer.from([2]), encryptPassword('geheim', NONCE, PUBLIC_PEM)),
  stream(1, response, EMPTY),
]);

const attributes = (writer: ByteWriter): ByteWriter =>
  writer
    .int1(0b100)
    .int1(1)
    .bytes(Buffer.from([0xfe, 0]))
    .lenencString('rwsplit')
    .bytes(Buffer.from([0x08, 0]))
    .lenencString('number')
    .bytes(Buffer.from([0x06, 0]))
    .lenencString('nothing')
    .lenencString('replica')
    .zeros(8);
export const QUERIES = [
  attributes(new ByteWriter().int1(3).lenencInt(3).lenencInt(1)).string('SELECT 1').payload(),
  Buffer.from('\x03\x00\x01SELECT 1', 'latin1'),
];
const executeHead = (flags: number): ByteWriter => new ByteWriter().int1(0x17).int4(1).int1(flags).int4(1);
export const EXECUTES = [
  executeHead(0)
    .int1(0)
    .int1(1)
    .bytes(Buffer.from([0x08, 0, 0xfd, 0]))
    .zeros(8)
    .lenencString('two')
    .payload(),
  executeHead(1).int1(0).int1(0).zeros(8).lenencString('two').payload(),
  attributes(executeHead(8).lenencInt(3)).payload(),
];
export const CLIENT_STREAMS = [...QUERIES, ...EXECUTES, Buffer.from([0x0e])].map((payload) => stream(0, payload));
