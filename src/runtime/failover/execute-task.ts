import type { RowDataPacket } from 'mysql2/promise';
import type { FailoverStatements, ReplicationAccount } from '../../flavour/failover-statements.js';
import type { Command, Position, Task, TaskEnd } from '../../failover/task.js';
import { gtidsOf } from './node-look.js';
import { isServersWord, type HaSession } from './ha-session.js';

/** A server's answer, and the way there and back, to what waits for nothing. */
const STATEMENT_MS = 1_000;

export interface Execution {
  readonly session: HaSession;
  readonly statements: FailoverStatements;
  readonly account: ReplicationAccount | undefined;
  /** Asked before each command: another one may lead by now. */
  mayGoOn(): boolean;
}

/** Runs a task's commands until one fails. Never rejects. */
export async function executeTask(task: Task, execution: Execution): Promise<TaskEnd> {
  let position: Position | undefined;
  for (const command of task.commands) {
    const failed = (why: string, unknown: boolean): TaskEnd => {
      return { kind: 'failed', task: task.name, node: task.node, command: command.kind, why, unknown };
    };
    if (!execution.mayGoOn()) return failed('this proxy does not lead any more', false);
    try {
      const row = await execute(command, execution);
      if (command.kind === 'read-position') {
        position = { executed: gtidsOf(row?.['executed']), received: gtidsOf(row?.['received'] ?? '') };
      }
    } catch (error) {
      // A statement of several may have been executed before another one was refused; each is harmless to say again.
      return failed(redacted(error, execution.account), !isServersWord(error));
    }
  }
  return { kind: 'done', task: task.name, node: task.node, position };
}

/** @returns the last statement's first row */
async function execute(
  command: Command,
  { session, statements, account }: Execution,
): Promise<RowDataPacket | undefined> {
  let row: RowDataPacket | undefined;
  for (const { sql, expectsOk } of statements.of(command, account)) {
    [row] = await session.query(sql, timeoutOf(command));
    if (expectsOk === true && Number(row?.['ok']) !== 1) throw new NotSo(command);
  }
  return row;
}

function timeoutOf(command: Command): number {
  if (command.kind === 'wait-executed') return command.timeoutMs + STATEMENT_MS;
  if (command.kind === 'close-for-writes') return command.waitS * 1_000 + STATEMENT_MS;
  return STATEMENT_MS;
}

/** The server answered, and the answer is no. */
class NotSo extends Error {
  readonly sqlState = 'HY000';

  constructor({ kind }: Command) {
    super(
      kind === 'wait-executed'
        ? 'it has not applied all that it has received in time'
        : 'it lacks transactions that it is to have',
    );
  }
}

/** A server may quote the statement that it did not understand. */
function redacted(error: unknown, account: ReplicationAccount | undefined): string {
  const message = error instanceof Error ? error.message : String(error);
  return account === undefined || account.password === '' ? message : message.replaceAll(account.password, '…');
}
