import { expect, test } from 'vitest';
import { COMPRESSION_ALGORITHMS } from '../../src/runtime/compression.js';
import { bothWays, COMPRESSED, PLAIN, SECURED, SECURED_AND_COMPRESSED, type BothWays, type Way } from './both-ways.js';
import { SESSION, session, wayOfMysql } from './command-line.js';
import { mysqlProgram } from './mysql-programs.js';

const OPTIONS = ['--commands', '--force', '--default-character-set=utf8mb4'];
const WAYS: readonly Way[] = [
  PLAIN,
  SECURED,
  COMPRESSED,
  SECURED_AND_COMPRESSED,
  { local: true },
  { local: true, tls: true, compression: 'zlib' },
  ...((COMPRESSION_ALGORITHMS.includes('zstd')
    ? [{ compression: 'zstd' }, { tls: true, compression: 'zstd' }]
    : []) satisfies Way[]),
];

async function mysqlBothWays(
  more: readonly string[],
  input: string | Buffer,
  ways?: readonly [Way, ...Way[]],
): Promise<BothWays> {
  const { file, args } = await mysqlProgram('mysql');
  return bothWays(
    'clients_mysql',
    async (server) => session({ file, args: [...args, ...OPTIONS, ...wayOfMysql(server), ...more] }, server, input),
    ways,
  );
}

test.each([
  ['as columns', ['-N', '-B', '--raw']],
  ['as tables, with what it says of each statement', ['--table', '-vvv', '--show-warnings']],
  ['as it comes, unbuffered', ['--quick', '--unbuffered', '--column-type-info']],
  ['as XML', ['--xml', '--binary-as-hex']],
])("MySQL's own command line prints the same directly and through the proxy, %s", async (_, more) => {
  const { transcript, replicaReads } = await mysqlBothWays(more, SESSION);
  expect(transcript).toContain('dreißig 🍞');
  expect(transcript).toContain('ERROR 1792 (25006)');
  expect(replicaReads).toBeGreaterThan(0);
});

test.each(WAYS)("MySQL's own command line prints the same over %o", async (way) => {
  const { transcript, replicaReads } = await mysqlBothWays(['--table', '-vvv'], SESSION, [way]);
  expect(transcript).toContain('dreißig 🍞');
  expect(replicaReads).toBeGreaterThan(0);
});

test.each(WAYS)("MySQL's own command line is refused in the same words over %o", async (way) => {
  const { file, args } = await mysqlProgram('mysql');
  const { transcript } = await bothWays(
    'clients_mysql',
    async (server) => {
      const client = { file, args: [...args, ...OPTIONS, ...wayOfMysql(server)] };
      const tries = [
        session(client, { ...server, password: 'wrong' }, 'SELECT 1'),
        session(client, { ...server, user: 'nobody' }, 'SELECT 1'),
        session(client, { ...server, schema: 'no_such_schema' }, 'SELECT 1'),
      ];
      // A server names a client of its Unix socket by another host.
      return (await Promise.all(tries)).join('\n').replaceAll("'localhost'", "'127.0.0.1'");
    },
    [way],
  );
  expect(transcript).toContain('ERROR 1045 (28000)');
  expect(transcript).toContain('ERROR 1049 (42000)');
});

test("MySQL's own command line sends query attributes, and they arrive", async () => {
  const { transcript } = await mysqlBothWays(
    [],
    `query_attributes colour blue number 7
     SELECT MYSQL_QUERY_ATTRIBUTE_STRING('colour'), MYSQL_QUERY_ATTRIBUTE_STRING('number');
     SELECT MYSQL_QUERY_ATTRIBUTE_STRING('colour');`,
  );
  expect(transcript).toContain('exit code');
});

test("MySQL's own command line resets its session, and goes on", async () => {
  const { transcript } = await mysqlBothWays(
    [],
    `SET @a = 1, sql_mode = ''; CREATE TEMPORARY TABLE tmp (a INT); SELECT @a, @@sql_mode;
resetconnection
     SELECT @a, @@sql_mode, DATABASE(); SELECT * FROM tmp;`,
  );
  expect(transcript).toContain("Table 'clients_mysql.tmp' doesn't exist");
});
