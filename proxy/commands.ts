import type { KnownStatement } from '../src/classify/known-statement.js';
import type { OwnStatement } from '../src/classify/own-statement.js';
import { RwsplitError } from '../src/errors.js';
import { Command } from '../src/protocol/commands.js';
import type { Message } from '../src/protocol/framing.js';
import { BARE_TEXT_OFFSET, findQueryText, hasAttributes } from '../src/protocol/query-attributes.js';
import type { Admin, AdminClient } from './admin/admin.js';
import type { BinlogFrom } from './binlog-source.js';
import { COMMAND_CLASS } from './command-classes.js';
import { NO_STATEMENT } from './command-run.js';
import { ClientIds } from './commands/client-ids.js';
import { Dispatch, type AnsweredClient } from './commands/dispatch.js';
import { FreshnessStatements } from './commands/freshness-statements.js';
import { StatementCommands } from './commands/statement-commands.js';
import { StatementLookup, type LookupContext } from './commands/statement-lookup.js';
import { StreamCommands } from './commands/stream-commands.js';
import type { Cluster } from './run/runner-context.js';
import type { Killable } from './kill.js';
import type { SessionRunner } from './session-runner.js';

/** The client's side, as its commands need it. */
export interface CommandClient extends AnsweredClient, AdminClient {
  /** COM_CHANGE_USER: this session is over. */
  changeUser(message: Message): void;
}

/** With what a client's commands are decided about. */
export interface CommandsContext extends LookupContext {
  /** The id that the client was told. */
  readonly id: number;
  readonly admin: Admin;
  readonly cluster: Cluster;
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

type Handler = (commands: Commands, message: Message) => void;

/** One entry for each command that a client may send: what is not here is unknown to us, and refused as MySQL refuses it. */
const COMMANDS: ReadonlyMap<number, Handler> = new Map([
  [Command.QUIT, ({ client }) => client.end()],
  [Command.INIT_DB, ({ dispatch }, message) => dispatch.forward(message, 'ok', COMMAND_CLASS.session)],
  [Command.QUERY, (commands, message) => commands.query(message)],
  [Command.FIELD_LIST, ({ dispatch }, message) => dispatch.forward(message, 'columns', COMMAND_CLASS.fieldList)],
  [Command.STATISTICS, ({ dispatch }, message) => dispatch.forward(message, 'string', COMMAND_CLASS.server)],
  // Servers before MySQL 9 have these two.
  [Command.REFRESH, ({ dispatch }, message) => dispatch.forward(message, 'ok', COMMAND_CLASS.administration)],
  [Command.PROCESS_INFO, ({ dispatch }, message) => dispatch.forward(message, 'result', COMMAND_CLASS.server)],
  [Command.PROCESS_KILL, ({ ids }, message) => ids.processKill(message)],
  [Command.DEBUG, ({ dispatch }, message) => dispatch.forward(message, 'ok', COMMAND_CLASS.server)],
  [Command.PING, (commands, message) => commands.ping(message)],
  [Command.CHANGE_USER, ({ client }, message) => client.changeUser(message)],
  [Command.BINLOG_DUMP, ({ streams }, message) => streams.dumpBinlog(message)],
  [Command.BINLOG_DUMP_GTID, ({ streams }, message) => streams.dumpBinlog(message)],
  [Command.REGISTER_REPLICA, ({ streams }, message) => streams.registerReplica(message)],
  [Command.CLONE, ({ streams }, message) => streams.stream(message)],
  [Command.SUBSCRIBE_GROUP_REPLICATION_STREAM, ({ streams }, message) => streams.stream(message)],
  [Command.STMT_PREPARE, ({ statements }, message) => statements.prepare(message)],
  [Command.STMT_EXECUTE, ({ statements }, message) => statements.execute(message)],
  [Command.STMT_SEND_LONG_DATA, ({ statements }, message) => statements.sendLongData(message)],
  [Command.STMT_CLOSE, ({ statements }, message) => statements.close(message)],
  [Command.STMT_RESET, ({ statements }, message) => statements.reset(message)],
  [Command.STMT_FETCH, ({ statements }, message) => statements.fetch(message)],
  [Command.SET_OPTION, (commands, message) => commands.setOption(message)],
  [Command.RESET_CONNECTION, (commands, message) => commands.resetConnection(message)],
]);

/** By the command's byte: every statement passes here. */
const HANDLERS: readonly (Handler | undefined)[] = Array.from({ length: 256 }, (_, byte) => COMMANDS.get(byte));

/** A client's commands: decides for each what it is and where it runs. */
export class Commands {
  readonly client: CommandClient;
  readonly dispatch: Dispatch;
  readonly ids: ClientIds;
  readonly statements: StatementCommands;
  readonly streams: StreamCommands;
  readonly #runner: SessionRunner;
  readonly #lookup: StatementLookup;
  readonly #admin: Admin;
  readonly #freshness: FreshnessStatements;

