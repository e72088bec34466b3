import { expect, test } from 'vitest';
import { bothWays } from './both-ways.js';
import { SESSION, session } from './command-line.js';
import { mysqlProgram } from './mysql-programs.js';

const OPTIONS = [
  '--get-server-public-key',
  '--ssl-mode=DISABLED',
  '--commands',
  '--force',
  '--default-character-set=utf8mb4',
];

test.each([
  ['as columns', ['-N', '-B', '--raw']],
  ['as tables, with what it says of each statement', ['--table', '-vvv', '--show-warnings']],
  ['as it comes, unbuffered', ['--quick', '--unbuffered', '--column-type-info']],
  ['as XML', ['--xml', '--binary-as-hex']],
])("MySQL's own command line prints the same directly and through the proxy, %s", async (_, more) => {
  const { file, args } = await mysqlProgram('mysql');
  const client = { file, args: [...args, ...OPTIONS, ...more] };
  const { transcript, replicaReads } = await bothWays('clients_mysql', async (server) =>
    session(client, server, SESSION),
  );
  expect(transcript).toContain('dreißig 🍞');
  expect(transcript).toContain('ERROR 1792 (25006)');
  expect(replicaReads).toBeGreaterThan(0);
});

test("MySQL's own command line sends query attributes, and they arrive", async () => {
  const { file, args } = await mysqlProgram('mysql');
  const { transcript } = await bothWays('clients_mysql', async (server) =>
    session(
      { file, args: [...args, ...OPTIONS] },
      server,
      `query_attributes colour blue number 7
       SELECT MYSQL_QUERY_ATTRIBUTE_STRING('colour'), MYSQL_QUERY_ATTRIBUTE_STRING('number');
       SELECT MYSQL_QUERY_ATTRIBUTE_STRING('colour');`,
    ),
  );
  expect(transcript).toContain('exit code');
});

test("MySQL's own command line resets its session, and goes on", async () => {
  const { file, args } = await mysqlProgram('mysql');
  const { transcript } = await bothWays('clients_mysql', async (server) =>
    session(
      { file, args: [...args, ...OPTIONS] },
      server,
      `SET @a = 1, sql_mode = ''; CREATE TEMPORARY TABLE tmp (a INT); SELECT @a, @@sql_mode;
resetconnection
       SELECT @a, @@sql_mode, DATABASE(); SELECT * FROM tmp;`,
    ),
  );
  expect(transcript).toContain("Table 'clients_mysql.tmp' doesn't exist");
});
