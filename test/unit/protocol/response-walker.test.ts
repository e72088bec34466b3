import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { Capability } from '../../../src/protocol/capabilities.js';
import { framePackets, MAX_PACKET_PAYLOAD_BYTES } from '../../../src/protocol/framing.js';
import { encodeErr, type ErrPacket } from '../../../src/protocol/packets/err.js';
import { encodeOk, type OkPacket } from '../../../src/protocol/packets/ok.js';
import type { StmtPrepareOk } from '../../../src/protocol/packets/stmt-prepare-ok.js';
import type { ResponseShape } from '../../../src/protocol/response-place.js';
import { ResponseWalker, type ResponseSink } from '../../../src/protocol/response-walker.js';
import { ServerStatus } from '../../../src/protocol/server-status.js';
import { encodeSessionChanges } from '../../../src/protocol/session-changes.js';

const CLASSIC = Capability.SESSION_TRACK;
const OPTIONAL_CLASSIC = Capability.SESSION_TRACK | Capability.OPTIONAL_RESULTSET_METADATA;
const OPTIONAL = OPTIONAL_CLASSIC | Capability.DEPRECATE_EOF;
const DEPRECATED = Capability.SESSION_TRACK | Capability.DEPRECATE_EOF;
const { AUTOCOMMIT, CURSOR_EXISTS, MORE_RESULTS_EXISTS, PS_OUT_PARAMS } = ServerStatus;
const NOTHING = Buffer.alloc(0);

function ok(fields: Partial<OkPacket> = {}): Buffer {
  const packet: OkPacket = {
    header: 0x00,
    affectedRows: 0n,
    lastInsertId: 0n,
    status: AUTOCOMMIT,
    warnings: 0,
    info: NOTHING,
    sessionChanges: NOTHING,
    ...fields,
  };
  return encodeOk(packet, Capability.SESSION_TRACK);
}

function eof(status: number = AUTOCOMMIT, warnings = 0): Buffer {
  return new ByteWriter().int1(0xfe).int2(warnings).int2(status).payload();
}

/** Frames payloads as one response. */
function response(...payloads: readonly Buffer[]): Buffer {
  let sequenceId = 1;
  const framed: Buffer[] = [];
  for (const payload of payloads) {
    framed.push(framePackets(payload, sequenceId & 0xff));
    sequenceId += Math.floor(payload.length / MAX_PACKET_PAYLOAD_BYTES) + 1;
  }
  return Buffer.concat(framed);
}

const count = (columns: number): Buffer => Buffer.from([columns]);
const column = Buffer.from('\x03def-a-column-definition', 'latin1');
/** An event of a binary log, behind an OK's first byte. */
const event = Buffer.from('\0\xfe\xff an event', 'latin1');
const row = (text: string): Buffer => new ByteWriter().lenencString(text).payload();

class Recorder implements ResponseSink {
  readonly forwarded: Buffer[] = [];
  readonly errors: ErrPacket[] = [];
  rewrites = 0;
  forwardsErrors = true;
  forward(chunk: Buffer, start: number, end: number): void {
    this.forwarded.push(Buffer.from(chunk.subarray(start, end)));
  }
  rewriteOk(packet: OkPacket): OkPacket {
    this.rewrites++;
    return { ...packet, sessionChanges: NOTHING };
  }
  rewritePrepareOk(prepared: StmtPrepareOk): number {
    return prepared.statementId + 1000;
  }
  forwardErr(error: ErrPacket): boolean {
    this.errors.push(error);
    return this.forwardsErrors;
  }
}

interface Walked {
  readonly walker: ResponseWalker;
  readonly sink: Recorder;
  readonly out: Buffer;
  /** Bytes of the input that the response was found to have. */
  readonly taken: number;
}

/** Walks bytes that come in two chunks, the first of `cut` bytes. */
function walk(bytes: Buffer, capabilities: number, shape: ResponseShape = 'result', cut = bytes.length): Walked {
  const walker = new ResponseWalker(capabilities);
  const sink = new Recorder();
  walker.begin(shape, 1);
  let taken = 0;
  for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
    if (walker.done || part.length === 0) continue;
    // The walker may write over what it is given.
    const chunk = Buffer.from(part);
    taken += walker.walk(chunk, 0, chunk.length, sink);
  }
  return { walker, sink, out: Buffer.concat(sink.forwarded), taken };
}

const RESULT = [count(2), column, column, eof(), row('a'), row('b'.repeat(300)), row(''), eof(AUTOCOMMIT, 3)];
const RESULT_NEW = [count(1), column, row('a'), row('b'), ok({ header: 0xfe, warnings: 2 })];

