import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { explain } from '../../../proxy/cli/explain.js';
import { UsageError } from '../../../proxy/cli/usage-error.js';

async function run(...args: string[]): Promise<string> {
  let output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  expect(await explain(args)).toBe(0);
  return output;
}

function script(content: string | Uint8Array): string {
  const file = join(mkdtempSync(join(tmpdir(), 'rwsplit-')), 'script.sql');
  writeFileSync(file, content);
  return file;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('rwsplit explain', () => {
  test('says where a statement goes, why, and what it touches', async () => {
    expect(await run('SELECT * FROM users u JOIN shop.orders USING (id) FOR UPDATE')).toBe(
      'SELECT * FROM users u JOIN shop.orders USING (id) FOR UPDATE\n' +
        '  goes to  the primary\n' +
        '  reason   locking-read: it locks the rows that it reads\n' +
        '  tables   users, shop.orders\n',
    );
  });

  test('says what a statement leaves and what it ends', async () => {
    expect(await run('CREATE TEMPORARY TABLE t (a INT)')).toContain('  leaves   a temporary table\n');
    expect(await run('UNLOCK TABLES')).toContain('  ends     locks on tables\n');
  });

  test('names the node of a hint', async () => {
    expect(await run('/* rwsplit: node=db-2 */ SELECT 1')).toContain('  goes to  the node db-2\n');
  });

  test('knows a read that is to be as fresh as the primary', async () => {
    const text = await run('SELECT /* rwsplit: consistency=primary */ a FROM t');
    expect(text).toContain('  goes to  the primary\n  reason   consistency: it has to be as fresh as the primary\n');
    expect(await run('SELECT /* rwsplit: consistency=global */ a FROM t')).toContain('  goes to  a replica\n');
  });

  test('gives JSON', async () => {
    expect(JSON.parse(await run('--json', 'SELECT @a := a FROM t'))).toEqual({
      sql: 'SELECT @a := a FROM t',
      target: 'primary',
      reason: 'user-variable',
      pins: ['user-variable'],
      unpins: [],
      node: null,
      tables: ['t'],
    });
  });

  test('does without the tables where it cannot tell them', async () => {
    expect(JSON.parse(await run('--json', "XA START 'x'"))).toMatchObject({
      reason: 'transaction-control',
      tables: null,
    });
  });

  test('explains each statement of a file', async () => {
    const file = script(
      'SELECT 1;\nDELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\nDELETE FROM t\n',
    );
    const lines = (await run('--json', '--file', file)).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).reason)).toEqual(['read', 'ddl', 'write']);
  });

  test("reads a file in the session's character set", async () => {
    const file = script(Buffer.from("SELECT '\xbf\x5c' FOR UPDATE; SELECT 1", 'latin1'));
    const lines = (await run('--json', '--file', file, '--charset', 'gbk')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { sql: "SELECT '縗' FOR UPDATE" },
      { sql: 'SELECT 1' },
    ]);
  });

  test('takes the mode of the session and the version of the server', async () => {
    expect(await run('--sql-mode', 'ANSI_QUOTES', 'SELECT "f"(1)')).toContain('stored-function');
    expect(await run('--sql-mode', 'ansi', 'SELECT COUNT (*)')).toContain('replica');
    expect(await run('--server-version', '8.0.11', 'SELECT 1 /*!90000 FOR UPDATE */')).toContain('replica');
    expect(await run('--server-version', '10.11.19-MariaDB', 'SELECT NVL(a, b) FROM t')).toContain('replica');
  });

  test('takes a text that begins with dashes after two of them', async () => {
    expect(await run('--', '-- c\nSELECT 1')).toContain('replica');
  });

  test('has a help text with an example that is true', async () => {
    const help = await run('--help');
    const [, example = ''] = help.split('Example:\n\n');
    const [command = '', ...shown] = example.split('\n').map((line) => line.replace(/^ {2}/, ''));
    const sql = /"(.*)"/.exec(command)?.[1] ?? '';
    expect(await run(sql)).toBe(shown.join('\n'));
  });

  test.each([
    ['an unknown option', ['--nonsense', 'SELECT 1'], "Unknown option '--nonsense'; see rwsplit explain --help"],
    ['no text', [], 'explain needs a SQL text or --file; see rwsplit explain --help'],
    ['two texts', ['SELECT', '1'], 'explain takes one SQL text: put it in quotes'],
    ['a text and a file', ['--file', 'x', 'SELECT 1'], 'explain takes a SQL text or --file, not both'],
    ['two forms', ['--file', 'x', '--general-log', 'y'], 'explain takes one of --file, --general-log and --proxy'],
    ['a text and a log', ['--general-log', 'x', 'SELECT 1'], 'explain takes a SQL text alone'],
    ['a log that is not there', ['--general-log', '/nowhere'], "--general-log '/nowhere' cannot be read"],
    ['a proxy without its user', ['--proxy', 'localhost:1'], "name the proxy's monitor user with --user"],
    ['a proxy without an address', ['--proxy', 'a:b:c', '--user', 'u'], "--proxy takes HOST:PORT, not 'a:b:c'"],
    [
      'a password that is not there',
      ['--proxy', ':1', '--user', 'u', '--password-env', 'RWSPLIT_NO_SUCH_VARIABLE'],
      'the environment variable RWSPLIT_NO_SUCH_VARIABLE, named with --password-env, is not set',
    ],
    ['a file that is not there', ['--file', '/nowhere'], "--file '/nowhere' cannot be read"],
    [
      'an odd version',
      ['--server-version', 'new', 'SELECT 1'],
      "--server-version 'new' is not like 9.7.0 or 10.11.19-MariaDB",
    ],
  ])('refuses %s in one sentence', async (_, args, message) => {
    await expect(explain(args)).rejects.toThrow(new UsageError(message));
  });
});
