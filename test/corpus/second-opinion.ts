import { isUtf8 } from 'node:buffer';
import nodeSqlParser from 'node-sql-parser';
import type { ClassReason } from '../../src/classify/classification.js';
import { classify } from '../../src/classify/classify.js';
import { MYSQL } from './corpus.js';

/** Types of statement that read, as the parser names them. */
const READ_TYPES: ReadonlySet<string> = new Set(['select', 'show', 'desc', 'explain', 'use']);
/** It takes `a--1` for a comment, does not look into executable comments, and reads a string with ANSI quotes. */
const MISREAD = /--\S|\/\*!|\/\*M!/;
/** The test sets another character set first, for which these bytes are characters. */
const OTHER_CHARSET = 'unparsable, and no UTF-8';
const MAX_LENGTH = 10_000;
/** Why a statement that the parser takes for a read is none: what it does not look at. The others are for a person to explain. */
const BEYOND_TREES: ReadonlySet<ClassReason> = new Set<ClassReason>([
  'connection-id',
  'diagnostics',
  'explain-analyze',
  'explain-of-write',
  'found-rows',
  'last-insert-id',
  'lock-function',
  'locking-read',
  'multi-statement',
  'row-count',
  'select-into',
  'server-specific',
  'session-state',
  'side-effect-function',
  'stored-function',
  'user-variable',
]);

export interface SecondOpinion {
  readonly parsed: number;
  readonly agreed: number;
  /** The parser finds no write in what the class takes for none of a replica's: by the class's reason. */
  readonly explained: ReadonlyMap<string, number>;
  /** Nobody has explained them yet. */
  readonly unexplained: readonly string[];
  /** They disagree about a text that the parser misreads. */
  readonly misread: number;
  /** The parser finds a write or lock in what would go to a replica. */
  readonly dangerous: readonly string[];
}

/** Compares the classes of statements with what a parser that knows nothing of the classifier finds in them. */
export function askParser(statements: Iterable<string>): SecondOpinion {
  const parser = new nodeSqlParser.Parser();
  let parsed = 0;
  let agreed = 0;
  let misread = 0;
  const explained = new Map<string, number>();
  const unexplained: string[] = [];
  const dangerous: string[] = [];
  for (const sql of statements) {
    const tree = sql.length > MAX_LENGTH ? undefined : parse(parser, sql);
    if (tree === undefined) continue;
    parsed++;
    const bytes = Buffer.from(sql, 'latin1');
    const { target, reason } = classify(bytes, 0, bytes.length, MYSQL);
    const treeReads = reads(tree);
    if (treeReads === (target === 'replica')) agreed++;
    else if (MISREAD.test(sql)) misread++;
    else if (!treeReads) {
      dangerous.push(sql);
    } else if (reason === 'unparsable' && !isUtf8(bytes)) {
      explained.set(OTHER_CHARSET, (explained.get(OTHER_CHARSET) ?? 0) + 1);
    } else if (BEYOND_TREES.has(reason)) explained.set(reason, (explained.get(reason) ?? 0) + 1);
    else unexplained.push(`${reason}: ${sql}`);
  }
  return { parsed, agreed, explained, unexplained, misread, dangerous };
}

function parse(parser: nodeSqlParser.Parser, sql: string): unknown {
  try {
    return parser.astify(sql, { database: 'MySQL' });
  } catch {
    return undefined;
  }
}

function reads(tree: unknown): boolean {
  const statements: readonly unknown[] = Array.isArray(tree) ? tree : [tree];
  for (const statement of statements) {
    if (typeof statement !== 'object' || statement === null || !('type' in statement)) return false;
    if (typeof statement.type !== 'string' || !READ_TYPES.has(statement.type)) return false;
  }
  for (const [key, value] of nodes(tree)) if (key === 'locking_read' && (value ?? null) !== null) return false;
  return true;
}

/** Everything in a tree that has a name and a value, at any depth. */
function* nodes(tree: unknown): Generator<[key: string, value: unknown]> {
  if (typeof tree !== 'object' || tree === null) return;
  for (const [key, value] of Object.entries(tree)) {
    yield [key, value];
    yield* nodes(value);
  }
}