const RESPONSES: readonly [string, ResponseShape, number, Buffer][] = [
  ['an OK', 'result', CLASSIC, response(ok({ affectedRows: 5n, info: Buffer.from('Rows matched: 5') }))],
  ['an error', 'result', CLASSIC, response(encodeErr({ errno: 1064, sqlState: '42000', message: 'no' }))],
  ['a result set', 'result', CLASSIC, response(...RESULT)],
  ['a result set without EOFs', 'result', DEPRECATED, response(...RESULT_NEW)],
  ['no rows', 'result', CLASSIC, response(count(1), column, eof(), eof())],
  ['no rows without EOFs', 'result', DEPRECATED, response(count(1), column, ok({ header: 0xfe }))],
  [
    'two results and an OK',
    'result',
    CLASSIC,
    response(
      ...[count(1), column, eof(), row('1'), eof(AUTOCOMMIT | MORE_RESULTS_EXISTS)],
      ...[count(1), column, eof(), row('2'), eof(AUTOCOMMIT | MORE_RESULTS_EXISTS)],
      ok(),
    ),
  ],
  [
    'the OUT parameters of a procedure, whose EOF does not say that more comes',
    'result',
    CLASSIC,
    response(count(1), column, eof(AUTOCOMMIT | PS_OUT_PARAMS | MORE_RESULTS_EXISTS), row('1'), eof(), ok()),
  ],
  [
    'an error in the middle of rows',
    'result',
    CLASSIC,
    response(count(1), column, eof(), row('1'), encodeErr({ errno: 1317, sqlState: '70100', message: 'stop' })),
  ],
  ['a cursor that was opened', 'result', CLASSIC, response(count(1), column, eof(AUTOCOMMIT | CURSOR_EXISTS))],
  ['fetched rows', 'rows', CLASSIC, response(row('1'), row('2'), eof())],
  ['a list of fields', 'columns', CLASSIC, response(column, column, eof())],
  ['statistics', 'string', CLASSIC, response(Buffer.from('Uptime: 1'))],
  [
    'a result set with its definitions',
    'result',
    OPTIONAL,
    response(Buffer.of(1, 1), column, row('a'), ok({ header: 0xfe })),
  ],
  ['a result set without them', 'result', OPTIONAL, response(Buffer.of(1, 0), row('a'), ok({ header: 0xfe }))],
  ['one of many columns', 'result', OPTIONAL, response(Buffer.of(0xfc, 44, 1, 0), row('a'), ok({ header: 0xfe }))],
  [
    'a result set without them, but with EOFs',
    'result',
    OPTIONAL_CLASSIC,
    response(Buffer.of(1, 0), eof(), row('a'), eof()),
  ],
  ['a log to its end', 'stream', DEPRECATED, response(event, event, eof())],
  [
    'a log that breaks off',
    'stream',
    CLASSIC,
    response(event, encodeErr({ errno: 1236, sqlState: 'HY000', message: 'no' })),
  ],
  [
    'a log whose packets are counted anew',
    'stream',
    CLASSIC,
    Buffer.concat([response(event, event), response(event, eof())]),
  ],
];

const PREPARE_OK = new ByteWriter().int1(0).int4(7).int2(1).int2(2).int1(0).int2(0).payload();

