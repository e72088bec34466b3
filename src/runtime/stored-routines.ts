import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { Classification } from '../classify/classification.js';
import { knownRoutines, type KnownRoutines, type StoredRoutine } from '../classify/known-routines.js';
import type { RoutineEffect } from '../classify/routine-body.js';
import { DEFAULTS } from '../defaults.js';
import { lexModeOf } from '../session/lex-mode.js';
import { freshState } from '../session/session-state.js';
import type { Node } from '../topology/snapshot.js';
import type { EventLog } from './event-log.js';
import type { NodeLogin } from './monitor-login.js';

const SUMMARY = `SELECT COUNT(*) AS n, COALESCE(MAX(LAST_ALTERED), '') AS altered,
  COALESCE(BIT_XOR(CRC32(CONCAT_WS('/', ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME, CREATED, LAST_ALTERED))), 0) AS names,
  (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ('SHOW_ROUTINE', 'SELECT')) AS sees
  FROM information_schema.ROUTINES WHERE ROUTINE_TYPE IN ('FUNCTION', 'PROCEDURE')`;
const BODIES = `SELECT ROUTINE_TYPE AS type, ROUTINE_SCHEMA AS \`schema\`, ROUTINE_NAME AS name, IF(ROUTINE_BODY = 'SQL', ROUTINE_DEFINITION, NULL) AS body,
  SQL_MODE AS mode, SQL_DATA_ACCESS = 'MODIFIES SQL DATA' AS is_writer
  FROM information_schema.ROUTINES WHERE ROUTINE_TYPE IN ('FUNCTION', 'PROCEDURE') LIMIT ${DEFAULTS.storedRoutines + 1}`;
const PARAMETERS = `SELECT ROUTINE_TYPE AS type, SPECIFIC_SCHEMA AS \`schema\`, SPECIFIC_NAME AS name, PARAMETER_NAME AS parameter
  FROM information_schema.PARAMETERS WHERE PARAMETER_NAME IS NOT NULL`;
const CHANGES = /\b(?:function|procedure|database|schema)\b/i;
const LOADABLE = 'SELECT UDF_NAME AS name FROM performance_schema.user_defined_functions';

/** @param text asked for only where the class alone does not say */
export function mayChangeRoutines({ reason }: Classification, text: () => string | undefined): boolean {
  if (reason !== 'ddl' && reason !== 'multi-statement') return false;
  return CHANGES.test(text() ?? '');
}

/** Keeps knowing what stored functions and procedures do, by looking at their bodies on the primary. */
export class StoredRoutines {
  /** Always the same map: what is known changes in it. */
  readonly known = new Map<string, RoutineEffect>();
  readonly #login: NodeLogin;
  readonly #primary: () => Node | undefined;
  readonly #onChange: () => void;
  readonly #log: Pick<EventLog, 'debug' | 'info'>;
  #connection: { readonly to: string; readonly session: Connection } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** What it was made of. */
  #summary = '';
  /** Grows when all is to be forgotten: what was asked before counts no more. */
  #era = 0;
  #saidWhy = false;

  /** @param onChange called after each change of {@link known} */
  constructor(
    login: NodeLogin,
    primary: () => Node | undefined,
    onChange: () => void,
    log: Pick<EventLog, 'debug' | 'info'>,
  ) {
    this.#login = login;
    this.#primary = primary;
    this.#onChange = onChange;
    this.#log = log;
  }

  /** Looks now, and then again and again. Resolves after the first look; never rejects. */
  async start(): Promise<void> {
    await this.#look();
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#disconnect();
  }

  /** A statement that may change routines was sent. */
  forget(): void {
    this.#era++;
    this.#replace(new Map(), '');
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#look().then(() => this.#schedule()), DEFAULTS.storedRoutinesIntervalMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const era = this.#era;
    const primary = this.#primary();
    try {
      // Without a primary nobody can say what the routines are.
      if (primary === undefined) throw new Error('there is no primary');
      const session = await this.#connect(primary);
      const [[row]] = await session.query<RowDataPacket[]>(bounded(SUMMARY));
      const summary = JSON.stringify([primary.address.name, row]);
      if (summary === this.#summary || this.#stopped) return;
      const known =
        Number(row?.['sees']) > 0 ? await this.#read(session, primary) : this.#cannotSee(Number(row?.['n']));
      if (era === this.#era && !this.#stopped) this.#replace(known, summary);
    } catch (error) {
      this.#disconnect();
      this.#log.debug({ error }, 'the stored routines could not be looked at');
      if (!this.#stopped) this.#replace(new Map(), '');
    }
  }

  async #read(session: Connection, primary: Node): Promise<KnownRoutines> {
    const [rows] = await session.query<RowDataPacket[]>(bounded(BODIES));
    // Of more it could not be said whether a name is one function's only.
    if (rows.length > DEFAULTS.storedRoutines) return new Map();
    const loadable = await session.query<RowDataPacket[]>(bounded(LOADABLE)).then(
      ([names]) => names.map(({ name }) => String(name)),
      () => undefined,
    );
    const [parameters] = await session.query<RowDataPacket[]>(bounded(PARAMETERS));
    const parametersOf = new Map<string, string[]>();
    for (const { parameter, ...routine } of parameters) {
      const key = keyOf(routine);
      const names = parametersOf.get(key) ?? [];
      parametersOf.set(key, names);
      names.push(String(parameter));
    }
    return knownRoutines(
      rows.map((row): StoredRoutine => {
        const body: unknown = row['body'];
        const baseline = new Map([['sql_mode', String(row['mode'])]]);
        return {
          kind: row['type'] === 'PROCEDURE' ? 'procedure' : 'function',
          schema: String(row['schema']),
          name: String(row['name']),
          body: typeof body === 'string' && body.length <= DEFAULTS.storedRoutineBytes ? body : undefined,
          mode: lexModeOf(freshState(''), baseline, primary.serverVersion),
          modifies: row['is_writer'] === 1,
          parameters: parametersOf.get(keyOf(row)) ?? [],
        };
      }),
      loadable,
    );
  }

  #cannotSee(routines: number): KnownRoutines {
    if (!this.#saidWhy) {
      const { user } = this.#login;
      const what = `calls of stored functions go to the primary, and sessions that call stored routines keep a connection: what these do cannot be seen; GRANT SHOW_ROUTINE ON *.* TO '${user}'`;
      this.#log.info({ visible: routines }, what);
      this.#saidWhy = true;
    }
    return new Map();
  }

  #replace(known: KnownRoutines, summary: string): void {
    this.#summary = summary;
    if (known.size === 0 && this.known.size === 0) return;
    this.known.clear();
    for (const [name, effect] of known) this.known.set(name, effect);
    this.#onChange();
  }

  async #connect({ address }: Node): Promise<Connection> {
    if (this.#connection?.to === address.name) return this.#connection.session;
    this.#disconnect();
    const { session } = await this.#login.connect(address, DEFAULTS.probeTimeoutMs);
    session.on('error', () => this.#disconnect());
    this.#connection = { to: address.name, session };
    return session;
  }

  #disconnect(): void {
    this.#connection?.session.destroy();
    this.#connection = undefined;
  }
}

/** A server that does not answer must not keep this waiting for ever. */
function bounded(sql: string): { sql: string; timeout: number } {
  return { sql, timeout: DEFAULTS.storedRoutinesTimeoutMs };
}

function keyOf({ type, schema, name }: Record<string, unknown>): string {
  return JSON.stringify([type, schema, name]);
}
