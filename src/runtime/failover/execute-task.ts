import type { RowDataPacket } from 'mysql2/promise';
import type { FailoverStatements, HaAccounts, Told } from '../../flavour/failover-statements.js';
import type { Command, Position, Task, TaskEnd } from '../../failover/task.js';
import { errnoOf } from '../probe-failure.js';
import { isServersWord, type HaSession } from './ha-session.js';

/** A server's answer, and the way there and back, to what waits for nothing. */
const STATEMENT_MS = 3_000;
/** A receiver that is connecting to a source that gives no answer stops after 2 s (MySQL 9.7, whatever its time-outs are): the server says it twice. */
const STOP_MS = 15_000;

export interface Execution {
  readonly session: HaSession;
  readonly accounts: HaAccounts;
  /** How long this proxy leads for certain. */
  remainingMs(): number;
  /** Asked before each statement: another one may lead by now. */
  mayGoOn(): boolean;
}

/** Runs a task's commands until one fails. Never rejects. */
export async function executeTask(task: Task, execution: Execution): Promise<TaskEnd> {
  let position: Position | undefined;
  for (const command of task.commands) {
    const failed = (why: string, unknown: boolean): TaskEnd => {
      return { kind: 'failed', task: task.name, node: task.node, command: command.kind, why, unknown };
    };
    try {
      const { statements } = await execution.session.flavour(STATEMENT_MS);
      const told = await execute(command, statements, execution);
      if (command.kind === 'read-position') position = statements.positionOf(told);
    } catch (error) {
      // A statement of several may have been executed before another one was refused; each is harmless to say again.
      return failed(redacted(error, execution.accounts), !isServersWord(error));
    }
  }
  return { kind: 'done', task: task.name, node: task.node, position };
}

/** @returns what the statements' first rows have told */
async function execute(command: Command, statements: FailoverStatements, execution: Execution): Promise<Told> {
  if (command.kind !== 'journal') return say(command, statements, execution);
  try {
    return await say(command, statements, execution);
  } catch (error) {
    if (!LACKS_JOURNAL.has(errnoOf(error) ?? 0)) throw error;
    for (const sql of statements.makeJournal) await execution.session.query(sql, STATEMENT_MS);
    return say(command, statements, execution);
  }
}

/** No such schema, or table. */
const LACKS_JOURNAL: ReadonlySet<number> = new Set([1049, 1146]);

async function say(command: Command, statements: FailoverStatements, execution: Execution): Promise<Told> {
  const { session, accounts } = execution;
  let told: Told = {};
  for (const { sql, holds, endsClients } of statements.of(command, accounts)) {
    if (!execution.mayGoOn()) throw new Refused('this proxy does not lead any more');
    const text = typeof sql === 'string' ? sql : sql(told);
    const rows = await session.query(text, timeoutOf(command, execution.remainingMs()));
    told = { ...told, ...rows[0] };
    if (endsClients === true) await endAll(rows, session);
    if (holds?.(rows[0] ?? {}) === false) {
      throw new Refused(WHY_NOT[command.kind] ?? 'it lacks transactions that it is to have');
    }
  }
  return told;
}

const NO_SUCH_CONNECTION = 1094;

async function endAll(clients: readonly RowDataPacket[], session: HaSession): Promise<void> {
  for (const client of clients) {
    try {
      await session.query(`KILL ${Number(client['id'] ?? client['ID'])}`, STATEMENT_MS);
    } catch (error) {
      if (errnoOf(error) !== NO_SUCH_CONNECTION) throw error;
    }
  }
}

/** What waits for nothing is not waited for beyond the time for which this proxy leads. */
function timeoutOf(command: Command, remainingMs: number): number | undefined {
  if (command.kind === 'wait-executed') return command.timeoutMs + STATEMENT_MS;
  if (command.kind === 'close-for-writes') return command.waitS * 1_000 + STATEMENT_MS;
  // A source that stops waiting takes a second at times.
  if (command.kind === 'semi-sync-source') return 2 * STATEMENT_MS;
  if (command.kind === 'stop-receiving' || command.kind === 'stop-replica') return STOP_MS;
  // All data of a server take as long as they take.
  return command.kind === 'clone' ? undefined : Math.min(STATEMENT_MS, Math.max(1, remainingMs));
}

const WHY_NOT: Readonly<Partial<Record<Command['kind'], string>>> = {
  'wait-executed': 'it has not applied all that it has received in time',
  'assert-nothing-else': 'it has transactions of its own',
};

/** Nothing was sent, or the server answered, and the answer is no. */
class Refused extends Error {
  readonly sqlState = 'HY000';
}

/** A server may quote the statement that it did not understand. */
function redacted(error: unknown, { own, replication }: HaAccounts): string {
  let message = error instanceof Error ? error.message : String(error);
  for (const password of [own.password, replication?.password ?? '']) {
    if (password !== '') message = message.replaceAll(password, '…');
  }
  return message;
}
