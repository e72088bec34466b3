import type { Classification } from '../../src/classify/classification.js';
import type { Message } from '../../src/protocol/framing.js';
import { BinlogPreparation, type BinlogFrom, type BinlogSource } from '../binlog-source.js';
import { COMMAND_CLASS } from '../command-classes.js';
import { NO_STATEMENT } from '../command-run.js';
import type { Dispatch } from './dispatch.js';

/** The commands of a client that follows a log: what is said before, and the request for what has no end. */
export class StreamCommands {
  readonly #dispatch: Dispatch;
  readonly #preparation = new BinlogPreparation();
  readonly #binlogFrom: BinlogFrom | undefined;

  /** @param binlogFrom where this client's user is to follow the binary log */
  constructor(dispatch: Dispatch, binlogFrom: BinlogFrom | undefined) {
    this.#dispatch = dispatch;
    this.#binlogFrom = binlogFrom;
  }

  /** A statement that leaves something on its connection is about to run. */
  noteStatement(message: Message, start: number | undefined, classification: Classification): void {
    this.#preparation.noteStatement(message.body, start, message.raw, classification);
  }

  /** The session begins anew. */
  clear(): void {
    this.#preparation.clear();
  }

  registerReplica(message: Message): void {
    this.#dispatch.runner.session.pins.add('replication');
    this.#preparation.noteCommand(message.raw);
    this.#dispatch.forward(message, 'ok', COMMAND_CLASS.session);
  }

  dumpBinlog(message: Message): void {
    const { session } = this.#dispatch.runner;
    const pinned = [...session.pins].some((pin) => pin !== 'user-variable' && pin !== 'replication');
    const source = pinned || session.inTransaction ? undefined : this.#preparation.source(this.#binlogFrom);
    this.stream(message, source);
  }

  /** What is answered without end, and in the meantime has the client's packets go to the server as they are. */
  stream(message: Message, source?: BinlogSource): void {
    this.#dispatch.runner.session.pins.add('replication');
    this.#dispatch.runner.run({
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
}
