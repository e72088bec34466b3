import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshSchema } from '../cluster.js';
import {
  directly,
  PLAIN,
  runProgram,
  SECURED_AND_COMPRESSED,
  throughProxy,
  transcriptOf,
  type Server,
} from './both-ways.js';
import { loginOptions } from './command-line.js';
import { contentOf, makeShop } from './dump.js';
import { programPath, type ProgramName } from './programs.js';

const SCHEMA = 'clients_mydumper';
const COPY = 'clients_mydumper_copy';
const WAYS = [PLAIN, SECURED_AND_COMPRESSED, { local: true }] as const;
const directories: string[] = [];

beforeAll(async () => makeShop(SCHEMA));
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

/** Programs with several connections at once; each has the password in an option of its own. */
async function run(program: ProgramName, server: Server, options: readonly string[]): Promise<string> {
  const way = [
    ...(server.ca === undefined ? [] : ['--ssl', '--ca', server.ca]),
    ...(server.compression === undefined ? [] : ['--compress-protocol']),
  ];
  const args = [...loginOptions(server), ...way, '-p', server.password, '-t', '4', ...options];
  const result = transcriptOf(await runProgram(programPath(program), args, server.password));
  return result.replace(/\(my\w+:\d+\): (\w+) \*\*: [\d:.]+/g, '$1');
}

/** The files that a dump is made of, by name. */
async function dump(server: Server): Promise<{ directory: string; files: Map<string, string> }> {
  const directory = mkdtempSync(join(tmpdir(), 'rwsplit-mydumper-'));
  directories.push(directory);
  const said = await run('mydumper', server, ['-B', SCHEMA, '-o', directory, '-R', '-E', '-G', '-r', '5000']);
  expect(said).toContain('exit code 0');
  const names = readdirSync(directory).sort();
  return { directory, files: new Map(names.map((name) => [name, readFileSync(join(directory, name), 'latin1')])) };
}

/** What a loader said, and what is there afterwards. */
async function load(server: Server, directory: string): Promise<{ said: string; content: string }> {
  await freshSchema(COPY);
  const said = await run('myloader', server, ['-d', directory, '-B', COPY, '-o']);
  return { said, content: await contentOf(COPY) };
}

test.each(WAYS)('mydumper makes the same files directly and through the proxy, over %o', async (way) => {
  const direct = await dump(directly(SCHEMA));
  const proxied = await dump(await throughProxy(SCHEMA, way));
  expect([...proxied.files.keys()]).toEqual([...direct.files.keys()]);
  // That one has the times.
  for (const [name, text] of proxied.files) if (name !== 'metadata') expect(text, name).toBe(direct.files.get(name));
});

test.each(WAYS)('myloader does the same directly and through the proxy, over %o', async (way) => {
  const { directory } = await dump(directly(SCHEMA));
  const direct = await load(directly(COPY), directory);
  const proxied = await load(await throughProxy(COPY, way), directory);
  // It has its difficulties with MySQL's generated columns and routines; the rest is there.
  expect(proxied).toEqual(direct);
  expect(proxied.content).toContain('many');
});
