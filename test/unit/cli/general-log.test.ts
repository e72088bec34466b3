import * as fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { explain } from '../../../proxy/cli/explain.js';
import { GeneralLogParser, type LogEntry } from '../../../proxy/cli/general-log.js';

const directory = mkdtempSync(join(tmpdir(), 'rwsplit-test-'));
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

function parse(...chunks: readonly (string | Uint8Array)[]): string[] {
  const parser = new GeneralLogParser();
  const entries: LogEntry[] = chunks.flatMap((chunk) => [...parser.push(Buffer.from(chunk))]);
  entries.push(...parser.end());
  return entries.map((it) =>
    it.kind === 'started' ? `started ${it.version}` : `${it.connection} ${it.command}: ${it.argument.toString()}`,
  );
}

const PREAMBLE = [
  '/usr/sbin/mysqld, Version: 8.4.3 (MySQL Community Server - GPL). started with:',
  'Tcp port: 3306  Unix socket: /tmp/mysql.sock',
  'Time                 Id Command    Argument',
];
const TIME = '2026-11-24T08:14:00.123456Z';
const LOG = [
  ...PREAMBLE,
  `${TIME}\t    8 Connect\troot@localhost on shop using Socket`,
  `${TIME}\t    8 Query\tSELECT 1,`,
  "\t'not a\theader' --",
  '',
  `${TIME}\t   12 Init DB\tshop`,
  `2026-11-24T09:14:00.123456+01:00\t   12 Quit\t`,
  ...PREAMBLE,
  `${TIME}\t    8 Reset stmt\t`,
  `${TIME}\t12345678 Query\tSELECT 2`,
  '',
].join('\n');
const ENTRIES = [
  'started 8.4.3',
  '8 Connect: root@localhost on shop using Socket',
  "8 Query: SELECT 1,\n\t'not a\theader' --\n",
  '12 Init DB: shop',
  '12 Quit: ',
  'started 8.4.3',
  '8 Reset stmt: ',
  '12345678 Query: SELECT 2',
];

describe('a general query log', () => {
  test('is cut into its entries, whose arguments may have many lines', () => {
    expect(parse(LOG)).toEqual(ENTRIES);
  });

  test('gives the same entries wherever its bytes are cut', () => {
    const bytes = Buffer.from(LOG);
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(parse(bytes.subarray(0, at), bytes.subarray(at)), `cut at ${at}`).toEqual(ENTRIES);
    }
  });

  test('of MySQL 5.6 and before has its time only where it changed', () => {
    const log =
      '150101 12:00:00\t    1 Connect\troot@localhost on \n\t\t    1 Query\tSELECT 1\n150101  9:00:01\t    1 Quit\t\n';
    expect(parse(log)).toEqual(['1 Connect: root@localhost on ', '1 Query: SELECT 1', '1 Quit: ']);
  });

  test('can be anything', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => void parse(...chunks)),
      { numRuns: 300 },
    );
  });
});

async function explained(lines: readonly string[], ...args: readonly string[]): Promise<string> {
  const file = join(directory, 'general.log');
  writeFileSync(file, lines.map((line) => `${TIME}\t    ${line}\n`).join(''));
  let output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  expect(await explain(['--general-log', file, ...args])).toBe(0);
  return output;
}

/** Where each SELECT goes, in turn: they are told from each other by their column. */
async function routesOf(lines: readonly string[], ...args: readonly string[]): Promise<string[]> {
  const output = await explained(lines, '--json', ...args);
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((it) => it.kind === 'digest' && it.statement.startsWith('select'))
    .sort((a, b) => (a.statement < b.statement ? -1 : 1))
    .map((it) => `${it.target} ${it.reason}`);
}