describe('a response', () => {
  test.each(RESPONSES)(
    'of %s is forwarded whole and ends where it ends, wherever it is cut',
    (_, shape, flags, bytes) => {
      const next = Buffer.from([9, 9, 9]);
      for (let cut = 1; cut <= bytes.length; cut++) {
        const { walker, out, taken } = walk(bytes, flags, shape, cut);
        expect(walker.done && walker.malformed === undefined).toBe(true);
        expect(out.equals(bytes)).toBe(true);
        expect(taken).toBe(bytes.length);
      }
      // What comes behind belongs to the next one.
      expect(walk(Buffer.concat([bytes, next]), flags, shape).taken).toBe(bytes.length);
      // Cut short, it is not done.
      expect(walk(bytes.subarray(0, -1), flags, shape).walker.done).toBe(false);
    },
  );

  test('tells its rows, warnings, status and error', () => {
    expect(walk(response(...RESULT), CLASSIC).walker).toMatchObject({ rows: 3, warnings: 3, status: AUTOCOMMIT });
    expect(walk(response(...RESULT_NEW), DEPRECATED).walker).toMatchObject({ rows: 2, warnings: 2 });
    const failed = walk(response(encodeErr({ errno: 1064, sqlState: '42000', message: 'no' })), CLASSIC).walker;
    expect(failed).toMatchObject({ error: { errno: 1064 }, status: undefined });
    const written = walk(response(ok({ affectedRows: 2n, lastInsertId: 9n })), CLASSIC).walker;
    expect(written).toMatchObject({ insertsId: true, ok: { affectedRows: 2n } });
  });

  test('with a row of 16 MB that begins like an end goes on behind it', () => {
    const large = Buffer.alloc(MAX_PACKET_PAYLOAD_BYTES + 10, 0xfe);
    const bytes = response(count(1), column, large, row('last'), ok({ header: 0xfe }));
    const { walker, out } = walk(bytes, DEPRECATED, 'result', 1_000_000);
    expect(walker).toMatchObject({ done: true, rows: 2, malformed: undefined });
    expect(out.equals(bytes)).toBe(true);
  });

  test('to COM_STMT_PREPARE gives the client its own id', () => {
    const bytes = response(PREPARE_OK, column, column, eof(), column, eof());
    for (let cut = 1; cut <= bytes.length; cut++) {
      const { walker, out } = walk(bytes, CLASSIC, 'prepare', cut);
      expect(walker.done).toBe(true);
      expect(out.readUInt32LE(5)).toBe(1007);
      expect(out.subarray(9).equals(bytes.subarray(9))).toBe(true);
    }
  });

  test('to COM_STMT_PREPARE may be without definitions', () => {
    const none = Buffer.concat([PREPARE_OK, Buffer.of(0)]);
    expect(walk(response(none), OPTIONAL, 'prepare').walker.done).toBe(true);
    const withEofs = response(none, eof(), eof());
    expect(walk(withEofs, OPTIONAL_CLASSIC, 'prepare').taken).toBe(withEofs.length);
    const full = response(Buffer.concat([PREPARE_OK, Buffer.of(1)]), column, column, column);
    expect(walk(full, OPTIONAL, 'prepare').taken).toBe(full.length);
  });

  test('asks for the file of LOAD DATA LOCAL, and goes on when it was sent', () => {
    const { walker, sink, taken } = walk(response(Buffer.from('\xfb/etc/hosts', 'latin1')), CLASSIC);
    expect(walker).toMatchObject({ awaitsFile: true, done: false });
    expect(taken).toBe(sink.forwarded[0]?.length);
    walker.fileSent(4);
    const after = framePackets(ok(), 4);
    expect(walker.walk(after, 0, after.length, sink)).toBe(after.length);
    expect(walker.done).toBe(true);
  });

  test('loses the number of the statement, which nobody asked for, and keeps all else', () => {
    const numbered = encodeSessionChanges([{ kind: 'system-variable', name: 'statement_id', value: '4711' }]);
    const plain = response(count(1), column, row('x'), ok({ header: 0xfe }));
    const tracked = response(count(1), column, row('x'), ok({ header: 0xfe, sessionChanges: numbered }));
    for (let cut = 1; cut <= tracked.length; cut++) {
      const { out, sink } = walk(tracked, DEPRECATED, 'result', cut);
      expect(out.equals(plain)).toBe(true);
      expect(sink.rewrites).toBe(0);
    }
  });

  test('with other changes shows the client what the sink makes of them', () => {
    const changes = encodeSessionChanges([{ kind: 'system-variable', name: 'sql_mode', value: '' }]);
    const { out, sink } = walk(response(ok({ sessionChanges: changes })), CLASSIC);
    expect(sink.rewrites).toBe(1);
    expect(out.equals(response(ok()))).toBe(true);
  });

  test('that is an error can be kept from the client', () => {
    const walker = new ResponseWalker(CLASSIC);
    const sink = new Recorder();
    sink.forwardsErrors = false;
    walker.begin('result', 1);
    const bytes = response(encodeErr({ errno: 1290, sqlState: 'HY000', message: 'read only' }));
    walker.walk(bytes, 0, bytes.length, sink);
    expect(walker.done).toBe(true);
    expect(sink.forwarded).toEqual([]);
    expect(sink.errors).toMatchObject([{ errno: 1290 }]);
  });

  test.each([[[]], [[0xfc, 0, 0]], [[0xfc, 1]], [[0xfd, 1, 0, 0]], [[0xfe, 0, 0, 2, 0]]])(
    'that begins with %j, which is no column count, is malformed',
    (payload) => {
      expect(walk(response(Buffer.from(payload), column, column), CLASSIC).walker.malformed).toBeDefined();
    },
  );

  test('whose packets are out of order is malformed', () => {
    const bytes = response(...RESULT);
    bytes[3] = 7;
    expect(walk(bytes, CLASSIC).walker.malformed).toBeDefined();
  });
});
