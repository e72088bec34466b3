import leven from 'leven';
import { isMap, isNode, isScalar, isSeq, type LineCounter } from 'yaml';
import { UsageError } from './usage-error.js';

/** A map of the configuration, by its keys. */
export type Section = ReadonlyMap<string, unknown>;

/** Reads values of a configuration file. What it does not take, it tells by line and column. */
export class ConfigReader {
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

  /** From 0 to 1. */
  part(node: unknown, where: string): number | undefined {
    if (node === undefined) return undefined;
    const value = isScalar(node) ? node.value : undefined;
    return typeof value === 'number' && value >= 0 && value <= 1
      ? value
      : this.fail(node, `${where} is a number from 0 to 1`);
  }

  boolean(node: unknown, where: string): boolean | undefined {
    if (node === undefined) return undefined;
    return isScalar(node) && typeof node.value === 'boolean'
      ? node.value
      : this.fail(node, `${where} is true or false`);
  }

  /** One of some words. */
  choice<T extends string>(node: unknown, where: string, choices: readonly T[]): T | undefined {
    const text = this.string(node, where);
    if (text === undefined) return undefined;
    const choice = choices.find((it) => it === text);
    return choice ?? this.fail(node, `${where} is one of ${choices.join(', ')}, not '${text}'`);
  }

  /** The map under a key; an empty one where there is none. */
  section(of: Section, name: string, keys: readonly string[]): Section {
    const node = of.get(name);
    return node === undefined ? new Map<string, unknown>() : this.map(node, name, keys);
  }

  /** A list, or a single text in its place. */
  texts(node: unknown, where: string): string[] | undefined {
    const single = isScalar(node) ? this.string(node, where) : undefined;
    return single === undefined ? this.strings(node, where) : [single];
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

function suggestion(name: string, known: readonly string[]): string {
  const near = known.find((it) => leven(it, name.toLowerCase()) <= 2);
  return near === undefined ? `; the keys are ${known.join(', ')}` : `; did you mean '${near}'?`;
}
