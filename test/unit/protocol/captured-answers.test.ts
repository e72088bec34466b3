import { describe, expect, test } from 'vitest';
import { Capability } from '../../../src/protocol/capabilities.js';
import { HEADER_BYTES } from '../../../src/protocol/framing.js';
import { MalformedPacket } from '../../../src/protocol/malformed-packet.js';
import { decodeErr } from '../../../src/protocol/packets/err.js';
import { decodeOk, type OkPacket } from '../../../src/protocol/packets/ok.js';
import { decodeStmtPrepareOk } from '../../../src/protocol/packets/stmt-prepare-ok.js';
import type { ResponseShape } from '../../../src/protocol/response-place.js';
import { ResponseWalker, type ResponseSink } from '../../../src/protocol/response-walker.js';
import { decodeSessionChanges, type SessionChange } from '../../../src/protocol/session-changes.js';
import { DEPRECATED, PLAIN, TRACKED } from './captured/answers.js';

const { SESSION_TRACK, DEPRECATE_EOF } = Capability;
const SHAPES: Readonly<Record<string, ResponseShape>> = {
  COM_STMT_PREPARE: 'prepare',
  'COM_STMT_PREPARE without parameters': 'prepare',
  'COM_STMT_PREPARE of CALL': 'prepare',
  COM_STMT_FETCH: 'rows',
  COM_STATISTICS: 'string',
};

/** What a walker is to know of an answer when it is at its end, whatever the session tracks. */
const KNOWN: Readonly<Record<keyof typeof PLAIN, object>> = {
  'an INSERT': { rows: 0, ok: { affectedRows: 1n }, error: undefined },
  'an UPDATE': { ok: { affectedRows: 1n, info: Buffer.from('Rows matched: 1  Changed: 1  Warnings: 0') } },
  SET: { ok: { affectedRows: 0n } },
  USE: { ok: { affectedRows: 0n } },
  BEGIN: { status: expect.toSatisfy((status: number) => (status & 1) === 1) },
  rows: { rows: 3, ok: undefined, error: undefined },
  'no rows': { rows: 0, ok: undefined },
  'an error': { error: { errno: 1146, sqlState: '42S02', message: "Table 'shop.no_such_table' doesn't exist" } },
  'an error in the middle of rows': { rows: 2, error: { errno: 1242, sqlState: '21000' } },
  CALL: { rows: 1, ok: { affectedRows: 0n }, error: undefined },
  'three statements': { rows: 1, ok: { affectedRows: 0n } },
  COM_STMT_PREPARE: { error: undefined },
  'COM_STMT_PREPARE without parameters': { error: undefined },
  'COM_STMT_PREPARE of CALL': { error: undefined },
  'CALL with an OUT parameter, prepared': { rows: 1, ok: { affectedRows: 0n }, error: undefined },
  'a cursor': { rows: 0, error: undefined },
  COM_STMT_FETCH: { rows: 2, error: undefined },
  COM_STATISTICS: { error: undefined },
};

/** A client that has asked for no trackers. */
class Untracked implements ResponseSink {
  readonly forwarded: Buffer[] = [];
  readonly changes: SessionChange[] = [];
  statement: object | undefined;

  forward(chunk: Buffer, start: number, end: number): void {
    this.forwarded.push(Buffer.from(chunk.subarray(start, end)));
  }
  rewriteOk(ok: OkPacket): OkPacket {
    const changes = decodeSessionChanges(ok.sessionChanges);
    if (changes instanceof MalformedPacket) throw new Error('session changes that cannot be read');
    this.changes.push(...changes);
    return { ...ok, sessionChanges: Buffer.alloc(0) };
  }
  rewritePrepareOk(prepared: { statementId: number }): number {
    this.statement = prepared;
    return prepared.statementId;
  }
  forwardErr(): boolean {
    return true;
  }
}

function walk(name: string, bytes: Buffer, flags: number, cut: number): { walker: ResponseWalker; client: Untracked } {
  const walker = new ResponseWalker(flags);
  const client = new Untracked();
  walker.begin(SHAPES[name] ?? 'result', 1);
  for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
    const chunk = Buffer.from(part);
    if (!walker.done) expect(walker.walk(chunk, 0, chunk.length, client)).toBe(chunk.length);
  }
  return { walker, client };
}

const SESSIONS: readonly [string, Readonly<Record<string, Buffer>>, number][] = [
  ['without trackers', PLAIN, 0],
  ['with all trackers on', TRACKED, SESSION_TRACK],
  ['with trackers and DEPRECATE_EOF', DEPRECATED, SESSION_TRACK | DEPRECATE_EOF],
];
const ANSWERS = SESSIONS.flatMap(([session, answers, flags]) =>
  Object.entries(answers).map(([name, bytes]) => ({ name, session, bytes, flags })),
);