describe('rwsplit explain --general-log', () => {
  test('shows each kind of statement with its count, and the share that replicas could take', async () => {
    const lines = [
      '8 Connect\tapp@localhost on shop using TCP/IP',
      '8 Query\tSELECT name FROM users WHERE id = 1',
      '8 Query\tSELECT name FROM users WHERE id = 2',
      "9 Query\tUPDATE users SET name = 'secret'",
      '9 Prepare\tSELECT name FROM users WHERE id = ?',
      '9 Execute\tSELECT name FROM users WHERE id = 3',
      '8 Ping\t',
      '8 Quit\t',
    ];
    expect(await explained(lines)).toBe(
      [
        'count  goes to  reason  statement',
        '    3  replica  read    select name from users where id = ?',
        '    1  primary  write   update users set name = ?',
        '',
        '75.0 % of 4 statements on 2 connections could go to replicas (3).',
        'This is by the text alone: a log does not tell which statements failed, nor which functions only read.',
        '',
      ].join('\n'),
    );
    const json = (await explained(lines, '--json')).trim().split('\n');
    expect(json.map((line) => JSON.parse(line))).toEqual([
      {
        kind: 'digest',
        digest: expect.stringMatching(/^[0-9a-f]{16}$/),
        statement: 'select name from users where id = ?',
        count: 3,
        target: 'replica',
        reason: 'read',
      },
      expect.objectContaining({ statement: 'update users set name = ?', target: 'primary' }),
      { kind: 'summary', statements: 4, toReplicas: 3, connections: 2, basis: 'text' },
    ]);
  });

  test.each([
    ['a transaction', ['SELECT a', 'BEGIN', 'SELECT b', 'ROLLBACK TO s', 'SELECT c', 'COMMIT', 'SELECT d'], 'R T T R'],
    ['a transaction that goes on', ['BEGIN', 'COMMIT AND CHAIN', 'SELECT a', 'ROLLBACK', 'SELECT b'], 'T R'],
    [
      'a statement that commits by itself',
      ['start transaction', 'SELECT a', 'CREATE TABLE t (i INT)', 'SELECT b'],
      'T R',
    ],
    [
      'no autocommit',
      ['SET autocommit=OFF', 'SELECT a', 'SELECT b', 'COMMIT', 'SET @@autocommit := 1', 'SELECT c'],
      'A T R',
    ],
    ['a word in a literal', ["SET time_zone = 'autocommit=0'", 'SELECT a'], 'R'],
    ['what stays on a connection', ['SELECT a', 'SET @x = f()', 'SELECT b'], 'R P'],
    ['a variable that keeps nothing else', ['SET @x = 1', 'SELECT b', 'SELECT @x'], 'U R'],
    ['temporary tables', ['CREATE TEMPORARY TABLE t (i INT)', 'SELECT b', 'SELECT c FROM t'], 'R M'],
    ['read-only transactions', ['START TRANSACTION READ ONLY', 'SELECT b', 'COMMIT', 'SELECT c'], 'K R'],
    ['read-only sessions', ['SET SESSION TRANSACTION READ ONLY', 'BEGIN', 'SELECT b', 'COMMIT', 'BEGIN'], 'K'],
    ['SERIALIZABLE', ['SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'SELECT a'], 'S'],
    ['another sql_mode', ["SET sql_mode='ANSI_QUOTES'", 'SELECT "f"(a)'], 'F'],
    ['a schema about the server', ['USE performance_schema', 'SELECT a', 'USE `shop`', 'SELECT b'], 'O R'],
  ])('follows %s', async (_, statements, expected) => {
    const names: Record<string, string> = {
      R: 'replica read',
      T: 'primary in-transaction',
      A: 'primary autocommit-off',
      P: 'primary pinned',
      S: 'primary serializable',
      F: 'primary stored-function',
      O: 'primary server-specific',
      M: 'primary temporary-table',
      U: 'primary user-variable',
      K: 'transaction in-transaction',
    };
    const routes = await routesOf(statements.map((sql) => `8 Query\t${sql}`));
    expect(routes).toEqual(expected.split(' ').map((it) => names[it]));
  });

  test('follows each connection by itself', async () => {
    const lines = ['8 Query\tBEGIN', '9 Query\tSELECT a', '8 Query\tSELECT b', '8 Quit\t', '8 Query\tSELECT c'];
    expect(await routesOf(lines)).toEqual(['replica read', 'primary in-transaction', 'replica read']);
  });

  test('counts a statement once that was run by its name', async () => {
    const output = await explained([
      "8 Query\tPREPARE s FROM 'SELECT a'",
      '8 Prepare\tSELECT a',
      '8 Query\tEXECUTE s',
      '8 Execute\tSELECT a',
    ]);
    expect(output).toContain('of 2 statements');
  });

  test('reads the log with the mode that it is told', async () => {
    expect(await routesOf(['8 Query\tSELECT "f"(a)'], '--sql-mode', 'ansi')).toEqual(['primary stored-function']);
  });

  test('says where there is nothing', async () => {
    expect(await explained(['8 Quit\t'])).toBe('There is no statement in this log.\n');
  });
});
