import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { Classification, LexMode } from '../../src/classify/classification.js';
import { classify } from '../../src/classify/classify.js';
import { PIN_TEXT, REASON_TEXT, TARGET_TEXT } from '../../src/classify/descriptions.js';
import { splitStatements } from '../../src/classify/split-statements.js';
import { versionNumber } from '../../src/session/lex-mode.js';
import { UsageError } from './usage-error.js';

const HELP = `Says where a statement would go, and why. Nothing is sent anywhere.

Usage: rwsplit explain [options] "SQL"
       rwsplit explain [options] --file FILE

  --file FILE            explain each statement of a file; - is standard input
  --json                 one JSON object a line for each statement
  --sql-mode MODES       the session's sql_mode, such as ANSI_QUOTES,NO_BACKSLASH_ESCAPES
  --charset NAME         the session's character_set_client (default utf8mb4)
  --server-version X     9.7.0 (default), 8.0.36, 10.11.19-MariaDB: decides about /*!80000 ... */
  --help

A SQL text that begins with dashes goes after --.

Example:

  $ rwsplit explain "SELECT name FROM users WHERE id = 1 FOR UPDATE"
  SELECT name FROM users WHERE id = 1 FOR UPDATE
    goes to  the primary
    reason   locking-read: it locks the rows that it reads
    tables   users
`;

const MULTI_BYTE: ReadonlyMap<string, { charset: LexMode['charset']; decoder: string }> = new Map([
  ['gbk', { charset: 'gbk', decoder: 'gbk' }],
  ['sjis', { charset: 'sjis', decoder: 'shift_jis' }],
  ['cp932', { charset: 'cp932', decoder: 'shift_jis' }],
  ['big5', { charset: 'big5', decoder: 'big5' }],
  ['gb18030', { charset: 'gb18030', decoder: 'gb18030' }],
]);
/** Longer statements are not worth a tree. */
const MAX_PARSED_LENGTH = 65_536;

interface Explained {
  readonly sql: string;
  readonly classification: Classification;
  /** As `table` or `schema.table`; null where they cannot be told. */
  readonly tables: readonly string[] | null;
}

/** @returns the exit code */
export async function explain(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const mode = readMode(values['sql-mode'], values.charset, values['server-version']);
  const statements = await readStatements(values.file, positionals, mode);
  const decoder = new TextDecoder(MULTI_BYTE.get(values.charset ?? '')?.decoder ?? 'utf-8');
  for (const bytes of statements) {
    const sql = decoder.decode(bytes);
    const tables = await findTables(sql, mode);
    const explained = { sql, classification: classify(bytes, 0, bytes.length, mode), tables };
    process.stdout.write(values.json === true ? toJson(explained) : toText(explained));
  }
  return 0;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        file: { type: 'string' },
        json: { type: 'boolean' },
        'sql-mode': { type: 'string' },
        charset: { type: 'string' },
        'server-version': { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${message.split('. ')[0] ?? message}; see rwsplit explain --help`);
  }
}

function readMode(sqlMode = '', charset = '', version = '9.7.0'): LexMode {
  if (!/^\d+\.\d+\.\d+/.test(version)) {
    throw new UsageError(`--server-version '${version}' is not like 9.7.0 or 10.11.19-MariaDB`);
  }
  const modes = new Set(sqlMode.toUpperCase().split(','));
  const isAnsi = modes.has('ANSI');
  return {
    ansiQuotes: isAnsi || modes.has('ANSI_QUOTES'),
    noBackslashEscapes: modes.has('NO_BACKSLASH_ESCAPES'),
    ignoreSpace: isAnsi || modes.has('IGNORE_SPACE'),
    charset: MULTI_BYTE.get(charset.toLowerCase())?.charset ?? 'other',
    serverVersion: versionNumber(version),
    mariadb: /mariadb/i.test(version),
  };
}

async function readStatements(
  file: string | undefined,
  texts: readonly string[],
  mode: LexMode,
): Promise<Uint8Array[]> {
  const [text, ...others] = texts;
  if (file === undefined) {
    if (text === undefined) throw new UsageError('explain needs a SQL text or --file; see rwsplit explain --help');
    if (others.length > 0) throw new UsageError('explain takes one SQL text: put it in quotes');
    return [Buffer.from(text)];
  }
  if (text !== undefined) throw new UsageError('explain takes a SQL text or --file, not both');
  const script = await readScript(file);
  return splitStatements(script, mode).map(({ start, stop }) => script.subarray(start, stop));
}

async function readScript(file: string): Promise<Buffer> {
  if (file === '-') return buffer(process.stdin);
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`--file '${file}' cannot be read`, { cause: error });
  }
}

async function findTables(sql: string, mode: LexMode): Promise<readonly string[] | null> {
  if (sql.length > MAX_PARSED_LENGTH) return null;
  const { default: nodeSqlParser } = await import('node-sql-parser');
  try {
    const entries = new nodeSqlParser.Parser().tableList(sql, { database: mode.mariadb ? 'MariaDB' : 'MySQL' });
    // Each reads `select::schema::table`, where a schema that is not written is `null`.
    const names = entries.map((entry) => entry.split('::').slice(1));
    return [...new Set(names.map((parts) => parts.filter((part) => part !== 'null').join('.')))];
  } catch {
    // It does not know all of MySQL's grammar.
    return null;
  }
}

function toJson({ sql, classification, tables }: Explained): string {
  const { target, reason, pins, unpins, node } = classification;
  return `${JSON.stringify({ sql, target, reason, pins, unpins, node: node ?? null, tables })}\n`;
}

function toText({ sql, classification, tables }: Explained): string {
  const { target, reason, pins, unpins, node } = classification;
  const lines = [
    ['goes to', node === undefined ? TARGET_TEXT[target] : `the node ${node}`],
    ['reason', `${reason}: ${REASON_TEXT[reason]}`],
    ['leaves', pins.map((pin) => PIN_TEXT[pin]).join(', ')],
    ['ends', unpins.map((pin) => PIN_TEXT[pin]).join(', ')],
    ['tables', tables === null ? 'not known' : tables.join(', ')],
  ];
  const shown = lines
    .filter(([, value]) => value !== '')
    .map(([name = '', value = '']) => `  ${name.padEnd(7)}  ${value}\n`);
  return `${sql.trim()}\n${shown.join('')}`;
}
