import type { Classification } from '../../src/classify/classification.js';
import type { DigestEntry } from '../../src/classify/digest-table.js';
import { errPacketOf, RwsplitError } from '../../src/errors.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import { Capability, hasCapability } from '../../src/protocol/capabilities.js';
import { Command } from '../../src/protocol/commands.js';
import { messageOf, type Message } from '../../src/protocol/framing.js';
import { NO_ATTRIBUTES } from '../../src/protocol/query-attributes.js';
import type { ResponseShape } from '../../src/protocol/response-place.js';
import { routeStatement } from '../../src/routing/route.js';
import { COMMAND_CLASS } from '../command-classes.js';
import { NO_STATEMENT, type CommandRun } from '../command-run.js';
import type { RunnerClient } from '../run/runner-context.js';
import type { SessionRunner } from '../session-runner.js';

/** The client's side, as its commands need it. */
export interface AnsweredClient extends RunnerClient {
  /** Answers with an OK of our own making. */
  writeOk(sequenceId: number): void;
}

/** What becomes of a command: it runs where its class and its session say, or has an answer of ours. */
export class Dispatch {
  readonly runner: SessionRunner;
  readonly #client: AnsweredClient;

  constructor(runner: SessionRunner, client: AnsweredClient) {
    this.runner = runner;
    this.#client = client;
  }

  get hasQueryAttributes(): boolean {
    return hasCapability(this.#client.capabilities, Capability.QUERY_ATTRIBUTES);
  }

  run(
    message: Message,
    shape: CommandRun['shape'],
    text: Classification,
    statement: CommandRun['statement'],
    digest?: DigestEntry,
    onEnd?: () => void,
    textStart?: number,
  ): void {
    const route = routeStatement(this.runner.session, text, digest?.refusedByReplica);
    const classification = route.reason === 'replica-refused' ? COMMAND_CLASS.refused : text;
    this.runner.run({ message, textStart, shape, classification, route, digest, statement, resets: false, onEnd });
  }

  /** Runs what needs no look inside. */
  forward(message: Message, shape: ResponseShape, classification: Classification): void {
    this.run(message, shape, classification, NO_STATEMENT);
  }

  /** Runs a statement of ours in the client's place. */
  runText(text: Buffer, classification: Classification, digest?: DigestEntry): void {
    const message = messageOf(Command.QUERY, this.hasQueryAttributes ? Buffer.concat([NO_ATTRIBUTES, text]) : text);
    this.run(message, 'result', classification, NO_STATEMENT, digest);
  }

  /** @param packets of the answer */
  answer(packets: Buffer): void {
    this.#client.write(packets);
    this.#client.commandEnded();
  }

  answerOk(message: Message): void {
    this.#client.writeOk(message.nextSequenceId);
    this.#client.commandEnded();
  }

  answerError(message: Message, error: ErrPacket): void {
    this.#client.writeError(error, message.nextSequenceId);
    this.#client.commandEnded();
  }

  refuse(message: Message, error: RwsplitError): void {
    this.answerError(message, errPacketOf(error));
  }

  /** Ends a command that has no answer. */
  endUnanswered(): void {
    this.#client.commandEnded();
  }

  /** Answers for a command that is shorter than a server wants it. @param bytes behind the command's own */
  isShort(message: Message, bytes: number): boolean {
    if (message.body.length - message.start > bytes) return false;
    this.refuse(message, new RwsplitError('malformed-command', 'Malformed communication packet.'));
    return true;
  }
}
