import type { Connection, RowDataPacket } from 'mysql2/promise';
import { knownFunctions, type StoredFunction } from '../classify/known-functions.js';
import { DEFAULTS } from '../defaults.js';
import { lexModeOf } from '../session/lex-mode.js';
import { freshState } from '../session/session-state.js';
import type { Node } from '../topology/snapshot.js';
import type { Log } from './log.js';
import type { NodeLogin } from './monitor-login.js';

const SUMMARY = `SELECT COUNT(*) AS n, COALESCE(MAX(LAST_ALTERED), '') AS altered,
  COALESCE(BIT_XOR(CRC32(CONCAT_WS('/', ROUTINE_SCHEMA, ROUTINE_NAME, CREATED, LAST_ALTERED))), 0) AS names,
  (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ('SHOW_ROUTINE', 'SELECT')) AS sees
  FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION'`;
const BODIES = `SELECT ROUTINE_SCHEMA AS \`schema\`, ROUTINE_NAME AS name, IF(ROUTINE_BODY = 'SQL', ROUTINE_DEFINITION, NULL) AS body,
  SQL_MODE AS mode, SQL_DATA_ACCESS = 'MODIFIES SQL DATA' AS is_writer
  FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' LIMIT ${DEFAULTS.storedFunctions + 1}`;
const LOADABLE = 'SELECT UDF_NAME AS name FROM performance_schema.user_defined_functions';

/** Keeps knowing which stored functions only read, by looking at their bodies on the primary. */
export class StoredFunctions {
  /** Always the same set: what is known changes in it. */
  readonly known = new Set<string>();
  readonly #login: NodeLogin;
  readonly #primary: () => Node | undefined;
  readonly #onChange: () => void;
  readonly #log: Log;
  #connection: { readonly to: string; readonly session: Connection } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** What the set was made of. */
  #summary = '';
  /** Grows when the set is to be forgotten: what was asked before counts no more. */
  #era = 0;
  #saidWhy = false;

  /** @param onChange called after each change of {@link known} */
  constructor(login: NodeLogin, primary: () => Node | undefined, onChange: () => void, log: Log) {
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

  /** A statement that may change functions was sent. */
  forget(): void {
    this.#era++;
    this.#replace(new Set(), '');
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#look().then(() => this.#schedule()), DEFAULTS.storedFunctionsIntervalMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const era = this.#era;
    const primary = this.#primary();
    try {
      // Without a primary nobody can say what the functions are.
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
      this.#log.debug({ error }, 'the stored functions could not be looked at');
      if (!this.#stopped) this.#replace(new Set(), '');
    }
  }

  async #read(session: Connection, primary: Node): Promise<ReadonlySet<string>> {
    const [rows] = await session.query<RowDataPacket[]>(bounded(BODIES));
    // Of more it could not be said whether a name is one function's only.
    if (rows.length > DEFAULTS.storedFunctions) return new Set();
    const loadable = await session.query<RowDataPacket[]>(bounded(LOADABLE)).then(
      ([names]) => names.map(({ name }) => String(name)),
      () => undefined,
    );
    return knownFunctions(
      rows.map((row): StoredFunction => {
        const body: unknown = row['body'];
        const baseline = new Map([['sql_mode', String(row['mode'])]]);
        return {
          schema: String(row['schema']),
          name: String(row['name']),
          body: typeof body === 'string' && body.length <= DEFAULTS.storedFunctionBytes ? body : undefined,
          mode: lexModeOf(freshState(''), baseline, primary.serverVersion),
          modifies: row['is_writer'] === 1,
        };
      }),
      loadable,
    );
  }

  #cannotSee(functions: number): ReadonlySet<string> {
    if (!this.#saidWhy) {
      const { user } = this.#login;
      const what = `calls of stored functions go to the primary: whether they only read cannot be seen; GRANT SHOW_ROUTINE ON *.* TO '${user}'`;
      this.#log.info({ visible: functions }, what);
      this.#saidWhy = true;
    }
    return new Set();
  }

  #replace(known: ReadonlySet<string>, summary: string): void {
    this.#summary = summary;
    if (known.size === 0 && this.known.size === 0) return;
    this.known.clear();
    for (const name of known) this.known.add(name);
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
  return { sql, timeout: DEFAULTS.storedFunctionsTimeoutMs };
}
