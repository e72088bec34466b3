import type { Classification } from '../src/classify/classification.js';
import type { DigestEntry } from '../src/classify/digest-table.js';
import type { KnownStatement } from '../src/classify/known-statement.js';
import type { StatementCache } from '../src/classify/statement-cache.js';
import { DEFAULTS } from '../src/defaults.js';
import { errPacketOf, RwsplitError } from '../src/errors.js';
import { Capability, hasCapability } from '../src/protocol/capabilities.js';
import { Command } from '../src/protocol/commands.js';
import type { Message } from '../src/protocol/framing.js';
import { queryTextStart } from '../src/protocol/query-attributes.js';
import type { ResponseShape } from '../src/protocol/response-walker.js';
import { routeStatement } from '../src/routing/route.js';
import type { Admin, AdminClient } from './admin/admin.js';
import { statementIdOf, type ClientStatement } from './client-statement.js';
import { ClientStatements } from './client-statements.js';
import { COMMAND_CLASS } from './command-classes.js';
import { NO_STATEMENT, type CommandRun } from './command-run.js';
import { opensCursor } from './execute.js';
import type { RunnerClient, SessionRunner } from './session-runner.js';

/** The client's side, as its commands need it. */
export interface CommandClient extends RunnerClient, AdminClient {
  /** Answers with an OK of our own making. */
  writeOk(sequenceId: number): void;
}

/** A COM_QUERY whose text cannot be found. */
const UNREADABLE: KnownStatement = { classification: COMMAND_CLASS.unreadable, digest: undefined, own: undefined };

type Handler = (commands: Commands, message: Message) => void;

/** One entry for each command that a client may send: what is not here is unknown to us, and refused as MySQL refuses it. */
const COMMANDS: ReadonlyMap<number, Handler> = new Map([
  [Command.QUIT, (commands) => commands.quit()],
  [Command.INIT_DB, (commands, message) => commands.forward(message, 'ok', COMMAND_CLASS.session)],
  [Command.QUERY, (commands, message) => commands.query(message)],
  [Command.FIELD_LIST, (commands, message) => commands.forward(message, 'columns', COMMAND_CLASS.fieldList)],
  [Command.STATISTICS, (commands, message) => commands.forward(message, 'string', COMMAND_CLASS.server)],
  [Command.PROCESS_KILL, (commands, message) => commands.forward(message, 'ok', COMMAND_CLASS.administration)],
  [Command.DEBUG, (commands, message) => commands.forward(message, 'ok', COMMAND_CLASS.server)],
  [Command.PING, (commands, message) => commands.ping(message)],
  [Command.STMT_PREPARE, (commands, message) => commands.prepare(message)],
  [Command.STMT_EXECUTE, (commands, message) => commands.execute(message)],
  [Command.STMT_SEND_LONG_DATA, (commands, message) => commands.sendLongData(message)],
  [Command.STMT_CLOSE, (commands, message) => commands.close(message)],
  [Command.STMT_RESET, (commands, message) => commands.resetStatement(message)],
  [Command.STMT_FETCH, (commands, message) => commands.fetch(message)],
  [Command.SET_OPTION, (commands, message) => commands.setOption(message)],
  [Command.RESET_CONNECTION, (commands, message) => commands.resetConnection(message)],
]);

/** By the command's byte: every statement passes here. */
const HANDLERS: readonly (Handler | undefined)[] = Array.from({ length: 256 }, (_, byte) => COMMANDS.get(byte));

/** A client's commands: decides for each what it is and where it runs. */
export class Commands {
  readonly #runner: SessionRunner;
  readonly #client: CommandClient;
  readonly #cache: StatementCache;
  readonly #statements: ClientStatements;
  readonly #admin: Admin;

  constructor(runner: SessionRunner, client: CommandClient, cache: StatementCache, admin: Admin) {
    this.#runner = runner;
    this.#client = client;
    this.#cache = cache;
    this.#admin = admin;
    this.#statements = new ClientStatements(runner.session);
  }

  take(message: Message): void {
    const command = message.body[message.start] ?? -1;
    const handler = HANDLERS[command];
    if (handler !== undefined) handler(this, message);
    else this.#refuse(message, new RwsplitError('unknown-command', `unknown command 0x${command.toString(16)}`));
  }

  quit(): void {
    this.#client.end();
  }

  /** Runs what needs no look inside. */
  forward(message: Message, shape: ResponseShape, classification: Classification): void {
    this.#run(message, shape, classification, NO_STATEMENT);
  }

