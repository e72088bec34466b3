import { expect, test } from 'vitest';
import { DigestTable } from '../../../src/classify/digest-table.js';

test('counts are told by node, target and reason, the most frequent first', () => {
  const table = new DigestTable(10);
  const a = table.entryOf({ hash: 'a', text: 'select a' });
  a.ran('n1', 'replica', 'read');
  a.ran('n1', 'primary', 'in-transaction');
  a.ran('n2', 'replica', 'read');
  a.ran('n2', 'replica', 'read');
  a.refused('n2', 'replica', 'read');
  table.entryOf({ hash: 'b', text: 'select b' }).ran('n1', 'replica', 'read');
  expect(table.rows().map(({ digest, count }) => [digest.text, ...Object.values(count)])).toEqual([
    ['select a', 'n2', 'replica', 'read', 2, 1],
    ['select a', 'n1', 'replica', 'read', 1, 0],
    ['select a', 'n1', 'primary', 'in-transaction', 1, 0],
    ['select b', 'n1', 'replica', 'read', 1, 0],
  ]);
});

test('a digest has one entry however often it is asked for', () => {
  const table = new DigestTable(10);
  expect(table.entryOf({ hash: 'a', text: 'x' })).toBe(table.entryOf({ hash: 'a', text: 'x' }));
});

test('what is beyond the maximum is counted together, and known digests go on by themselves', () => {
  const table = new DigestTable(2);
  const entries = ['a', 'b', 'c', 'd'].map((hash) => table.entryOf({ hash, text: hash }));
  expect(entries[2]).toBe(entries[3]);
  expect(entries.map((it) => table.isSingle(it))).toEqual([true, true, false, false]);
  for (const entry of entries) entry.ran('n', 'primary', 'write');
  expect(table.rows().map(({ digest, count }) => [digest.text, count.statements])).toEqual([
    ['(others)', 2],
    ['a', 1],
    ['b', 1],
  ]);
  expect(table.entryOf({ hash: 'a', text: 'a' })).toBe(entries[0]);
});
