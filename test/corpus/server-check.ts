import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Classification, LexMode } from '../../src/classify/classification.js';
import { classify } from '../../src/classify/classify.js';
import { lexModeOf } from '../../src/session/lex-mode.js';
import { changeState, freshState } from '../../src/session/session-state.js';
import { namesIn } from '../../src/classify/names.js';
import { MYSQL, type TestFile } from './corpus.js';

/** Errors with which a server refuses a write. */
const REFUSED: ReadonlySet<number> = new Set([1290, 1792, 1836]);
/** Would take long, or the server down. */
const TOO_LONG = /\b(?:sleep|benchmark)\s*\(/i;
const HARMFUL =
  /\b(?:mysql|sys|performance_schema)\s*[.`]|\bglobal\b|@@global|\bpersist|\bsecondary_|\bdebug\b|\bkill\b|\bshutdown\b|\brestart\b/i;
const STATEMENT_TIMEOUT_MS = 3000;
const GIVE_UP_MS = 10_000;

export interface Violation {
  readonly file: string;
  readonly sql: string;
  readonly what: string;
}

export interface ServerReport {
  readonly files: number;
  /** How many of them ended early: a session was ended, or the driver could not read an answer. */
  readonly brokenOff: number;
  /** Statements of the class `replica` that were run. */
  readonly ran: number;
  /** Of them, how many the server took without an error. */
  readonly succeeded: number;
  /** Refused for what a view calls: the replica's refusal is what keeps those from writing. */
  readonly hidden: number;
  readonly violations: readonly Violation[];
}

interface Sessions {
  /** Does what the file does. */
  readonly writer: Connection;
  /** Runs what is called a read, in read-only transactions. */
  readonly reader: Connection;
  /** Looks at what the reader leaves. */
  readonly observer: Connection;
  readonly readerThread: number;
}

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/**
 * Runs the files one after another: writes in one session, and what is classed `replica` in another that may not write. There, no
 * statement may be refused as a write, take a lock, or leave a variable or lock behind.
 */
export async function checkOnServer(
  files: readonly TestFile[],
  server: ServerAddress,
  seconds: number,
  onProgress: (message: string) => void,
): Promise<ServerReport> {
  const deadline = Date.now() + seconds * 1000;
  const violations: Violation[] = [];
  let done = 0;
  let ran = 0;
  let succeeded = 0;
  let brokenOff = 0;
  let hidden = 0;
  for (const file of files) {
    if (Date.now() > deadline) break;
    const sessions = await open(server, `corpus_${done}`);
    for (const sql of file.statements) {
      if (Date.now() > deadline) break;
      const outcome = await inTime(check(sql, sessions)).catch(() => 'broken' as const);
      if (outcome === 'broken') {
        brokenOff++;
        break;
      }
      if (outcome === 'skipped') continue;
      ran++;
      if (outcome === 'succeeded') succeeded++;
      else if (outcome === 'hidden') hidden++;
      else if (outcome !== 'failed') {
        violations.push({ file: file.name, sql, what: outcome.what });
        onProgress(`WRONG: ${file.name}: ${outcome.what}: ${sql.slice(0, 300)}`);
      }
    }
    await inTime(run(sessions.writer, `DROP DATABASE corpus_${done}`)).catch(() => {});
    for (const session of [sessions.writer, sessions.reader, sessions.observer]) session.destroy();
    done++;
    if (done % 100 === 0) onProgress(`${done} of ${files.length} files, ${ran} reads, ${violations.length} violations`);
  }
  return { files: done, brokenOff, ran, succeeded, hidden, violations };
}

async function open(server: ServerAddress, schema: string): Promise<Sessions> {
  const connect = async (): Promise<Connection> => {
    const connection = await createConnection({ ...server, charset: 'latin1' });
    // A test may make the server end its connection.
    connection.on('error', () => {});
    await connection.query('SET SESSION max_execution_time=1000, lock_wait_timeout=1, innodb_lock_wait_timeout=1');
    return connection;
  };
  const [writer, reader, observer] = await Promise.all([connect(), connect(), connect()]);
  // What the file before has left locked may take a while to be let go of: each gets a schema of its own.
  await writer.query('CREATE DATABASE ??', [schema]);
  await writer.query('USE ??', [schema]);
  await reader.query('USE ??', [schema]);
  const [[row]] = await reader.query<RowDataPacket[]>('SELECT PS_CURRENT_THREAD_ID() AS thread');
  return { writer, reader, observer, readerThread: Number(row?.['thread']) };
}

type Outcome = 'skipped' | 'succeeded' | 'failed' | 'broken' | 'hidden' | { readonly what: string };

async function check(sql: string, sessions: Sessions): Promise<Outcome> {
  const { writer, reader } = sessions;
  const classification = classOf(sql, await modeOf(reader));
  if (TOO_LONG.test(sql)) return 'skipped';
  if (classification.target === 'replica') return checkRead(sql, sessions);
  if (HARMFUL.test(sql) || classification.reason === 'administration') return 'skipped';
  if ((await run(writer, sql)) === 'gone') return 'broken';
  // What says how a text is read holds for the reader, too.
  const carries = classification.reason === 'session-state' && classification.pins.length === 0;
  if (!carries) return 'skipped';
  modes.delete(reader);
  if ((await run(reader, sql)) === 'gone') return 'broken';
  // The driver knows fewer character sets than the server.
  for (const session of [reader, writer]) await session.query('SET character_set_results=latin1');
  // A serializable session's reads lock, and are routed to the primary whatever their class is.
  await reader.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  return 'skipped';
}

/** Rejects where a server does not answer: what one session holds, another may wait for. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), GIVE_UP_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** The reader's modes are asked for anew only after a statement that may have changed them. */
const modes = new WeakMap<Connection, LexMode>();

async function modeOf(reader: Connection): Promise<LexMode> {
  const known = modes.get(reader);
  if (known !== undefined) return known;
  const [[row]] = await reader.query<RowDataPacket[]>(
    'SELECT @@sql_mode AS mode, @@character_set_client AS charset, @@version AS version',
  );
  const value = (name: string): string => String(row?.[name]);
  const state = changeState(
    freshState(''),
    [
      { kind: 'system-variable', name: 'sql_mode', value: value('mode') },
      { kind: 'system-variable', name: 'character_set_client', value: value('charset') },
    ],
    new Map(),
  );
  const mode = lexModeOf(state, new Map(), value('version'));
  modes.set(reader, mode);
  return mode;
}

function classOf(sql: string, mode: LexMode): Classification {
  const bytes = Buffer.from(sql, 'latin1');
  return classify(bytes, 0, bytes.length, mode);
}

async function checkRead(sql: string, { writer, reader, observer, readerThread }: Sessions): Promise<Outcome> {
  // What the writer has not committed, the reader must not wait for.
  await run(writer, 'COMMIT');
  await reader.query('START TRANSACTION READ ONLY');
  const outcome = await run(reader, sql);
  if (outcome === 'gone') return 'broken';
  const [[left]] = await observer.query<RowDataPacket[]>(
    `SELECT (SELECT COUNT(*) FROM performance_schema.data_locks WHERE THREAD_ID = ?) AS row_locks,
       (SELECT COUNT(*) FROM performance_schema.user_variables_by_thread WHERE THREAD_ID = ?) AS user_variables,
       (SELECT COUNT(*) FROM performance_schema.metadata_locks WHERE OWNER_THREAD_ID = ?
         AND OBJECT_TYPE IN ('USER LEVEL LOCK', 'LOCKING SERVICE', 'GLOBAL', 'BACKUP LOCK')) AS locks,
       (SELECT COUNT(*) FROM performance_schema.prepared_statements_instances WHERE OWNER_THREAD_ID = ?) AS prepared`,
    [readerThread, readerThread, readerThread, readerThread],
  );
  await reader.query('ROLLBACK');
  if (typeof outcome === 'number' && REFUSED.has(outcome)) {
    return (await namesView(sql, observer)) ? 'hidden' : { what: `refused as a write (${outcome})` };
  }
  const leaves = Object.entries(left ?? {}).filter(([, count]) => Number(count) > 0);
  if (leaves.length > 0)
    return { what: `leaves ${leaves.map(([name, count]) => `${name}: ${String(count)}`).join(', ')}` };
  return outcome === 'ok' ? 'succeeded' : 'failed';
}

/** What a view calls cannot be told from a statement's text. */
async function namesView(sql: string, observer: Connection): Promise<boolean> {
  const bytes = Buffer.from(sql, 'latin1');
  const names = [...namesIn(bytes, 0, bytes.length, MYSQL)];
  const [views] = await observer.query<RowDataPacket[]>(
    "SELECT LOWER(TABLE_NAME) AS name FROM information_schema.VIEWS WHERE TABLE_SCHEMA LIKE 'corpus%'",
  );
  return views.some(({ name }) => names.some((it) => it === name || it.endsWith(`.${String(name)}`)));
}

/** @returns the error's number where there was one */
async function run(connection: Connection, sql: string): Promise<'ok' | 'gone' | number> {
  try {
    await connection.query({ sql, timeout: STATEMENT_TIMEOUT_MS });
    return 'ok';
  } catch (error) {
    if (typeof error !== 'object' || error === null) return 'gone';
    const fatal = 'fatal' in error && error.fatal === true;
    if (fatal || !('errno' in error) || typeof error.errno !== 'number' || error.errno <= 0) return 'gone';
    return error.errno;
  }
}
