import { STATEMENT_ID, type SessionChange } from '../protocol/session-changes.js';

/**
 * What of a session can be carried to another server connection: its schema and the system variables that differ from a
 * fresh connection's. The server itself told each of them, through its session trackers, so there is no list of variables to be wrong about.
 *
 * Immutable. Two states with the same {@link key} are the same, and nearly always the same object.
 */
export interface SessionState {
  /** The default schema; empty for none. */
  readonly schema: string;
  /** By name, in the order in which they were set: some depend on others. */
  readonly variables: ReadonlyMap<string, string>;
  readonly key: string;
}

/**
 * The statement that set the session's roles, among the variables under a name that none of them has: a server tells of no role,
 * and its place in their order says with which privileges the others were set.
 */
const ROLE = 'SET ROLE';
/** A role's name without what quoting rules, comments or a character set could change. */
const PLAIN_SET_ROLE = /^\s*set\s+role\s+([\w\s,@%.`'"-]+?)\s*;?\s*$/i;

/** Sessions of one application are in few states: where they share the object, comparing them costs nothing. */
const known = new Map<string, SessionState>();
const MAX_KNOWN = 1_000;

function stateOf(schema: string, variables: ReadonlyMap<string, string>): SessionState {
  const key = JSON.stringify([schema, ...variables]);
  const same = known.get(key);
  if (same !== undefined) return same;
  if (known.size >= MAX_KNOWN) known.clear();
  const state = { schema, variables, key };
  known.set(key, state);
  return state;
}

/** A session just logged in. */
export function freshState(schema: string): SessionState {
  return stateOf(schema, new Map());
}

/** COM_RESET_CONNECTION leaves the schema, and the roles. */
export function resetState({ schema, variables }: SessionState): SessionState {
  const role = variables.get(ROLE);
  return stateOf(schema, role === undefined ? new Map() : new Map([[ROLE, role]]));
}

/** Roles were set, and are not those of a login. */
export function hasRole({ variables }: SessionState): boolean {
  return variables.has(ROLE);
}

/**
 * SET ROLE went through.
 * @param sql its text, a byte a character
 * @returns undefined where it is not certain that the text says the same on another connection
 */
export function withRole({ schema, variables }: SessionState, sql: string): SessionState | undefined {
  const named = PLAIN_SET_ROLE.exec(sql)?.[1];
  if (named === undefined) return undefined;
  const changed = new Map(variables);
  changed.delete(ROLE);
  changed.set(ROLE, `SET ROLE ${named}`);
  return stateOf(schema, changed);
}

/**
 * @param baseline values of a fresh connection, as far as they are known: a variable set back to them no longer counts as changed
 * @returns `state` itself when nothing of it changed
 */
export function changeState(
  state: SessionState,
  changes: readonly SessionChange[],
  baseline: ReadonlyMap<string, string>,
): SessionState {
  let schema = state.schema;
  let variables: Map<string, string> | undefined;
  for (const change of changes) {
    if (change.kind === 'schema') schema = change.name;
    if (change.kind !== 'system-variable' || change.name === STATEMENT_ID) continue;
    variables ??= new Map(state.variables);
    // Deleted first, so that the last one set also stands last.
    variables.delete(change.name);
    if (baseline.get(change.name) !== change.value) variables.set(change.name, change.value);
  }
  if (variables === undefined && schema === state.schema) return state;
  return stateOf(schema, variables ?? state.variables);
}

/** Setting these ends, or shapes, the transaction that is open, or sets privileges; to what a statement means they say nothing. */
const MEANS_NOTHING = [
  'autocommit',
  'completion_type',
  'transaction_isolation',
  'transaction_read_only',
  ROLE,
] as const;

/**
 * The state in which a statement of a session is prepared once more.
 * @param prepared in which it was prepared first
 */
export function preparationState(prepared: SessionState, session: SessionState): SessionState {
  const differs = (name: string): boolean => prepared.variables.get(name) !== session.variables.get(name);
  if (prepared === session || !MEANS_NOTHING.some(differs)) return prepared;
  const variables = new Map(prepared.variables);
  for (const name of MEANS_NOTHING) {
    variables.delete(name);
    const value = session.variables.get(name);
    if (value !== undefined) variables.set(name, value);
  }
  return stateOf(prepared.schema, variables);
}

/** How a connection is brought from one state to another. */
export type Restore =
  /** `schema` by COM_INIT_DB where it differs; then statements, one where variables alone differ. */
  | { readonly kind: 'restore'; readonly schema: string | undefined; readonly statements: readonly string[] }
  /** Not possible on this connection: another one has to serve. */
  | { readonly kind: 'unfit' };

/** Their setting does not depend on a text's quoting rules, so that nothing can be read into them. */
const PLAIN_VALUE = /^[\w .,:;+\-/@*%=$~()[\]{}<>|!?#&^]*$/;
const NUMBER = /^-?\d+(\.\d+)?$/;

function literal(name: string, value: string): string | undefined {
  if (value === '' && name === 'character_set_results') return 'NULL';
  if (NUMBER.test(value)) return value;
  return PLAIN_VALUE.test(value) ? `'${value}'` : undefined;
}

/** Values of a connection: those of its state, else those that it was made with. */
type ValueOf = (name: string) => string | undefined;

/** What takes a connection whose state is `from` to the state `to`. */
export function restoreState(from: SessionState, to: SessionState, baseline: ReadonlyMap<string, string>): Restore {
  // A schema cannot be given up again, nor can it be said which roles a login gives.
  if ((to.schema === '' && from.schema !== '') || (hasRole(from) && !hasRole(to))) return { kind: 'unfit' };
  const now: ValueOf = (name) => from.variables.get(name) ?? baseline.get(name);
  const wanted: ValueOf = (name) => to.variables.get(name) ?? baseline.get(name);
  const names = setNames(now, wanted);
  let assignments = names === undefined ? [] : [names];
  const statements: string[] = [];
  const left = (name: string): boolean => names === undefined || !SET_BY_NAMES.has(name);

  for (const name of from.variables.keys()) {
    if (to.variables.has(name) || !left(name)) continue;
    const value = baseline.get(name);
    const text = value === undefined ? 'DEFAULT' : literal(name, value);
    if (text === undefined) return { kind: 'unfit' };
    assignments.push(`@@session.${name}=${text}`);
  }
  // From the first variable that differs on: a later one may depend on it, as collations do on character sets.
  let differs = assignments.length > 0;
  for (const [name, value] of to.variables) {
    if (!left(name)) continue;
    differs ||= from.variables.get(name) !== value;
    if (!differs) continue;
    if (name === ROLE) {
      if (assignments.length > 0) statements.push(`SET ${assignments.join(',')}`);
      assignments = [];
      statements.push(value);
      continue;
    }
    const text = literal(name, value);
    if (text === undefined) return { kind: 'unfit' };
    assignments.push(`@@session.${name}=${text}`);
  }
  if (assignments.length > 0) statements.push(`SET ${assignments.join(',')}`);
  return { kind: 'restore', schema: to.schema === from.schema ? undefined : to.schema, statements };
}

const CHARACTER_SETS = ['character_set_client', 'character_set_results', 'character_set_connection'] as const;
const SET_BY_NAMES: ReadonlySet<string> = new Set([...CHARACTER_SETS, 'collation_connection']);

/**
 * SET NAMES sets four variables, and besides them the collation that results are labelled with, which no variable shows:
 * what was set by it has to be set by it again.
 */
function setNames(now: ValueOf, wanted: ValueOf): string | undefined {
  return [...SET_BY_NAMES].every((name) => now(name) === wanted(name)) ? undefined : namesOf(wanted);
}

/** What sets the four variables to these values; undefined where SET NAMES cannot. */
export function namesOf(wanted: ValueOf): string | undefined {
  const [charset, ...others] = new Set(CHARACTER_SETS.map((name) => wanted(name)));
  const collation = wanted('collation_connection');
  if (charset === undefined || collation === undefined || others.length > 0 || charset === '') return undefined;
  // Setting the collation alone takes its character set along, untold.
  if (collation !== charset && !collation.startsWith(`${charset}_`)) return undefined;
  return `NAMES '${charset}' COLLATE '${collation}'`;
}
