import type { Classification } from '../src/classify/classification.js';
import type { DigestEntry } from '../src/classify/digest-table.js';
import type { KnownStatement } from '../src/classify/known-statement.js';
import type { KnownFunctions } from '../src/classify/statement-scan.js';
import type { StatementCache } from '../src/classify/statement-cache.js';
import type { ConnectionStatement, KillKind } from '../src/classify/connection-statement.js';
import { DEFAULTS } from '../src/defaults.js';
import { errPacketOf, interrupted, RwsplitError } from '../src/errors.js';
import { Capability, hasCapability } from '../src/protocol/capabilities.js';
import { Command } from '../src/protocol/commands.js';
import { messageOf, type Message } from '../src/protocol/framing.js';
import { BARE_TEXT_OFFSET, findQueryText, hasAttributes, NO_ATTRIBUTES } from '../src/protocol/query-attributes.js';
import type { ResponseShape } from '../src/protocol/response-walker.js';
import { namesIn } from '../src/classify/names.js';
import { routeStatement } from '../src/routing/route.js';
import { isRuled, type Rules } from '../src/routing/rules.js';
import type { Admin, AdminClient } from './admin/admin.js';
import { statementIdOf, type ClientStatement } from './client-statement.js';
import { ClientStatements } from './client-statements.js';
import { BinlogPreparation, type BinlogFrom, type BinlogSource } from './binlog-source.js';
import { COMMAND_CLASS } from './command-classes.js';
import { NO_STATEMENT, type CommandRun } from './command-run.js';
import { executeHint, opensCursor } from './execute.js';
import { killClient, type Killable } from './kill.js';
import type { RunnerClient } from './run/runner-context.js';
import type { SessionRunner } from './session-runner.js';

/** The client's side, as its commands need it. */
export interface CommandClient extends RunnerClient, AdminClient {
  /** Answers with an OK of our own making. */
  writeOk(sequenceId: number): void;
  /** COM_CHANGE_USER: this session is over. */
  changeUser(message: Message): void;
}

/** With what a client's commands are decided about. */
export interface CommandsContext {
  /** The id that the client was told. */
  readonly id: number;
  readonly user: string;
  readonly statements: StatementCache;
  readonly admin: Admin;
  readonly rules: Rules;
  /** Stored functions that only read: they may read a temporary table, too. */
  readonly functions: KnownFunctions;
  /** From where users follow the binary log, where that is not the primary. */
  readonly binlogFrom: ReadonlyMap<string, BinlogFrom>;
  /** The client with this id. */
  readonly killableOf: (id: number) => Killable | undefined;
}

/** A COM_QUERY whose text cannot be found. */
const UNREADABLE: KnownStatement = {
  classification: COMMAND_CLASS.unreadable,
  digest: undefined,
  own: undefined,
  ofConnection: undefined,
};

type Kill = Extract<ConnectionStatement, { kind: 'kill' }>;

type Handler = (commands: Commands, message: Message) => void;

