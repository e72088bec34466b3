import { describe, expect, test } from 'vitest';
import { frameResultSet } from '../../../proxy/admin/result-set.js';
import { Capability } from '../../../src/protocol/capabilities.js';
import { encodeColumnDefinition } from '../../../src/protocol/packets/column-definition.js';
import { encodeEof } from '../../../src/protocol/packets/eof.js';
import { encodeTextRow } from '../../../src/protocol/packets/text-row.js';

describe("a result set's packets", () => {
  test('a column of text is defined as in no table, in utf8mb4', () => {
    expect(encodeColumnDefinition({ name: 'node', type: 'text' }).toString('hex')).toBe(
      '03646566' +
        '00' +
        '00' +
        '00' +
        '046e6f6465' +
        '00' +
        '0c' +
        '2d00' +
        '00100000' +
        'fd' +
        '0100' +
        '00' +
        '0000',
    );
  });

  test('a column of integers is binary, 64 bits wide', () => {
    expect(encodeColumnDefinition({ name: 'n', type: 'integer' }).toString('hex')).toBe(
      '03646566000000016e000c3f0014000000088100000000',
    );
  });

  test('a row has each value as a text with its length', () => {
    expect(encodeTextRow(['ü', 12, ''])).toEqual(Buffer.from('02c3bc02313200', 'hex'));
    expect(
      encodeTextRow(['x'.repeat(300)])
        .subarray(0, 4)
        .toString('hex'),
    ).toBe('fc2c0178');
  });

  test('the end tells warnings and status', () => {
    expect(encodeEof(0x0003)).toEqual(Buffer.from('fe00000300', 'hex'));
  });
});

describe('a result set', () => {
  const resultSet = { columns: [{ name: 'n', type: 'integer' as const }], rows: [[1], [2]] };
  const column = `17000002${encodeColumnDefinition({ name: 'n', type: 'integer' }).toString('hex')}`;

  test('ends its columns and rows with EOF packets for old clients', () => {
    expect(frameResultSet(resultSet, 0, 2, 1).toString('hex')).toBe(
      `0100000101${column}05000003fe0000020002000004013102000005013205000006fe00000200`,
    );
  });

  test('ends with an OK packet, and nothing after its columns, for clients that know DEPRECATE_EOF', () => {
    expect(frameResultSet(resultSet, Capability.DEPRECATE_EOF, 2, 1).toString('hex')).toBe(
      `0100000101${column}02000003013102000004013207000005fe000002000000`,
    );
  });

  test('says that its definitions follow, to clients that may do without', () => {
    const capabilities = Capability.DEPRECATE_EOF | Capability.OPTIONAL_RESULTSET_METADATA;
    expect(frameResultSet(resultSet, capabilities, 2, 1).toString('hex')).toMatch(/^020000010101/);
  });

  test('has sequence ids that begin again after 255', () => {
    const rows = Array.from({ length: 300 }, () => [1]);
    const bytes = frameResultSet({ columns: [], rows }, Capability.DEPRECATE_EOF, 2, 1);
    const ids = Array.from({ length: 300 }, (_, index) => bytes[5 + index * 6 + 3]);
    expect(ids).toEqual(rows.map((_, index) => (index + 2) & 0xff));
  });
});
