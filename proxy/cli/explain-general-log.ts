import { createReadStream } from 'node:fs';
import { DigestTable, type DigestCount } from '../../src/classify/digest-table.js';
import type { Digest } from '../../src/classify/digest.js';
import { StatementCache } from '../../src/classify/statement-cache.js';
import { DEFAULTS } from '../../src/defaults.js';
import { GeneralLogParser, type LogEntry } from './general-log.js';
import { LogSession } from './log-session.js';
import { formatTable } from './table.js';
import { UsageError } from './usage-error.js';

export interface GeneralLogOptions {
  /** `-` is standard input. */
  readonly file: string;
  /** What a fresh session has. */
  readonly baseline: ReadonlyMap<string, string>;
  /** Wins over what the log says. */
  readonly version: string | undefined;
  readonly defaultVersion: string;
  readonly json: boolean;
}

/** A log that begins in the middle, or lost the ends of connections, does not fill the memory with them. */
const MAX_CONNECTIONS = 100_000;

/** Prints where the statements of a general query log would go, by digest. */
export async function explainGeneralLog(options: GeneralLogOptions): Promise<void> {
  const log = new ExplainedLog(options);
  const parser = new GeneralLogParser();
  try {
    const source: AsyncIterable<Buffer> = options.file === '-' ? process.stdin : createReadStream(options.file);
    for await (const chunk of source) log.take(parser.push(chunk));
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new UsageError(`--general-log '${options.file}' cannot be read`, { cause: error });
  }
  log.take(parser.end());
  process.stdout.write(options.json ? toJson(log) : toText(log));
}

class ExplainedLog {
  readonly #options: GeneralLogOptions;
  readonly #digests = new DigestTable(DEFAULTS.digests);
  readonly #cache = new StatementCache({
    maxBytes: DEFAULTS.statementCacheBytes,
    maxStatementBytes: DEFAULTS.statementCacheEntryBytes,
    digests: this.#digests,
  });
  readonly #sessions = new Map<number, LogSession>();
  #version: string;
  connections = 0;
  statements = 0;
  toReplicas = 0;

  constructor(options: GeneralLogOptions) {
    this.#options = options;
    this.#version = options.version ?? options.defaultVersion;
  }

  get rows(): readonly { readonly digest: Digest; readonly count: DigestCount }[] {
    return this.#digests.rows();
  }

  take(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'started') {
        this.#sessions.clear();
        this.#version = this.#options.version ?? entry.version;
      } else this.#command(entry.connection, entry.command, entry.argument);
    }
  }

  #command(connection: number, command: string, argument: Buffer): void {
    if (command === 'Quit' || command === 'Connect' || command === 'Change user') this.#sessions.delete(connection);
    if (command === 'Quit') return;
    const to = this.#session(connection).take(command, argument);
    if (to === undefined) return;
    this.statements++;
    if (to === 'replica' || to === 'transaction') this.toReplicas++;
  }

  #session(connection: number): LogSession {
    const known = this.#sessions.get(connection);
    if (known !== undefined) return known;
    const session = new LogSession(this.#options.baseline, this.#version, this.#cache);
    const [oldest] = this.#sessions.size >= MAX_CONNECTIONS ? this.#sessions.keys() : [];
    if (oldest !== undefined) this.#sessions.delete(oldest);
    this.#sessions.set(connection, session);
    this.connections++;
    return session;
  }
}

function toJson(log: ExplainedLog): string {
  const rows = log.rows.map(({ digest, count }) => ({
    kind: 'digest',
    digest: digest.hash,
    statement: digest.text,
    count: count.statements,
    target: count.target,
    reason: count.reason,
  }));
  const { statements, toReplicas, connections } = log;
  const summary = { kind: 'summary', statements, toReplicas, connections, basis: 'text' };
  return [...rows, summary].map((it) => `${JSON.stringify(it)}\n`).join('');
}

function toText(log: ExplainedLog): string {
  const { statements, toReplicas, connections } = log;
  if (statements === 0) return 'There is no statement in this log.\n';
  const rows = log.rows.map(({ digest, count }) => [count.statements, count.target, count.reason, digest.text]);
  const share = ((100 * toReplicas) / statements).toFixed(1);
  return (
    `${formatTable(['count', 'goes to', 'reason', 'statement'], rows)}\n` +
    `${share} % of ${statements} statements on ${connections} connections could go to replicas (${toReplicas}).\n` +
    'This is by the text alone: a log does not tell which statements failed, nor which functions only read.\n'
  );
}