/** One entry for each command that a client may send: what is not here is unknown to us, and refused as MySQL refuses it. */
const COMMANDS: ReadonlyMap<number, Handler> = new Map([
  [Command.QUIT, (commands) => commands.quit()],
  [Command.INIT_DB, (commands, message) => commands.forward(message, 'ok', COMMAND_CLASS.session)],
  [Command.QUERY, (commands, message) => commands.query(message)],
  [Command.FIELD_LIST, (commands, message) => commands.forward(message, 'columns', COMMAND_CLASS.fieldList)],
  [Command.STATISTICS, (commands, message) => commands.forward(message, 'string', COMMAND_CLASS.server)],
  // Servers before MySQL 9 have these two.
  [Command.REFRESH, (commands, message) => commands.forward(message, 'ok', COMMAND_CLASS.administration)],
  [Command.PROCESS_INFO, (commands, message) => commands.forward(message, 'result', COMMAND_CLASS.server)],
  [Command.PROCESS_KILL, (commands, message) => commands.processKill(message)],
  [Command.DEBUG, (commands, message) => commands.forward(message, 'ok', COMMAND_CLASS.server)],
  [Command.PING, (commands, message) => commands.ping(message)],
  [Command.CHANGE_USER, (commands, message) => commands.changeUser(message)],
  [Command.BINLOG_DUMP, (commands, message) => commands.dumpBinlog(message)],
  [Command.BINLOG_DUMP_GTID, (commands, message) => commands.dumpBinlog(message)],
  [Command.REGISTER_REPLICA, (commands, message) => commands.registerReplica(message)],
  [Command.CLONE, (commands, message) => commands.stream(message)],
  [Command.SUBSCRIBE_GROUP_REPLICATION_STREAM, (commands, message) => commands.stream(message)],
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
  readonly #user: string;
  readonly #rules: Rules;
  readonly #functions: KnownFunctions;
  readonly #binlog = new BinlogPreparation();
  readonly #binlogFrom: BinlogFrom | undefined;
  readonly #id: number;
  readonly #killableOf: (id: number) => Killable | undefined;

  constructor(
    runner: SessionRunner,
    client: CommandClient,
    { id, user, statements, admin, rules, functions, binlogFrom, killableOf }: CommandsContext,
  ) {
    this.#runner = runner;
    this.#client = client;
    this.#cache = statements;
    this.#admin = admin;
    this.#user = user;
    this.#rules = rules;
    this.#functions = functions;
    this.#id = id;
    this.#binlogFrom = binlogFrom.get(user);
    this.#killableOf = killableOf;
    this.#statements = new ClientStatements(runner.session);
  }

  take(message: Message): void {
    const command = message.body[message.start] ?? -1;
    const handler = HANDLERS[command];
    if (handler !== undefined) handler(this, message);
    else this.#refuse(message, unknownCommand());
  }

  quit(): void {
    this.#client.end();
  }

  changeUser(message: Message): void {
    this.#client.changeUser(message);
  }

  /** Runs what needs no look inside. */
  forward(message: Message, shape: ResponseShape, classification: Classification): void {
    this.#run(message, shape, classification, NO_STATEMENT);
  }

  query(message: Message): void {
    const { body, start: from } = message;
    let start: number | undefined = from + 1;
    let hint = '';
    if (this.#hasQueryAttributes) {
      if (hasAttributes(body, from)) {
        const text = findQueryText(body, from);
        start = text?.start;
        hint = text?.hint ?? '';
      } else start = from + BARE_TEXT_OFFSET;
    }
    // Attributes that we cannot read, a server may: it is the one to say so.
    const known = start === undefined ? UNREADABLE : this.#lookup(body, start, hint);
    const { digest, own, ofConnection } = known;
    if (own !== undefined) {
      this.#client.write(this.#admin.answer(own, this.#client, this.#runner.session.status, message.nextSequenceId));
      this.#client.commandEnded();
      return;
    }
    if (ofConnection?.kind === 'kill' && this.#kills(ofConnection.what, ofConnection.id, message)) return;
    if (ofConnection?.kind === 'connection-id') {
      this.#run(
        this.#textMessage(this.#ownId(ofConnection.column)),
        'result',
        known.classification,
        NO_STATEMENT,
        digest,
      );
      return;
    }
    const classification = this.#minded(known.classification, body, start);
    if (classification.pins.length > 0) this.#binlog.noteStatement(body, start, message.raw, classification);
    if (classification.reason === 'session-state') this.#runner.noteTrackers(body.toString('latin1', start));
    this.#run(message, 'result', classification, NO_STATEMENT, digest, undefined, start);
  }

  ping(message: Message): void {
    // On a kept connection it also keeps the server from ending it for being idle.
    if (this.#runner.keepsConnection) this.forward(message, 'ok', COMMAND_CLASS.session);
    else this.#answerOk(message);
  }

  prepare(message: Message): void {
    if (this.#statements.size >= DEFAULTS.preparedPerClient) {
      const max = DEFAULTS.preparedPerClient;
      this.#refuse(message, new RwsplitError('too-many-statements', `a client may have ${max} statements prepared`));
      return;
    }
    const known = this.#lookup(message.body, message.start + 1);
    const asksOwnId = known.ofConnection?.kind === 'connection-id';
    const sql = asksOwnId ? this.#ownId(known.ofConnection.column) : message.body.subarray(message.start + 1);
    const statement = this.#statements.add(sql, known);
    const asked = asksOwnId ? messageOf(Command.STMT_PREPARE, sql) : message;
    this.#run(asked, 'prepare', this.#minded(statement.classification, sql), { kind: 'prepare', statement });
  }

  execute(message: Message): void {
    if (this.#isShort(message, 9)) return;
    const statement = this.#find(message);
    if (statement === undefined) return;
    const { kills } = statement;
    if (kills !== undefined && this.#kills(kills.what, kills.id, message)) return;
    const cursor = opensCursor(message);
    if (cursor) this.#statements.cursorOpened(statement);
    else if (this.#statements.hasOnlyCursor(statement)) {
      // MySQL gives no rows for a statement that it ran with a cursor first: the one without is not to be the same there.
      this.#runner.forget(statement);
      this.#statements.settled(statement);
    }
    const onEnd = !cursor && statement.bound ? () => this.#statements.settled(statement) : undefined;
    const hint = this.#hasQueryAttributes ? executeHint(message, statement) : '';
    const known = hint === '' ? statement : this.#lookup(statement.sql, 0, hint);
    const classification = this.#minded(known.classification, statement.sql);
    this.#run(message, 'result', classification, { kind: 'execute', statement }, statement.digest, onEnd);
  }

  sendLongData(message: Message): void {
    if (this.#isShort(message, 6)) return;
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
    if (this.#isShort(message, 4)) return;
    const id = statementIdOf(message);
    const statement = this.#statements.get(id);
    if (statement !== undefined) {
      this.#runner.forget(statement);
      this.#statements.delete(statement);
    }
    this.#client.commandEnded();
  }

  resetStatement(message: Message): void {
    if (this.#isShort(message, 4)) return;
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
    if (this.#isShort(message, 8)) return;
    const statement = this.#find(message);
    if (statement !== undefined) this.#run(message, 'rows', COMMAND_CLASS.session, { kind: 'use', statement });
  }

  processKill(message: Message): void {
    const { body, start } = message;
    const id = body.length === start + 5 ? body.readUInt32LE(start + 1) : undefined;
    const has = hasProcessKill(this.#runner.session.serverVersion);
    if (has && id !== undefined && this.#kills('CONNECTION', id, message)) return;
    this.forward(message, 'ok', COMMAND_CLASS.administration);
  }

  registerReplica(message: Message): void {
    this.#runner.session.pins.add('replication');
    this.#binlog.noteCommand(message.raw);
    this.forward(message, 'ok', COMMAND_CLASS.session);
  }

  dumpBinlog(message: Message): void {
    const { session } = this.#runner;
    const pinned = [...session.pins].some((pin) => pin !== 'user-variable' && pin !== 'replication');
    const source = pinned || session.inTransaction ? undefined : this.#binlog.source(this.#binlogFrom);
    this.stream(message, source);
  }

  /** What is answered without end, and in the meantime has the client's packets go to the server as they are. */
  stream(message: Message, source?: BinlogSource): void {
    this.#runner.session.pins.add('replication');
    this.#runner.run({
      message,
      shape: 'stream',
      classification: COMMAND_CLASS.server,
      route:
        source === undefined ? { to: 'primary', reason: 'server-specific' } : { to: 'replica', reason: source.reason },
      digest: undefined,
      statement: NO_STATEMENT,
      source,
      resets: false,
      onEnd: undefined,
    });
  }

  setOption(message: Message): void {
    if (this.#isShort(message, 2)) return;
    // Any other option is refused.
    if (message.body.readUInt16LE(message.start + 1) <= 1) this.#runner.session.pins.add('set-option');
    this.forward(message, 'ok', COMMAND_CLASS.session);
  }

  resetConnection(message: Message): void {
    this.#statements.clear();
    this.#binlog.clear();
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

  get #hasQueryAttributes(): boolean {
    return hasCapability(this.#client.capabilities, Capability.QUERY_ATTRIBUTES);
  }

  /** @param hint of an attribute: it counts as a comment before the text does */
  #lookup(payload: Buffer, start: number, hint = ''): KnownStatement {
    const { lexMode } = this.#runner.session;
    if (hint !== '') return this.#lookupHinted(payload, start, hint);
    const known = this.#cache.lookup(payload, start, payload.length, lexMode);
    if (this.#rules.isEmpty || !isRuled(known.classification)) return known;
    return this.#applyRules(known, payload, start);
  }

  /** A read of a temporary table of the session is none of its class: the table is on one connection. */
  #minded(classification: Classification, body: Buffer, start = 0): Classification {
    const { temporaryTables, lexMode } = this.#runner.session;
    if (temporaryTables.isEmpty || classification.target !== 'replica') return classification;
    return temporaryTables.isNamedIn(body.subarray(start), lexMode, this.#functions)
      ? COMMAND_CLASS.temporaryTable
      : classification;
  }

  #lookupHinted(payload: Buffer, start: number, hint: string): KnownStatement {
    const text = Buffer.concat([Buffer.from(`/* rwsplit: ${hint} */`, 'utf8'), payload.subarray(start)]);
    return this.#cache.lookup(text, 0, text.length, this.#runner.session.lexMode);
  }

  #applyRules(known: KnownStatement, payload: Buffer, start: number): KnownStatement {
    const { lexMode, state } = this.#runner.session;
    const to = this.#rules.find({
      user: this.#user,
      schema: state.schema,
      digest: known.digest?.hash,
      names: () => namesIn(payload, start, payload.length, lexMode),
    });
    if (to === undefined) return known;
    const hinted = this.#lookupHinted(payload, start, to);
    if (!hinted.classification.reason.startsWith('hint-')) return hinted;
    return { ...hinted, classification: { ...hinted.classification, reason: 'rule' } };
  }

  /** The statement with which a client is told its own id. @param column its name */
  #ownId(column: string): Buffer {
    return Buffer.from(`SELECT CAST(${this.#id} AS UNSIGNED) AS ${column}`, 'latin1');
  }

  /** A COM_QUERY of ours, in the client's place. */
  #textMessage(text: Buffer): Message {
    return messageOf(Command.QUERY, this.#hasQueryAttributes ? Buffer.concat([NO_ATTRIBUTES, text]) : text);
  }

  /** @returns whether it is one of our clients that a KILL is about; the servers have to say of all others that there are none */
  #kills(kind: KillKind, target: Kill['id'], message: Message): boolean {
    const victim = this.#killableOf(target === 'own' ? this.#id : target);
    const killer = this.#killableOf(this.#id);
    if (victim === undefined || killer === undefined) return false;
    if (victim.id !== this.#id) {
      this.#kill(kind, victim, killer, message);
    } else if (kind === 'QUERY') {
      // The server interrupts the very statement that asks for it.
      this.#run(
        this.#textMessage(Buffer.from('KILL QUERY CONNECTION_ID()')),
        'result',
        COMMAND_CLASS.administration,
        NO_STATEMENT,
      );
    } else {
      this.#client.writeError(errPacketOf(interrupted()), message.nextSequenceId);
      this.#client.end();
    }
    return true;
  }

  #kill(kind: KillKind, victim: Killable, killer: Killable, message: Message): void {
    killClient(kind, victim, killer).then(
      (refusal) => {
        if (refusal === undefined) {
          // The OK is a server's: as after any statement, what the one before it left is no more.
          this.#run(this.#textMessage(Buffer.from('DO 0')), 'result', COMMAND_CLASS.administration, NO_STATEMENT);
          return;
        }
        this.#client.writeError(refusal, message.nextSequenceId);
        this.#client.commandEnded();
      },
      (error: unknown) => {
        this.#client.writeError(errPacketOf(error), message.nextSequenceId);
        this.#client.commandEnded();
      },
    );
  }

  #run(
    message: Message,
    shape: ResponseShape,
    text: Classification,
    statement: CommandRun['statement'],
    digest?: DigestEntry,
    onEnd?: () => void,
    textStart?: number,
  ): void {
    const route = routeStatement(this.#runner.session, text, digest?.refusedByReplica);
    const classification = route.reason === 'replica-refused' ? COMMAND_CLASS.refused : text;
    this.#runner.run({ message, textStart, shape, classification, route, digest, statement, resets: false, onEnd });
  }

  /** Answers for a command that is shorter than a server wants it. @param bytes behind the command's own */
  #isShort(message: Message, bytes: number): boolean {
    if (message.body.length - message.start > bytes) return false;
    this.#refuse(message, new RwsplitError('malformed-command', 'Malformed communication packet.'));
    return true;
  }

  /** The statement whose id a command begins with; answers for the command when there is none. */
  #find(message: Message): ClientStatement | undefined {
    const id = statementIdOf(message);
    const statement = this.#statements.get(id);
    if (statement === undefined) {
      this.#refuse(
        message,
        new RwsplitError(
          'unknown-statement-id',
          `Unknown prepared statement handler (${id}) given to mysql_stmt_precheck`,
        ),
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

function unknownCommand(): RwsplitError {
  return new RwsplitError('unknown-command', 'Unknown command');
}

/** MySQL has given the command up since. */
function hasProcessKill(serverVersion: string): boolean {
  return serverVersion.includes('MariaDB') || Number.parseInt(serverVersion, 10) < 9;
}
