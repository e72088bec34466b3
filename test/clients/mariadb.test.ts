import { expect, test } from 'vitest';
import { bothWays, COMPRESSED, SECURED, SECURED_AND_COMPRESSED, type Server, type Way } from './both-ways.js';
import { SESSION, session, wayOfMariadb, type CommandLine } from './command-line.js';
import { programPath } from './programs.js';

const OPTIONS = ['--no-defaults', '--force', '--default-character-set=utf8mb4'];

function mariadb(server: Server, more: readonly string[] = []): CommandLine {
  return { file: programPath('mariadb'), args: [...OPTIONS, ...wayOfMariadb(server), ...more] };
}

test.each([
  ['as columns', ['-N', '-B', '--raw']],
  ['as tables, with what it says of each statement', ['--table', '-vvv', '--show-warnings']],
  ['as it comes, unbuffered', ['--quick', '--unbuffered', '--column-type-info']],
])("MariaDB's command line prints the same directly and through the proxy, %s", async (_, more) => {
  const { transcript, replicaReads } = await bothWays('clients_mariadb', async (server) =>
    session(mariadb(server, more), server, SESSION),
  );
  expect(transcript).toContain('dreißig 🍞');
  expect(transcript).toContain('ERROR 1792 (25006)');
  expect(replicaReads).toBeGreaterThan(0);
});

test.each<Way>([SECURED, COMPRESSED, SECURED_AND_COMPRESSED, { local: true, compression: 'zlib' }])(
  "MariaDB's command line prints the same over %o",
  async (way) => {
    const work = async (server: Server): Promise<string> =>
      session(mariadb(server, ['--table', '-vvv']), server, SESSION);
    const { transcript, replicaReads } = await bothWays('clients_mariadb', work, [way]);
    expect(transcript).toContain('dreißig 🍞');
    expect(replicaReads).toBeGreaterThan(0);
  },
);

test("MariaDB's command line is refused in the same words with a wrong password, user or schema", async () => {
  const { transcript } = await bothWays('clients_mariadb', async (server) => {
    const tries = [
      session(mariadb(server), { ...server, password: 'wrong' }, 'SELECT 1'),
      session(mariadb(server), { ...server, password: '' }, 'SELECT 1'),
      session(mariadb(server), { ...server, user: 'nobody' }, 'SELECT 1'),
      session(mariadb(server), { ...server, schema: 'no_such_schema' }, 'SELECT 1'),
    ];
    return (await Promise.all(tries)).join('\n');
  });
  expect(transcript).toContain('ERROR 1045 (28000)');
  expect(transcript).toContain('ERROR 1049 (42000)');
});
