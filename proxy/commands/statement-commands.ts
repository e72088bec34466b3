import { DEFAULTS } from '../../src/defaults.js';
import { RwsplitError } from '../../src/errors.js';
import { Command } from '../../src/protocol/commands.js';
import { messageOf, type Message } from '../../src/protocol/framing.js';
import { statementIdOf, type ClientStatement } from '../client-statement.js';
import { ClientStatements } from '../client-statements.js';
import { COMMAND_CLASS } from '../command-classes.js';
import { executeHint, opensCursor } from '../execute.js';
import type { ClientIds } from './client-ids.js';
import type { Dispatch } from './dispatch.js';
import type { StatementLookup } from './statement-lookup.js';

/** The commands of prepared statements: COM_STMT_…. */
export class StatementCommands {
  readonly #dispatch: Dispatch;
  readonly #lookup: StatementLookup;
  readonly #ids: ClientIds;
  readonly #statements: ClientStatements;

  constructor(dispatch: Dispatch, lookup: StatementLookup, ids: ClientIds) {
    this.#dispatch = dispatch;
    this.#lookup = lookup;
    this.#ids = ids;
    this.#statements = new ClientStatements(dispatch.runner.session);
  }

  /** The session begins anew. */
  clear(): void {
    this.#statements.clear();
  }

  prepare(message: Message): void {
    if (this.#statements.size >= DEFAULTS.preparedPerClient) {
      const what = `a client may have ${DEFAULTS.preparedPerClient} statements prepared`;
      this.#dispatch.refuse(message, new RwsplitError('too-many-statements', what));
      return;
    }
    const known = this.#lookup.find(message.body, message.start + 1);
    const asksOwnId = known.ofConnection?.kind === 'connection-id';
    const sql = asksOwnId ? this.#ids.selectOwn(known.ofConnection.column) : message.body.subarray(message.start + 1);
    const statement = this.#statements.add(sql, known);
    const asked = asksOwnId ? messageOf(Command.STMT_PREPARE, sql) : message;
    const classification = this.#lookup.minded(statement.classification, sql);
    this.#dispatch.run(asked, 'prepare', classification, { kind: 'prepare', statement });
  }

  execute(message: Message): void {
    if (this.#dispatch.isShort(message, 9)) return;
    const statement = this.#find(message);
    if (statement === undefined) return;
    const { kills } = statement;
    if (kills !== undefined && this.#ids.kills(kills.what, kills.id, message)) return;
    const cursor = opensCursor(message);
    if (cursor) this.#statements.cursorOpened(statement);
    else if (this.#statements.hasOnlyCursor(statement)) {
      // MySQL gives no rows for a statement that it ran with a cursor first: the one without is not to be the same there.
      this.#dispatch.runner.forget(statement);
      this.#statements.settled(statement);
    }
    const onEnd = !cursor && statement.bound ? () => this.#statements.settled(statement) : undefined;
    const hint = this.#dispatch.hasQueryAttributes ? executeHint(message, statement) : '';
    const known = hint === '' ? statement : this.#lookup.find(statement.sql, 0, hint);
    const classification = this.#lookup.minded(known.classification, statement.sql);
    this.#dispatch.run(message, 'result', classification, { kind: 'execute', statement }, statement.digest, onEnd);
  }

  sendLongData(message: Message): void {
    if (this.#dispatch.isShort(message, 6)) return;
    const statement = this.#statements.get(statementIdOf(message));
    if (statement === undefined) {
      // It has no answer, not even an error: the server says so when the statement is to run.
      this.#dispatch.endUnanswered();
      return;
    }
    this.#statements.longDataSent(statement);
    this.#dispatch.run(message, 'none', COMMAND_CLASS.session, { kind: 'use', statement });
  }

  close(message: Message): void {
    if (this.#dispatch.isShort(message, 4)) return;
    const statement = this.#statements.get(statementIdOf(message));
    if (statement !== undefined) {
      this.#dispatch.runner.forget(statement);
      this.#statements.delete(statement);
    }
    this.#dispatch.endUnanswered();
  }

  reset(message: Message): void {
    if (this.#dispatch.isShort(message, 4)) return;
    const statement = this.#find(message);
    if (statement === undefined) return;
    if (!statement.bound) {
      this.#dispatch.answerOk(message);
      return;
    }
    const onEnd = (): void => this.#statements.settled(statement);
    this.#dispatch.run(message, 'ok', COMMAND_CLASS.session, { kind: 'use', statement }, undefined, onEnd);
  }

  fetch(message: Message): void {
    if (this.#dispatch.isShort(message, 8)) return;
    const statement = this.#find(message);
    if (statement !== undefined) {
      this.#dispatch.run(message, 'rows', COMMAND_CLASS.session, { kind: 'use', statement });
    }
  }

  /** The statement whose id a command begins with; answers for the command when there is none. */
  #find(message: Message): ClientStatement | undefined {
    const id = statementIdOf(message);
    const statement = this.#statements.get(id);
    if (statement === undefined) {
      const what = `Unknown prepared statement handler (${id}) given to mysql_stmt_precheck`;
      this.#dispatch.refuse(message, new RwsplitError('unknown-statement-id', what));
    }
    return statement;
  }
}
