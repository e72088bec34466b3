import { beforeAll, describe, expect, test } from 'vitest';
import { freshSchema } from '../cluster.js';
import {
  COMPRESSED,
  directly,
  PLAIN,
  runProgram,
  SECURED,
  SECURED_AND_COMPRESSED,
  throughProxy,
  transcriptOf,
  type Server,
  type Way,
} from './both-ways.js';
import { loginOptions, wayOfMariadb, wayOfMysql, type CommandLine } from './command-line.js';
import { contentOf, dump, makeShop } from './dump.js';
import { mysqlProgram } from './mysql-programs.js';
import { programPath } from './programs.js';

const SCHEMA = 'clients_dump';
const COPY = 'clients_dump_copy';
const CHARACTER_SET = '--default-character-set=utf8mb4';
const WAYS: readonly Way[] = [SECURED, COMPRESSED, SECURED_AND_COMPRESSED, { local: true }];
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

/** A command line client with what it needs for a way. */
type Client = (server: Server) => Promise<CommandLine>;

/** What a dump through the proxy is, after it was found to be what it is without. */
async function dumpBothWays(dumper: Client, options: readonly string[], way: Way = PLAIN): Promise<string> {
  const [direct, proxied] = [directly(SCHEMA), await throughProxy(SCHEMA, way)];
  const expected = await dump(await dumper(direct), loginOptions(direct), options, direct.password);
  const found = await dump(await dumper(proxied), loginOptions(proxied), options, proxied.password);
  // Who dumps over a Unix socket calls the host so.
  const text = found.stdout.toString('latin1').replace('-- Host: localhost ', `-- Host: ${direct.host} `);
  expect(text).toBe(expected.stdout.toString('latin1'));
  expect(found.stderr).toBe(expected.stderr);
  expect(text).toContain('odd name');
  return text;
}

async function loadThroughProxy(loader: Client, text: string, way: Way = PLAIN): Promise<void> {
  await freshSchema(COPY);
  const server = await throughProxy(COPY, way);
  const { file, args } = await loader(server);
  // Views name their tables with the schema.
  const renamed = Buffer.from(text.replaceAll(`\`${SCHEMA}\``, `\`${COPY}\``), 'latin1');
  const loaded = await runProgram(file, [...args, ...loginOptions(server), COPY], server.password, renamed);
  expect(transcriptOf(loaded)).toContain('exit code 0');
}

function mysql(name: string): Client {
  return async (server) => {
    const { file, args } = await mysqlProgram(name);
    return { file, args: [...args, ...wayOfMysql(server), CHARACTER_SET] };
  };
}

function mariadb(name: 'mariadb' | 'mariadb-dump'): Client {
  return async (server) => ({
    file: programPath(name),
    args: ['--no-defaults', ...wayOfMariadb(server), CHARACTER_SET],
  });
}

describe("MySQL's own dump", () => {
  test.each([
    ...KINDS,
    ['one with the position in the binary log', ['--single-transaction', '--source-data=2']],
    ['one with the transactions that it has', ['--single-transaction', '--set-gtid-purged=COMMENTED']],
    ['one of replacements, without what makes loading fast', ['--replace', '--compact', '--skip-opt', '--quick']],
  ])('gives the same bytes directly and through the proxy: %s', async (_, options) => {
    const ownWay = options.some((option) => option.startsWith('--set-gtid')) ? [] : ['--set-gtid-purged=OFF'];
    await dumpBothWays(mysql('mysqldump'), [...EVERYTHING, ...ownWay, ...options, SCHEMA]);
  });

  test.each([PLAIN, ...WAYS])('made and loaded through the proxy gives the same schema, over %o', async (way) => {
    const options = [...EVERYTHING, '--set-gtid-purged=OFF', '--single-transaction', SCHEMA];
    await loadThroughProxy(mysql('mysql'), await dumpBothWays(mysql('mysqldump'), options, way), way);
    expect(await contentOf(COPY)).toBe(await contentOf(SCHEMA));
  });
});

describe("MariaDB's dump", () => {
  test.each(KINDS)('gives the same bytes directly and through the proxy: %s', async (_, options) => {
    await dumpBothWays(mariadb('mariadb-dump'), [...EVERYTHING, ...options, SCHEMA]);
  });

  test.each([PLAIN, ...WAYS])('made and loaded through the proxy gives the same tables, over %o', async (way) => {
    // It gives values to MySQL's generated columns, which no server takes.
    const tables = ['author', 'part', 'many', 'log', 'bare', 'odd name; --'];
    const options = ['--skip-dump-date', '--hex-blob', '--single-transaction', '--skip-triggers', SCHEMA, ...tables];
    await loadThroughProxy(mariadb('mariadb'), await dumpBothWays(mariadb('mariadb-dump'), options, way), way);
    const isWanted = (name: string): boolean => tables.includes(name);
    expect(await contentOf(COPY, isWanted)).toBe(await contentOf(SCHEMA, isWanted));
  });
});
