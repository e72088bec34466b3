import { describe, expect, test } from 'vitest';
import { Capability } from '../../../src/protocol/capabilities.js';
import { framePackets } from '../../../src/protocol/framing.js';
import { encodeErr } from '../../../src/protocol/packets/err.js';
import { encodeOk, type OkPacket } from '../../../src/protocol/packets/ok.js';
import { ResponseWalker, type ResponseSink } from '../../../src/protocol/response-walker.js';
import { ResultDigest } from '../../../src/protocol/result-digest.js';
import { ServerStatus } from '../../../src/protocol/server-status.js';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';

const NOTHING = Buffer.alloc(0);
const DEPRECATED = Capability.SESSION_TRACK | Capability.DEPRECATE_EOF;
const SLOW = 0x0800;

function ok(fields: Partial<OkPacket> = {}): Buffer {
  const packet = {
    header: 0x00,
    affectedRows: 1n,
    lastInsertId: 0n,
    status: ServerStatus.IN_TRANS,
    warnings: 0,
  } as const;
  return encodeOk({ ...packet, info: NOTHING, sessionChanges: NOTHING, ...fields }, Capability.SESSION_TRACK);
}

/** The digest of one response, cut into chunks of so many bytes. */
function digestOf(payloads: readonly Buffer[], capabilities: number, chunkBytes = Infinity): string {
  const bytes = Buffer.concat(payloads.map((payload, index) => framePackets(payload, index + 1)));
  const digest = new ResultDigest();
  const sink: ResponseSink = {
    content: digest,
    forward: () => {},
    rewriteOk: (packet) => packet,
    rewritePrepareOk: ({ statementId }) => statementId,
    forwardErr: () => true,
  };
  const walker = new ResponseWalker(capabilities);
  walker.begin('result', 1);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Buffer.from(bytes.subarray(at, Math.min(at + chunkBytes, bytes.length)));
    walker.walk(chunk, 0, chunk.length, sink);
  }
  expect(walker.done).toBe(true);
  return digest.finish(walker);
}

const row = (text: string): Buffer => new ByteWriter().lenencString(text).payload();

function rows(texts: readonly string[], status: number = ServerStatus.IN_TRANS, warnings = 0): Buffer[] {
  const end = ok({ header: 0xfe, affectedRows: 0n, status, warnings });
  return [Buffer.of(1), Buffer.from('\x03def-a-definition', 'latin1'), ...texts.map(row), end];
}

/** The same with classic EOF packets. */
function classicRows(texts: readonly string[], status: number, warnings = 0): Buffer[] {
  const eof = (flags: number): Buffer => new ByteWriter().int1(0xfe).int2(warnings).int2(flags).payload();
  return [Buffer.of(1), Buffer.from('\x03def-a-definition', 'latin1'), eof(0), ...texts.map(row), eof(status)];
}

describe('a digest of a result', () => {
  test('is the same wherever its bytes are cut', () => {
    const response = rows(['one', 'two', 'three'.repeat(100)]);
    const whole = digestOf(response, DEPRECATED);
    for (let bytes = 1; bytes < 40; bytes++) expect(digestOf(response, DEPRECATED, bytes)).toBe(whole);
    const classic = classicRows(['one', 'two'], 0);
    const once = digestOf(classic, Capability.SESSION_TRACK);
    for (let bytes = 1; bytes < 40; bytes++) expect(digestOf(classic, Capability.SESSION_TRACK, bytes)).toBe(once);
  });

  test('does not depend on how a statement ran', () => {
    expect(digestOf(rows(['one'], SLOW), DEPRECATED)).toBe(digestOf(rows(['one']), DEPRECATED));
    const classic = Capability.SESSION_TRACK;
    expect(digestOf(classicRows(['one'], SLOW), classic)).toBe(digestOf(classicRows(['one'], 0), classic));
    const told = ok({ sessionChanges: Buffer.from([3, 4, 0, 2, 0x61, 0x62]) });
    expect(digestOf([told], DEPRECATED)).toBe(digestOf([ok({ status: SLOW })], DEPRECATED));
  });

  test('differs with each thing that a client learns, but for the insert id', () => {
    const error = { errno: 1062, sqlState: '23000', message: 'Duplicate entry' };
    const different = [
      rows(['one']),
      rows(['two']),
      rows(['one', 'two']),
      rows(['onetwo']),
      rows([]),
      rows(['one'], 0, 1),
      [ok()],
      [ok({ affectedRows: 2n })],
      [ok({ warnings: 1 })],
      [ok({ info: Buffer.from('Rows matched: 1') })],
      [encodeErr(error)],
      [encodeErr({ ...error, errno: 1061 })],
      [encodeErr({ ...error, message: 'Duplicate key' })],
      [...rows(['one']).slice(0, -1), encodeErr(error)],
    ].map((response) => digestOf(response, DEPRECATED));
    expect(new Set(different).size).toBe(different.length);
  });
});
