import { describe, expect, test } from 'vitest';
import { connectionStatementOf } from '../../../src/classify/connection-statement.js';
import { MYSQL } from './modes.js';

const of = (text: string): unknown => connectionStatementOf(text, MYSQL);

describe('a statement about the id that a client was told', () => {
  test.each([
    ['SELECT CONNECTION_ID()', '`CONNECTION_ID()`'],
    ['select connection_id ( ) ;', '`connection_id ( )`'],
    ['/* rwsplit: primary */ SELECT CONNECTION_ID() FROM DUAL LIMIT 1', '`CONNECTION_ID()`'],
    ['SELECT CONNECTION_ID() id', 'id'],
    ['SELECT CONNECTION_ID()AS id -- end', 'id'],
    ['SELECT CONNECTION_ID() AS `a b`\0', '`a b`'],
    ["SELECT CONNECTION_ID()'x'", "'x'"],
    ['SELECT CONNECTION_ID(/* ` */)', '`CONNECTION_ID(/* `` */)`'],
  ])('is %j, under its name', (text, column) => {
    expect(of(text)).toEqual({ kind: 'connection-id', column });
  });

  test.each([
    ['KILL 1073741824', 'CONNECTION', 1_073_741_824],
    ['kill /* c */ query\n5 ;', 'QUERY', 5],
    ['KILL CONNECTION "7"', 'CONNECTION', 7],
    ['KILL QUERY CONNECTION_ID()', 'QUERY', 'own'],
  ])('is %j', (text, what, id) => {
    expect(of(text)).toEqual({ kind: 'kill', what, id });
  });

  test.each([
    'SELECT CONNECTION_ID() + 1',
    'SELECT CONNECTION_ID(), 2',
    'SELECT CONNECTION_ID() FROM t',
    'SELECT CONNECTION_ID() LIMIT 0',
    'SELECT CONNECTION_ID(); SELECT 2',
    'SELECT /*+ x */ CONNECTION_ID()',
    'SELECT /*! 1 + */ CONNECTION_ID()',
    'SELECT /* a */ 1 /* b */ CONNECTION_ID()',
    "SELECT CONNECTION_ID() AS 'a\\' b'",
    'KILL 1 + 1',
    'KILL QUERY',
    'KILL 5; SELECT 1',
    'KILL HARD 5',
  ])('is not %j', (text) => {
    expect(of(text)).toBeUndefined();
  });
});
