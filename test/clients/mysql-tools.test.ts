import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { clusterInfo, connectDirect } from '../cluster.js';
import { bothWays, runProgram, transcriptOf, type Server } from './both-ways.js';
import { loginOptions, wayOfMysql } from './command-line.js';
import { makeShop } from './dump.js';
import { mysqlProgram } from './mysql-programs.js';

const SCHEMA = 'clients_tools';
const directory = mkdtempSync(join(tmpdir(), 'rwsplit-import-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** What one of MySQL's own tools says; numbers that no two moments have in common are masked by the test. */
async function tool(name: string, server: Server, more: readonly string[]): Promise<string> {
  const { file, args } = await mysqlProgram(name);
  return transcriptOf(
    await runProgram(file, [...args, ...wayOfMysql(server), ...loginOptions(server), ...more], server.password),
  );
}

test('mysqlshow shows the same schemas, tables and columns', async () => {
  const { transcript } = await bothWays(SCHEMA, async (server) => {
    await makeShop(SCHEMA);
    const shown = [[], [SCHEMA], [SCHEMA, 'author'], [SCHEMA, 'book', 'title'], ['no_such_schema']];
    return (await Promise.all(shown.map(async (more) => tool('mysqlshow', server, more)))).join('\n');
  });
  expect(transcript).toContain('| author');
});

test('mysqlcheck checks, analyzes and optimizes the same', async () => {
  const { transcript } = await bothWays(SCHEMA, async (server) => {
    await makeShop(SCHEMA);
    const done: string[] = [];
    for (const what of ['--check', '--analyze', '--optimize'])
      done.push(await tool('mysqlcheck', server, [what, SCHEMA]));
    return done.join('\n');
  });
  expect(transcript).toContain(`${SCHEMA}.author`);
});

test('mysqlimport loads the same files from the client', async () => {
  writeFileSync(join(directory, 'many.tsv'), '100001\tvom Datei\n100002\t\\N\n');
  writeFileSync(join(directory, 'author.tsv'), 'not a number\tdoubled\n');
  const { transcript } = await bothWays(SCHEMA, async (server) => {
    await makeShop(SCHEMA);
    const files = ['many.tsv', 'author.tsv'].map((name) => join(directory, name));
    // It sets a variable that an application's account may not.
    const admin = { ...server, ...clusterInfo().accounts.root };
    const said = await tool('mysqlimport', admin, ['--local', '--use-threads=2', SCHEMA, ...files]);
    const direct = await connectDirect(0, { database: SCHEMA });
    const [rows] = await direct.query('SELECT id, v FROM many WHERE id > 100000');
    direct.destroy();
    return `${said.split('\n').sort().join('\n')}\n${JSON.stringify(rows)}`;
  });
  expect(transcript).toContain('many: Records: 2');
  expect(transcript).toContain('vom Datei');
});

test('mysqladmin asks and tells the same', async () => {
  const { transcript } = await bothWays(SCHEMA, async (server) => {
    const said: string[] = [];
    for (const words of [
      ['ping'],
      ['status'],
      ['create', 'clients_tools_made'],
      ['--force', 'drop', 'clients_tools_made'],
    ]) {
      said.push(await tool('mysqladmin', server, words));
    }
    return said.join('\n').replace(/\d+(\.\d+)?/g, 'N');
  });
  expect(transcript).toContain('mysqld is alive');
});
