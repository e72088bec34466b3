import type { LexMode } from './classification.js';
import { effectOfBody, type RoutineEffect } from './routine-body.js';

/**
 * Stored routines of which it is known what they do, by lower-case name: `f` or `schema.f`; a procedure's by {@link procedureName}.
 * A function's name without a schema is one where that holds for every function of the name.
 */
export type KnownRoutines = ReadonlyMap<string, RoutineEffect>;

/** A stored routine, as information_schema.ROUTINES has it. */
export interface StoredRoutine {
  readonly kind: 'function' | 'procedure';
  readonly schema: string;
  readonly name: string;
  /** Undefined where it cannot be seen, or is no SQL. */
  readonly body: string | undefined;
  /** How its body is read: by the modes it was created with. */
  readonly mode: LexMode;
  /** MODIFIES SQL DATA was declared. */
  readonly modifies: boolean;
  readonly parameters: readonly string[];
}

/** What is code for some servers only is not looked into. */
const EXECUTABLE_COMMENT = /\/\*M?!/;

/** @param loadable names of loadable functions, which come before stored ones; undefined when they cannot be seen */
export function knownRoutines(
  routines: readonly StoredRoutine[],
  loadable: readonly string[] | undefined,
): Map<string, RoutineEffect> {
  const known = new Map<string, RoutineEffect>();
  // Routines call routines: those that only call known ones are found round by round.
  for (let found = -1; found !== known.size;) {
    found = known.size;
    for (const routine of routines) {
      const name = qualified(routine);
      const effect = known.has(name) ? undefined : effectOf(routine, known);
      if (effect !== undefined) known.set(name, effect);
    }
  }
  const shadowed = new Set(loadable?.map((it) => it.toLowerCase()));
  const alike = new Map<string, RoutineEffect | undefined>();
  for (const routine of routines) {
    const name = unqualified(routine);
    const isShadowed = routine.kind === 'function' && (loadable === undefined || shadowed.has(name));
    const effect = isShadowed ? undefined : known.get(qualified(routine));
    alike.set(name, alike.has(name) ? lesser(alike.get(name), effect) : effect);
  }
  for (const [name, effect] of alike) {
    if (effect !== undefined) known.set(name, effect);
  }
  return known;
}

/** What can be said of both. */
function lesser(a: RoutineEffect | undefined, b: RoutineEffect | undefined): RoutineEffect | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a === 'writes' ? a : b;
}

function effectOf(routine: StoredRoutine, known: KnownRoutines): RoutineEffect | undefined {
  const { schema, body, mode, modifies, parameters } = routine;
  if (body === undefined || EXECUTABLE_COMMENT.test(body)) return undefined;
  const effect = effectOfBody(Buffer.from(body, 'utf8'), mode, parameters.map(bytesOf), (kind, called) => {
    const name = called.startsWith('.') ? `${bytesOf(schema)}${called}` : called;
    return known.get(kind === 'procedure' ? procedureName(name) : name);
  });
  return effect === 'reads' && modifies ? 'writes' : effect;
}

/** Of a procedure, as no function is called. @param name `p` or `schema.p`, in lower case */
export function procedureName(name: string): string {
  return `${name}\0`;
}

function qualified({ kind, schema, name }: StoredRoutine): string {
  const both = `${bytesOf(schema)}.${bytesOf(name)}`;
  return kind === 'procedure' ? procedureName(both) : both;
}

function unqualified({ kind, name }: StoredRoutine): string {
  return kind === 'procedure' ? procedureName(bytesOf(name)) : bytesOf(name);
}

/** As the classifier meets names: bytes as characters of the same numbers. */
function bytesOf(name: string): string {
  return Buffer.from(name, 'utf8').toString('latin1').toLowerCase();
}
