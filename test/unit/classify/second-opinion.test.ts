import nodeSqlParser from 'node-sql-parser';
import { describe, expect, test } from 'vitest';
import { ALL_STATEMENTS } from './corpus.js';
import { classOf } from './modes.js';

/** Types of statement that read, as the parser names them. */
const READ_TYPES: ReadonlySet<string> = new Set(['select', 'show', 'desc', 'explain', 'use']);
/** It takes `a--1` for a comment and does not look into executable comments. */
const MISREAD = /--\d|\/\*!/;

/** Everything in a tree that has a name and a value, at any depth. */
function* nodes(tree: unknown): Generator<[key: string, value: unknown]> {
  if (typeof tree !== 'object' || tree === null) return;
  for (const [key, value] of Object.entries(tree)) {
    yield [key, value];
    yield* nodes(value);
  }
}

function parse(sql: string): unknown {
  try {
    return new nodeSqlParser.Parser().astify(sql, { database: 'MySQL' });
  } catch {
    return undefined;
  }
}

function statementsOf(tree: unknown): readonly unknown[] {
  return Array.isArray(tree) ? tree : [tree];
}

function typeOf(statement: unknown): unknown {
  return typeof statement === 'object' && statement !== null && 'type' in statement ? statement.type : undefined;
}

const toReplica = ALL_STATEMENTS.filter((sql) => classOf(sql).target === 'replica' && !MISREAD.test(sql));
const parsed = toReplica.map((sql) => ({ sql, tree: parse(sql) })).filter(({ tree }) => tree !== undefined);

describe('a parser that knows nothing of this classifier', () => {
  test('can read a good part of what goes to replicas', () => {
    expect(parsed.length).toBeGreaterThan(50);
  });

  test.each(parsed)('finds neither a write nor a lock in $sql', ({ tree }) => {
    for (const statement of statementsOf(tree)) expect(READ_TYPES).toContain(typeOf(statement));
    for (const [key, value] of nodes(tree)) {
      if (key === 'locking_read') expect(value ?? null).toBeNull();
    }
  });

  test('finds the lock of a locking read', () => {
    const tree = parse('SELECT * FROM t FOR UPDATE');
    expect([...nodes(tree)].some(([key, value]) => key === 'locking_read' && value !== null)).toBe(true);
  });
});
