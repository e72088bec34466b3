import { describe, expect, test } from 'vitest';
import type { OkPacket } from '../../../src/protocol/packets/ok.js';
import { countsRows, rowsCountedBy } from '../../../src/session/found-rows.js';

describe('FOUND_ROWS() counts the rows', () => {
  test.each([
    'SELECT 1',
    'select 1',
    '/* of the shop */ SELECT 1',
    '-- x\n ((SELECT 1) UNION SELECT 2)',
    'WITH x AS (SELECT 1) SELECT * FROM x',
    'TABLE t',
    'VALUES ROW(1)',
    'SHOW TABLES',
    'show full columns from t',
    'SHOW COUNT(*) WARNINGS',
    'DESC t',
  ])('of %s', (sql) => {
    expect(counts(sql)).toBe(true);
  });

  test.each([
    'SHOW WARNINGS',
    'SHOW CREATE TABLE t',
    'SHOW PROCESSLIST',
    'EXPLAIN SELECT 1',
    'DESCRIBE SELECT 1',
    'HANDLER h READ FIRST',
    'CHECK TABLE t',
    'CHECKSUM TABLE t',
    'HELP "select"',
    // Comments that could be read in many ways would take for ever.
    '/**/'.repeat(300),
    'CALL finds()',
    '',
  ])('not of %s', (sql) => {
    expect(counts(sql)).toBe(false);
  });

  test('of a text within a longer packet', () => {
    expect(countsRows(Buffer.from('\x03SHOW TABLES'), 1)).toBe(true);
    expect(countsRows(Buffer.from('\x03SHOW GRANTS'), 1)).toBe(false);
  });
});

describe('FOUND_ROWS() after what gave no rows that count', () => {
  test.each([
    ['UPDATE t SET v = 1', 'Rows matched: 3  Changed: 1  Warnings: 0', 3],
    ['update t set v = 1', 'Datensätze gefunden: 3  Geändert: 1  Warnungen: 0', 3],
    ['WITH x AS (SELECT 1) UPDATE t SET v = 1', 'Rows matched: 2  Changed: 1  Warnings: 0', 2],
    ['UPDATE t, u SET t.v = u.v', 'Rows matched: 3  Changed: 1  Warnings: 0', 0],
    ['UPDATE t JOIN u USING (id) SET t.v = u.v', 'Rows matched: 3  Changed: 1  Warnings: 0', 0],
    ['UPDATE t SET v = 1, w = 2', 'Rows matched: 3  Changed: 1  Warnings: 0', 3],
    ['INSERT INTO t SELECT * FROM u', 'Records: 4  Duplicates: 0  Warnings: 0', 4],
    ['REPLACE INTO t TABLE u', 'Records: 4  Duplicates: 0  Warnings: 0', 4],
    ['DO 1', '', 1],
    ["INSERT INTO t VALUES ('select'), ('x')", 'Records: 2  Duplicates: 0  Warnings: 0', undefined],
    ['INSERT INTO t VALUES (1)', '', undefined],
    ['DELETE FROM t', '', undefined],
    ['CREATE TABLE t SELECT 1', 'Records: 1  Duplicates: 0  Warnings: 0', undefined],
    ['SET @x = 1', '', undefined],
  ])('of MySQL, %s (%s), is %s', (sql, info, found) => {
    expect(rowsCountedBy(Buffer.from(sql), { ok: answer(info), rows: 0, mariadb: false })).toBe(found);
  });

  test.each([
    ['UPDATE t SET v = 1', 'Rows matched: 3  Changed: 1  Warnings: 0', undefined],
    ['UPDATE t, u SET t.v = u.v', 'Rows matched: 3  Changed: 1  Warnings: 0', 3],
    ['DO 1', '', undefined],
  ])('of MariaDB, %s (%s), is %s', (sql, info, found) => {
    expect(rowsCountedBy(Buffer.from(sql), { ok: answer(info), rows: 0, mariadb: true })).toBe(found);
  });

  test('is what SELECT … INTO put into variables', () => {
    const ok = { ...answer(''), affectedRows: 1n };
    expect(rowsCountedBy(Buffer.from('SELECT v INTO @x FROM t'), { ok, rows: 0, mariadb: false })).toBe(1);
  });

  test('is what a text-prepared statement gave; EXPLAIN counts on MariaDB only, and nothing', () => {
    const gave = { ok: undefined, rows: 2, mariadb: false };
    expect(rowsCountedBy(Buffer.from('EXECUTE p'), gave)).toBe(2);
    expect(rowsCountedBy(Buffer.from('EXPLAIN SELECT 1'), gave)).toBeUndefined();
    expect(rowsCountedBy(Buffer.from('EXPLAIN SELECT 1'), { ...gave, mariadb: true })).toBe(0);
  });
});

function counts(sql: string): boolean {
  return countsRows(Buffer.from(sql), 0);
}

function answer(info: string): OkPacket {
  return {
    header: 0x00,
    affectedRows: 0n,
    lastInsertId: 0n,
    status: 2,
    warnings: 0,
    info: Buffer.from(info),
    sessionChanges: Buffer.alloc(0),
  };
}
