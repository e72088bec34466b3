import { readFileSync } from 'node:fs';
import leven from 'leven';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, isNode } from 'yaml';
import type { Rule } from '../../src/routing/rules.js';
import { UsageError } from './usage-error.js';

/** What a configuration file may say. Everything is optional: flags say it too, and win. */
export interface ConfigFile {
  readonly listen?: string | undefined;
  readonly nodes?: readonly string[] | undefined;
  readonly monitorUser?: string | undefined;
  readonly monitorPasswordEnv?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly consistency?: string | undefined;
  readonly poolMax?: number | undefined;
  readonly rules?: readonly Rule[] | undefined;
}

const KEYS = ['listen', 'nodes', 'monitor', 'log', 'pool', 'consistency', 'rules'] as const;
const RULE_KEYS = ['user', 'schema', 'table', 'digest', 'to'] as const;
const RULE_TARGET = /^(?:primary|replica|node=[\w.:-]+)$/;

/** Reads the one place where an error is. */
class Reader {
  readonly #path: string;
  readonly #lines: LineCounter;

  constructor(path: string, lines: LineCounter) {
    this.#path = path;
    this.#lines = lines;
  }

  fail(node: unknown, message: string): never {
    const offset = isNode(node) ? node.range?.[0] : undefined;
    const at = offset === undefined ? undefined : this.#lines.linePos(offset);
    throw new UsageError(`${this.#path}${at === undefined ? '' : `:${at.line}:${at.col}`}: ${message}`);
  }

  /** The entries of a map, whose keys are all among `known`. */
  map(node: unknown, where: string, known: readonly string[]): Map<string, unknown> {
    if (!isMap(node)) return this.fail(node, `${where} is not a map of keys and values`);
    const entries = new Map<string, unknown>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (!known.includes(name)) this.fail(key, `unknown key '${name}'${suggestion(name, known)}`);
      // A key without a value says nothing.
      if (!isScalar(value) || value.value !== null) entries.set(name, value);
    }
    return entries;
  }

  string(node: unknown, where: string): string | undefined {
    if (node === undefined) return undefined;
    if (isScalar(node) && (typeof node.value === 'string' || typeof node.value === 'number')) return String(node.value);
    return this.fail(node, `${where} is not a text`);
  }

  count(node: unknown, where: string): number | undefined {
    if (node === undefined) return undefined;
    if (isScalar(node) && typeof node.value === 'number' && Number.isInteger(node.value) && node.value > 0) {
      return node.value;
    }
    return this.fail(node, `${where} is not a whole number above 0`);
  }

  items(node: unknown, where: string): readonly unknown[] | undefined {
    if (node === undefined) return undefined;
    return isSeq(node) ? node.items : this.fail(node, `${where} is not a list`);
  }

  strings(node: unknown, where: string): string[] | undefined {
    return this.items(node, where)?.map((item, index) => {
      return this.string(item, `${where}[${index}]`) ?? this.fail(item, `${where}[${index}] is empty`);
    });
  }
}

/**
 * Reads a configuration file in YAML (JSON is YAML too):
 *
 * ```yaml
 * listen: 127.0.0.1:3307
 * nodes: [db1:3306, db2:3306, db3:3306]
 * monitor: { user: rwsplit_monitor, password_env: RWSPLIT_MONITOR_PASSWORD }
 * pool: { max: 100 }
 * consistency: session
 * rules:
 *   - { user: reports, to: node=db3:3306 }
 * log: { level: info }
 * ```
 * @throws UsageError with line and column
 */
export function readConfigFile(path: string): ConfigFile {
  const lines = new LineCounter();
  const reader = new Reader(path, lines);
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const at = lines.linePos(error.pos[0]);
    throw new UsageError(`${path}:${at.line}:${at.col}: ${error.message}`);
  }
  if (document.contents === null) return {};
  const top = reader.map(document.contents, 'the file', KEYS);
  const monitor = section(reader, top, 'monitor', ['user', 'password_env']);
  const log = section(reader, top, 'log', ['level']);
  const pool = section(reader, top, 'pool', ['max']);
  return {
    listen: reader.string(top.get('listen'), 'listen'),
    nodes: reader.strings(top.get('nodes'), 'nodes'),
    monitorUser: reader.string(monitor.get('user'), 'monitor.user'),
    monitorPasswordEnv: reader.string(monitor.get('password_env'), 'monitor.password_env'),
    logLevel: reader.string(log.get('level'), 'log.level'),
    consistency: reader.string(top.get('consistency'), 'consistency'),
    poolMax: reader.count(pool.get('max'), 'pool.max'),
    rules: reader.items(top.get('rules'), 'rules')?.map((node, index) => readRule(reader, node, `rules[${index}]`)),
  };
}

function readRule(reader: Reader, node: unknown, where: string): Rule {
  const entries = reader.map(node, where, RULE_KEYS);
  const to = reader.string(entries.get('to'), `${where}.to`)?.replaceAll(' ', '');
  if (to === undefined || !RULE_TARGET.test(to)) {
    return reader.fail(entries.get('to') ?? node, `${where}.to is one of primary, replica, node=HOST:PORT`);
  }
  const rule = {
    user: reader.string(entries.get('user'), `${where}.user`),
    schema: reader.string(entries.get('schema'), `${where}.schema`),
    table: reader.string(entries.get('table'), `${where}.table`),
    digest: reader.string(entries.get('digest'), `${where}.digest`),
  };
  if (Object.values(rule).every((it) => it === undefined)) {
    reader.fail(node, `${where} fits every read: say for which user, schema, table or digest it is`);
  }
  return { ...rule, to };
}

function section(
  reader: Reader,
  top: Map<string, unknown>,
  name: string,
  keys: readonly string[],
): Map<string, unknown> {
  const node = top.get(name);
  return node === undefined ? new Map<string, unknown>() : reader.map(node, name, keys);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read the configuration file ${path}: ${error instanceof Error ? error.message : ''}`);
  }
}

function suggestion(name: string, known: readonly string[]): string {
  const near = known.find((it) => leven(it, name.toLowerCase()) <= 2);
  return near === undefined ? `; the keys are ${known.join(', ')}` : `; did you mean '${near}'?`;
}
