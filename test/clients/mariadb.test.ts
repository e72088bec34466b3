import { expect, test } from 'vitest';
import { bothWays } from './both-ways.js';
import { SESSION, session } from './command-line.js';
import { programPath } from './programs.js';

const OPTIONS = ['--no-defaults', '--skip-ssl', '--force', '--default-character-set=utf8mb4'];

test.each([
  ['as columns', ['-N', '-B', '--raw']],
  ['as tables, with what it says of each statement', ['--table', '-vvv', '--show-warnings']],
  ['as it comes, unbuffered', ['--quick', '--unbuffered', '--column-type-info']],
])("MariaDB's command line prints the same directly and through the proxy, %s", async (_, more) => {
  const client = { file: programPath('mariadb'), args: [...OPTIONS, ...more] };
  const { transcript, replicaReads } = await bothWays('clients_mariadb', async (server) =>
    session(client, server, SESSION),
  );
  expect(transcript).toContain('dreißig 🍞');
  expect(transcript).toContain('ERROR 1792 (25006)');
  expect(replicaReads).toBeGreaterThan(0);
});

test("MariaDB's command line is refused in the same words with a wrong password, user or schema", async () => {
  const file = programPath('mariadb');
  const { transcript } = await bothWays('clients_mariadb', async (server) => {
    const tries = [
      session({ file, args: OPTIONS }, { ...server, password: 'wrong' }, 'SELECT 1'),
      session({ file, args: OPTIONS }, { ...server, password: '' }, 'SELECT 1'),
      session({ file, args: OPTIONS }, { ...server, user: 'nobody' }, 'SELECT 1'),
      session({ file, args: OPTIONS }, { ...server, schema: 'no_such_schema' }, 'SELECT 1'),
    ];
    return (await Promise.all(tries)).join('\n');
  });
  expect(transcript).toContain('ERROR 1045 (28000)');
  expect(transcript).toContain('ERROR 1049 (42000)');
});
