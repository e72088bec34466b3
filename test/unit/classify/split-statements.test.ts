import { describe, expect, test } from 'vitest';
import { splitStatements } from '../../../src/classify/split-statements.js';
import { MYSQL } from './modes.js';

function split(text: string, mode = MYSQL): string[] {
  const sql = Buffer.from(text, 'latin1');
  return splitStatements(sql, mode).map(({ start, stop }) => sql.toString('latin1', start, stop));
}

describe('a script is cut into statements', () => {
  test.each([
    ['at separators', 'SELECT 1; SELECT 2;\n', ['SELECT 1', 'SELECT 2']],
    ['at the end', 'SELECT 1', ['SELECT 1']],
    ['leaving out what is empty', ' ;; \n;', []],
    ['not within quotes', `SELECT ';', ";", \`;\`; SELECT '\\';'`, [`SELECT ';', ";", \`;\``, `SELECT '\\';'`]],
    ['not within comments', 'SELECT 1 /* ; */; -- ;\nSELECT 2 # ;', ['SELECT 1 /* ; */', '-- ;\nSELECT 2 # ;']],
    ['where the last quote is not closed', "SELECT 1; SELECT ';", ['SELECT 1', "SELECT ';"]],
    ['where the last comment is not closed', 'SELECT 1; /* ;', ['SELECT 1', '/* ;']],
    ['with minus signs', 'SELECT 5--1; SELECT 2', ['SELECT 5--1', 'SELECT 2']],
    [
      'at another delimiter',
      'delimiter //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\nSELECT 1; SELECT 2',
      ['CREATE PROCEDURE p() BEGIN SELECT 1; END', 'SELECT 1', 'SELECT 2'],
    ],
    ['at a delimiter of dollars', 'DELIMITER $$\r\nSELECT 1; $$ SELECT 2$$', ['SELECT 1; ', 'SELECT 2']],
    ['keeping the delimiter where none is named', 'DELIMITER \nSELECT 1; SELECT 2', ['SELECT 1', 'SELECT 2']],
  ])('%s', (_, text, expected) => {
    expect(split(text)).toEqual(expected);
  });

  test('as the session reads quotes', () => {
    expect(split("SELECT '\\'; SELECT 2", { ...MYSQL, noBackslashEscapes: true })).toEqual(["SELECT '\\'", 'SELECT 2']);
    expect(split('SELECT "\\"; SELECT 2', { ...MYSQL, ansiQuotes: true })).toEqual(['SELECT "\\"', 'SELECT 2']);
    expect(split("SELECT '\xbf\x5c'; SELECT 2", { ...MYSQL, charset: 'gbk' })).toHaveLength(2);
  });
});
