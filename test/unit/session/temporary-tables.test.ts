import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readTableChange } from '../../../src/classify/temporary-table.js';
import { TemporaryTables } from '../../../src/session/temporary-tables.js';
import { MYSQL } from '../classify/modes.js';

function tablesAfter(...statements: readonly string[]): TemporaryTables {
  const tables = new TemporaryTables();
  for (const sql of statements) expect(tables.ran(Buffer.from(sql), MYSQL, 's', false), sql).toBe(true);
  return tables;
}

describe('temporary tables', () => {
  test.each([
    ['CREATE TEMPORARY TABLE t (a INT)', 'create', [{ schema: undefined, table: 't' }]],
    ['create /* c */ temporary table if not exists `x`.`t` SELECT 1', 'create', [{ schema: 'x', table: 't' }]],
    ['DROP TABLE t', 'drop', [{ schema: undefined, table: 't' }]],
    [
      'DROP TEMPORARY TABLE IF EXISTS t, x . u CASCADE',
      'drop',
      [
        { schema: undefined, table: 't' },
        { schema: 'x', table: 'u' },
      ],
    ],
    ['CREATE TABLE t (a INT)', undefined, []],
    ['CREATE OR REPLACE TEMPORARY TABLE t (a INT)', undefined, []],
    ['DROP VIEW t', undefined, []],
    ['CREATE TEMPORARY TABLE', undefined, []],
    ['', undefined, []],
  ])('are read from %s', (sql, does, tables) => {
    expect(readTableChange(Buffer.from(sql), MYSQL)).toEqual(does === undefined ? undefined : { does, tables });
  });

  test('are found in what names them, however it does', () => {
    const tables = tablesAfter('CREATE TEMPORARY TABLE t (a INT)', 'CREATE TEMPORARY TABLE x.`a.b` (a INT)');
    for (const sql of [
      'SELECT * FROM t',
      'SELECT * FROM S.T',
      'SELECT 1 FROM u, `t` AS v',
      'TABLE x.`a.b`',
      'TABLE `a.b`',
    ]) {
      expect(tables.isNamedIn(Buffer.from(sql), MYSQL), sql).toBe(true);
    }
    for (const sql of ['SELECT * FROM tt', "SELECT 't'", 'SELECT 1']) {
      expect(tables.isNamedIn(Buffer.from(sql), MYSQL), sql).toBe(false);
    }
  });

  test('are gone when they are dropped, but not when that failed', () => {
    const tables = tablesAfter(
      'CREATE TEMPORARY TABLE t (a INT)',
      'CREATE TEMPORARY TABLE x.u (a INT)',
      'DROP TABLE t',
    );
    tables.ran(Buffer.from('DROP TABLE x.u, missing'), MYSQL, 's', true);
    expect(tables.isEmpty).toBe(false);
    tables.ran(Buffer.from('DROP TABLE x.u'), MYSQL, 's', false);
    expect(tables.isEmpty).toBe(true);
  });

  test('are not known by name any more when they are given another', () => {
    const tables = tablesAfter('CREATE TEMPORARY TABLE t (a INT)', 'ALTER TABLE other RENAME TO more');
    expect(tables.ran(Buffer.from('ALTER TABLE t RENAME TO u'), MYSQL, 's', false)).toBe(false);
    expect(tables.ran(Buffer.from('CREATE OR REPLACE TEMPORARY TABLE q (a INT)'), MYSQL, 's', false)).toBe(false);
  });

  test('no text makes reading them throw', () => {
    assert(property(uint8Array(), (bytes) => void readTableChange(bytes, MYSQL)));
    const prefixed = uint8Array().map((bytes) => Buffer.concat([Buffer.from('DROP TABLE '), bytes]));
    assert(property(prefixed, (bytes) => void readTableChange(bytes, MYSQL)));
  });
});