  query(message: Message): void {
    const start = hasCapability(this.#client.capabilities, Capability.QUERY_ATTRIBUTES)
      ? queryTextStart(message.body, message.start)
      : message.start + 1;
    // Attributes that we cannot read, a server may: it is the one to say so.
    const { classification, digest, own } = start === undefined ? UNREADABLE : this.#lookup(message.body, start);
    if (own !== undefined) {
      this.#client.write(this.#admin.answer(own, this.#client, this.#runner.session.status, message.nextSequenceId));
      this.#client.commandEnded();
      return;
    }
    if (classification.reason === 'session-state') this.#runner.noteTrackers(message.body.toString('latin1', start));
    this.#run(message, 'result', classification, NO_STATEMENT, digest);
  }

  ping(message: Message): void {
    // On a kept connection it also keeps the server from ending it for being idle.
    if (this.#runner.hasPrimary) this.forward(message, 'ok', COMMAND_CLASS.session);
    else this.#answerOk(message);
  }

  prepare(message: Message): void {
    if (this.#statements.size >= DEFAULTS.preparedPerClient) {
      const max = DEFAULTS.preparedPerClient;
      this.#refuse(message, new RwsplitError('too-many-statements', `a client may have ${max} statements prepared`));
      return;
    }
    const sql = message.body.subarray(message.start + 1);
    const statement = this.#statements.add(sql, this.#lookup(message.body, message.start + 1));
    this.#run(message, 'prepare', statement.classification, { kind: 'prepare', statement });
  }

  execute(message: Message): void {
    const statement = this.#find(message);
    if (statement === undefined) return;
    const cursor = opensCursor(message);
    if (cursor) this.#statements.cursorOpened(statement);
    const onEnd = !cursor && statement.bound ? () => this.#statements.settled(statement) : undefined;
    this.#run(message, 'result', statement.classification, { kind: 'execute', statement }, statement.digest, onEnd);
  }

  sendLongData(message: Message): void {
    const id = statementIdOf(message);
    const statement = this.#statements.get(id);
    if (statement === undefined) {
      // It has no answer, not even an error: the server says so when the statement is to run.
      this.#client.commandEnded();
      return;
    }
    this.#statements.longDataSent(statement);
    this.#runner.run({
      message,
      shape: 'none',
      classification: COMMAND_CLASS.session,
      route: routeStatement(this.#runner.session, COMMAND_CLASS.session),
      digest: undefined,
      statement: { kind: 'use', statement },
      resets: false,
      onEnd: undefined,
    });
  }

  close(message: Message): void {
    const id = statementIdOf(message);
    const statement = this.#statements.get(id);
    if (statement !== undefined) {
      this.#runner.forget(statement);
      this.#statements.delete(statement);
    }
    this.#client.commandEnded();
  }

  resetStatement(message: Message): void {
    const statement = this.#find(message);
    if (statement === undefined) return;
    if (!statement.bound) {
      this.#answerOk(message);
      return;
    }
    const onEnd = (): void => this.#statements.settled(statement);
    this.#run(message, 'ok', COMMAND_CLASS.session, { kind: 'use', statement }, undefined, onEnd);
  }

  fetch(message: Message): void {
    const statement = this.#find(message);
    if (statement !== undefined) this.#run(message, 'rows', COMMAND_CLASS.session, { kind: 'use', statement });
  }

  setOption(message: Message): void {
    this.#runner.session.pins.add('set-option');
    this.forward(message, 'ok', COMMAND_CLASS.session);
  }

  resetConnection(message: Message): void {
    this.#statements.clear();
    this.#runner.run({
      message,
      shape: 'ok',
      classification: COMMAND_CLASS.session,
      route: { to: 'primary', reason: 'session-state' },
      digest: undefined,
      statement: NO_STATEMENT,
      resets: true,
      onEnd: undefined,
    });
  }

  #lookup(payload: Buffer, start: number): KnownStatement {
    return this.#cache.lookup(payload, start, payload.length, this.#runner.session.lexMode);
  }

  #run(
    message: Message,
    shape: ResponseShape,
    text: Classification,
    statement: CommandRun['statement'],
    digest?: DigestEntry,
    onEnd?: () => void,
  ): void {
    const route = routeStatement(this.#runner.session, text, digest?.refusedByReplica);
    const classification = route.reason === 'replica-refused' ? COMMAND_CLASS.refused : text;
    this.#runner.run({ message, shape, classification, route, digest, statement, resets: false, onEnd });
  }

  /** The statement whose id a command begins with; answers for the command when there is none. */
  #find(message: Message): ClientStatement | undefined {
    const id = statementIdOf(message);
    const statement = this.#statements.get(id);
    if (statement === undefined) {
      this.#refuse(
        message,
        new RwsplitError('unknown-statement-id', `Unknown prepared statement handler (${id}) given to the command`),
      );
    }
    return statement;
  }

  #answerOk(message: Message): void {
    this.#client.writeOk(message.nextSequenceId);
    this.#client.commandEnded();
  }

  #refuse(message: Message, error: RwsplitError): void {
    this.#client.writeError(errPacketOf(error), message.nextSequenceId);
    this.#client.commandEnded();
  }
}
