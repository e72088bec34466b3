import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Classification, ClassReason, LexMode, Target } from '../../src/classify/classification.js';
import { classify } from '../../src/classify/classify.js';
import { PIN_TEXT, REASON_TEXT, TARGET_TEXT } from '../../src/classify/descriptions.js';
import { splitStatements } from '../../src/classify/split-statements.js';
import { UsageError } from './usage-error.js';

/** Longer statements are not worth a tree. */
const MAX_PARSED_LENGTH = 65_536;

interface Explained {
  readonly sql: string;
  readonly classification: Classification;
  /** As `table` or `schema.table`; null where they cannot be told. */
  readonly tables: readonly string[] | null;
}

/** What the statements are read with. */
export interface StatementOptions {
  readonly file: string | undefined;
  readonly texts: readonly string[];
  readonly mode: LexMode;
  /** A TextDecoder's name for the session's character set. */
  readonly encoding: string;
  readonly json: boolean;
}

/** Prints where each statement of a text or file would go from a session that is in nothing. */
export async function explainStatements({ file, texts, mode, encoding, json }: StatementOptions): Promise<void> {
  const statements = await readStatements(file, texts, mode);
  const decoder = new TextDecoder(encoding);
  for (const bytes of statements) {
    const sql = decoder.decode(bytes);
    const tables = await findTables(sql, mode);
    const explained = { sql, classification: classify(bytes, 0, bytes.length, mode), tables };
    process.stdout.write(json ? toJson(explained) : toText(explained));
  }
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

/** A read goes to the primary where its own text asks for one that is as fresh as that. */
function placeOf({ target, reason, consistency }: Classification): {
  readonly target: Target;
  readonly reason: ClassReason | 'consistency';
} {
  return target === 'replica' && consistency === 'primary'
    ? { target: 'primary', reason: 'consistency' }
    : { target, reason };
}

function toJson({ sql, classification, tables }: Explained): string {
  const { pins, unpins, node } = classification;
  const { target, reason } = placeOf(classification);
  return `${JSON.stringify({ sql, target, reason, pins, unpins, node: node ?? null, tables })}\n`;
}

function toText({ sql, classification, tables }: Explained): string {
  const { pins, unpins, node } = classification;
  const { target, reason } = placeOf(classification);
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