  constructor(runner: SessionRunner, client: CommandClient, context: CommandsContext) {
    this.client = client;
    this.dispatch = new Dispatch(runner, client);
    this.ids = new ClientIds(this.dispatch, client, context.id, context.killableOf);
    this.streams = new StreamCommands(this.dispatch, context.binlogFrom.get(context.user));
    this.#runner = runner;
    this.#lookup = new StatementLookup(runner.session, context);
    this.#admin = context.admin;
    this.#freshness = new FreshnessStatements(this.dispatch, context.cluster);
    this.statements = new StatementCommands(this.dispatch, this.#lookup, this.ids);
  }

  take(message: Message): void {
    const command = message.body[message.start] ?? -1;
    const handler = HANDLERS[command];
    if (handler !== undefined) handler(this, message);
    else this.dispatch.refuse(message, new RwsplitError('unknown-command', 'Unknown command'));
  }

  query(message: Message): void {
    const { body, start: from } = message;
    let start: number | undefined = from + 1;
    let hint = '';
    if (this.dispatch.hasQueryAttributes) {
      if (hasAttributes(body, from)) {
        const text = findQueryText(body, from);
        start = text?.start;
        hint = text?.hint ?? '';
      } else start = from + BARE_TEXT_OFFSET;
    }
    // Attributes that we cannot read, a server may: it is the one to say so.
    const known = start === undefined ? UNREADABLE : this.#lookup.find(body, start, hint);
    const { digest, own, ofConnection } = known;
    if (own !== undefined) {
      this.#answerOwn(own, message);
      return;
    }
    if (ofConnection?.kind === 'kill' && this.ids.kills(ofConnection.what, ofConnection.id, message)) return;
    if (ofConnection?.kind === 'connection-id') {
      this.dispatch.runText(this.ids.selectOwn(ofConnection.column), known.classification, digest);
      return;
    }
    const classification = this.#lookup.minded(known.classification, body, start);
    if (classification.pins.length > 0) this.streams.noteStatement(message, start, classification);
    if (classification.reason === 'session-state') this.#runner.noteTrackers(body.toString('latin1', start));
    this.dispatch.run(message, 'result', classification, NO_STATEMENT, digest, undefined, start);
  }

  #answerOwn(own: OwnStatement, message: Message): void {
    if (typeof own === 'object' && own.kind === 'setting') this.#freshness.set(own, message);
    else if (typeof own === 'object' && own.kind === 'promotion') {
      const { status } = this.#runner.session;
      void this.#admin
        .promote(own, this.client, status, message.nextSequenceId)
        .then((packets) => this.dispatch.answer(packets));
    } else if (own === 'token') this.#freshness.showToken(this.client.capabilities, message);
    else {
      const { status } = this.#runner.session;
      this.dispatch.answer(this.#admin.answer(own, this.client, status, message.nextSequenceId));
    }
  }

  ping(message: Message): void {
    // On a kept connection it also keeps the server from ending it for being idle.
    if (this.#runner.keepsConnection) this.dispatch.forward(message, 'ok', COMMAND_CLASS.session);
    else this.dispatch.answerOk(message);
  }

  setOption(message: Message): void {
    if (this.dispatch.isShort(message, 2)) return;
    // Any other option is refused.
    if (message.body.readUInt16LE(message.start + 1) <= 1) this.#runner.session.pins.add('set-option');
    this.dispatch.forward(message, 'ok', COMMAND_CLASS.session);
  }

  resetConnection(message: Message): void {
    this.statements.clear();
    this.streams.clear();
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
}
