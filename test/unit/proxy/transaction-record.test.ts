import { describe, expect, test } from 'vitest';
import { messageOf } from '../../../src/protocol/framing.js';
import { Command } from '../../../src/protocol/commands.js';
import { freshState } from '../../../src/session/session-state.js';
import type { RecordedCommand } from '../../../proxy/replay/recorded-command.js';
import { ReplayRoom, type ReplaySettings } from '../../../proxy/replay/replay-settings.js';
import { TransactionRecord } from '../../../proxy/replay/transaction-record.js';

const beginning = { state: freshState(''), asked: [], insertId: '0' };

function command(textBytes = 10): RecordedCommand {
  return {
    message: messageOf(Command.QUERY, Buffer.alloc(textBytes)),
    shape: 'result',
    statement: undefined,
    digest: 'ok',
    insertId: 0n,
  };
}

function settings(bounds: Partial<ReplaySettings> = {}): ReplaySettings {
  return { statements: 100, bytes: 100_000, room: new ReplayRoom(1_000_000), ...bounds };
}

/** How many commands of a size a record takes. */
function taken(record: TransactionRecord, textBytes: number): number {
  for (let count = 0; ; count++) if (!record.add(command(textBytes))) return count;
}

describe('what is kept of a transaction', () => {
  test('is bounded in statements, in bytes, and in the bytes of all transactions', () => {
    expect(taken(new TransactionRecord(beginning, settings({ statements: 3 })), 10)).toBe(3);
    const few = taken(new TransactionRecord(beginning, settings({ bytes: 10_000 })), 2_000);
    expect(few).toBe(4);
    const shared = settings({ room: new ReplayRoom(10_000) });
    const [first, second] = [new TransactionRecord(beginning, shared), new TransactionRecord(beginning, shared)];
    expect(first.add(command(4_000))).toBe(true);
    expect(taken(second, 4_000)).toBe(1);
  });

  test('makes room for others when it goes', () => {
    const shared = settings({ room: new ReplayRoom(10_000) });
    for (let round = 0; round < 5; round++) {
      const record = new TransactionRecord(beginning, shared);
      expect(taken(record, 4_000)).toBe(2);
      record.drop();
      record.drop();
      expect(shared.room.usedBytes).toBe(0);
    }
  });
});
