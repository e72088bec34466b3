import type { LexMode } from './classification.js';
import { onlyReads } from './function-body.js';

/** A stored function, as information_schema.ROUTINES has it. */
export interface StoredFunction {
  readonly schema: string;
  readonly name: string;
  /** Undefined where it cannot be seen, or is no SQL. */
  readonly body: string | undefined;
  /** How its body is read: by the modes it was created with. */
  readonly mode: LexMode;
  /** MODIFIES SQL DATA was declared. */
  readonly modifies: boolean;
}

/** What is code for some servers only is not looked into. */
const EXECUTABLE_COMMENT = /\/\*M?!/;

/**
 * The calls that only read: `schema.f`, and `f` where that holds for every function of the name.
 * @param loadable names of loadable functions, which come before stored ones; undefined when they cannot be seen
 */
export function knownFunctions(
  functions: readonly StoredFunction[],
  loadable: readonly string[] | undefined,
): ReadonlySet<string> {
  const candidates = functions.filter(
    (it) => it.body !== undefined && !it.modifies && !EXECUTABLE_COMMENT.test(it.body),
  );
  const known = new Set<string>();
  // Functions call functions: those that only call known ones are found round by round.
  for (let found = -1; found !== known.size;) {
    found = known.size;
    for (const { schema, name, body = '', mode } of candidates) {
      const isKnown = (called: string): boolean =>
        known.has(called.startsWith('.') ? `${schema.toLowerCase()}${called}` : called);
      if (onlyReads(Buffer.from(body, 'utf8'), mode, isKnown)) known.add(nameOf(schema, name));
    }
  }
  if (loadable === undefined) return known;
  const shadowed = new Set(loadable.map((it) => it.toLowerCase()));
  const doubtful = new Set(
    functions.filter((it) => !known.has(nameOf(it.schema, it.name))).map((it) => bytesOf(it.name)),
  );
  for (const { schema, name } of candidates) {
    const unqualified = bytesOf(name);
    if (known.has(nameOf(schema, name)) && !doubtful.has(unqualified) && !shadowed.has(unqualified))
      known.add(unqualified);
  }
  return known;
}

function nameOf(schema: string, name: string): string {
  return `${bytesOf(schema)}.${bytesOf(name)}`;
}

/** As the classifier meets names: bytes as characters of the same numbers. */
function bytesOf(name: string): string {
  return Buffer.from(name, 'utf8').toString('latin1').toLowerCase();
}
