import { beforeAll, describe, expect, test } from 'vitest';
import { freshSchema } from '../cluster.js';
import { directly, runProgram, throughProxy, transcriptOf } from './both-ways.js';
import { loginOptions, type CommandLine } from './command-line.js';
import { contentOf, dump, makeShop } from './dump.js';
import { mysqlProgram } from './mysql-programs.js';
import { programPath } from './programs.js';

const SCHEMA = 'clients_dump';
const COPY = 'clients_dump_copy';
const OF_MYSQL = ['--get-server-public-key', '--ssl-mode=DISABLED', '--default-character-set=utf8mb4'];
const OF_MARIADB = ['--no-defaults', '--skip-ssl', '--default-character-set=utf8mb4'];
const EVERYTHING = ['--routines', '--events', '--triggers', '--skip-dump-date', '--hex-blob'];
const KINDS: readonly [string, readonly string[]][] = [
  ['a consistent one', ['--single-transaction']],
  ['one that locks the tables', ['--lock-tables', '--skip-quick']],
  ['one that locks all tables', ['--lock-all-tables']],
  [
    'one of complete statements, row by row',
    ['--single-transaction', '--complete-insert', '--skip-extended-insert', '--order-by-primary'],
  ],
  ['one of the definitions alone', ['--no-data']],
  ['one of some rows', ['--single-transaction', '--where=1=0 OR 2>1']],
  ['one as XML', ['--single-transaction', '--xml']],
];

beforeAll(async () => makeShop(SCHEMA));

/** What a dump through the proxy is, after it was found to be what it is without. */
async function dumpBothWays(dumper: CommandLine, options: readonly string[]): Promise<string> {
  const [direct, proxied] = [directly(SCHEMA), await throughProxy(SCHEMA)];
  const expected = await dump(dumper, loginOptions(direct), options, direct.password);
  const found = await dump(dumper, loginOptions(proxied), options, proxied.password);
  const text = found.stdout.toString('latin1');
  expect(text).toBe(expected.stdout.toString('latin1'));
  expect(found.stderr).toBe(expected.stderr);
  expect(text).toContain('odd name');
  return text;
}

async function loadThroughProxy({ file, args }: CommandLine, text: string): Promise<void> {
  await freshSchema(COPY);
  const server = await throughProxy(COPY);
  // Views name their tables with the schema.
  const renamed = Buffer.from(text.replaceAll(`\`${SCHEMA}\``, `\`${COPY}\``), 'latin1');
  const loaded = await runProgram(file, [...args, ...loginOptions(server), COPY], server.password, renamed);
  expect(transcriptOf(loaded)).toContain('exit code 0');
}

async function mysql(name: string): Promise<CommandLine> {
  const { file, args } = await mysqlProgram(name);
  return { file, args: [...args, ...OF_MYSQL] };
}

describe("MySQL's own dump", () => {
  test.each([
    ...KINDS,
    ['one with the position in the binary log', ['--single-transaction', '--source-data=2']],
    ['one with the transactions that it has', ['--single-transaction', '--set-gtid-purged=COMMENTED']],
    ['one of replacements, without what makes loading fast', ['--replace', '--compact', '--skip-opt', '--quick']],
  ])('gives the same bytes directly and through the proxy: %s', async (_, options) => {
    const ownWay = options.some((option) => option.startsWith('--set-gtid')) ? [] : ['--set-gtid-purged=OFF'];
    await dumpBothWays(await mysql('mysqldump'), [...EVERYTHING, ...ownWay, ...options, SCHEMA]);
  });

  test('made and loaded through the proxy gives the same schema', async () => {
    const options = [...EVERYTHING, '--set-gtid-purged=OFF', '--single-transaction', SCHEMA];
    await loadThroughProxy(await mysql('mysql'), await dumpBothWays(await mysql('mysqldump'), options));
    expect(await contentOf(COPY)).toBe(await contentOf(SCHEMA));
  });
});

describe("MariaDB's dump", () => {
  const mariadb = (name: 'mariadb' | 'mariadb-dump'): CommandLine => ({ file: programPath(name), args: OF_MARIADB });

  test.each(KINDS)('gives the same bytes directly and through the proxy: %s', async (_, options) => {
    await dumpBothWays(mariadb('mariadb-dump'), [...EVERYTHING, ...options, SCHEMA]);
  });

  test('made and loaded through the proxy gives the same tables', async () => {
    // It gives values to MySQL's generated columns, which no server takes.
    const tables = ['author', 'part', 'many', 'log', 'bare', 'odd name; --'];
    const options = ['--skip-dump-date', '--hex-blob', '--single-transaction', '--skip-triggers', SCHEMA, ...tables];
    await loadThroughProxy(mariadb('mariadb'), await dumpBothWays(mariadb('mariadb-dump'), options));
    const isWanted = (name: string): boolean => tables.includes(name);
    expect(await contentOf(COPY, isWanted)).toBe(await contentOf(SCHEMA, isWanted));
  });
});