describe.each(ANSWERS)("MySQL's answer to $name in a session $session", ({ name, bytes, flags }) => {
  test('ends where it ends and says the same, wherever it is cut', () => {
    const whole = walk(name, bytes, flags, bytes.length);
    const expected = Object.entries(KNOWN).find(([known]) => known === name)?.[1];
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { walker, client } = walk(name, bytes, flags, cut);
      expect(walker).toMatchObject({ done: true, malformed: undefined, ...expected });
      expect(Buffer.concat(client.forwarded)).toEqual(Buffer.concat(whole.client.forwarded));
      expect(client.changes).toEqual(whole.client.changes);
    }
  });

  test('cut short anywhere needs more, and is nothing worse', () => {
    for (let length = 0; length < bytes.length; length++) {
      const { walker } = walk(name, bytes.subarray(0, length), flags, length >> 1);
      expect(walker).toMatchObject({ done: false, malformed: undefined });
    }
  });
});

test.each(Object.entries(PLAIN).filter(([name]) => name in TRACKED))(
  "MySQL's answer to %s is what it would be without trackers when what they tell is taken out",
  (name, plain) => {
    const tracked = Object.entries(TRACKED).find(([known]) => known === name)?.[1] ?? Buffer.alloc(0);
    const { client } = walk(name, tracked, SESSION_TRACK, tracked.length);
    expect(Buffer.concat(client.forwarded).toString('hex')).toBe(plain.toString('hex'));
  },
);

describe('what the trackers tell', () => {
  const told = (answer: Buffer): SessionChange[] => walk('', answer, SESSION_TRACK, answer.length).client.changes;
  const STATEMENT = { kind: 'system-variable', name: 'statement_id', value: expect.stringMatching(/^\d+$/) };

  test('of a write is its GTID', () => {
    const gtids = { kind: 'gtids', gtids: expect.stringMatching(/^[\da-f-]{36}:13$/) };
    expect(told(TRACKED['an INSERT'])).toEqual([STATEMENT, gtids]);
  });

  test('of SET are the variables, and that the state has changed', () => {
    const mode = 'REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY,ANSI';
    const variable = { kind: 'system-variable', name: 'sql_mode', value: mode };
    expect(told(TRACKED['SET'])).toEqual([variable, STATEMENT, { kind: 'state-change' }]);
  });

  test('of USE is the schema', () => {
    expect(told(TRACKED['USE'])).toEqual([STATEMENT, { kind: 'schema', name: 'shop' }, { kind: 'state-change' }]);
  });

  test('of BEGIN, where asked for, is the state of the transaction', () => {
    expect(told(TRACKED['BEGIN'])).toEqual([STATEMENT, { kind: 'transaction-state', state: 'T_______' }]);
  });
});

describe('single packets of captured answers', () => {
  const CUT: readonly [string, Buffer, (payload: Buffer) => unknown, readonly number[]][] = [
    ['OK with session changes', TRACKED['an UPDATE'], (payload) => decodeOk(payload, SESSION_TRACK), []],
    // The text is optional.
    ['OK with a text', PLAIN['an UPDATE'], (payload) => decodeOk(payload, 0), [7]],
    // Errors from before the handshake have no state.
    ['COM_STMT_PREPARE_OK', PLAIN['COM_STMT_PREPARE without parameters'], decodeStmtPrepareOk, [9, 10, 11]],
  ];

  test.each(CUT)('%s, cut short, is malformed', (_, packet, decode, accepted) => {
    const payload = packet.subarray(HEADER_BYTES);
    expect(decode(payload)).not.toBeInstanceOf(MalformedPacket);
    const read = Array.from(payload.keys()).filter(
      (length) => !(decode(Buffer.from(payload.subarray(0, length))) instanceof MalformedPacket),
    );
    expect(read).toEqual(accepted);
  });

  test('an error, cut short, is malformed or has less of a text', () => {
    const payload = PLAIN['an error'].subarray(HEADER_BYTES);
    for (let length = 0; length < payload.length; length++) {
      const error = decodeErr(Buffer.from(payload.subarray(0, length)));
      const hasState = length === 3 || length >= 9;
      expect(error instanceof MalformedPacket).toBe(!hasState);
      if (!(error instanceof MalformedPacket)) expect(error.errno).toBe(1146);
    }
  });
});
