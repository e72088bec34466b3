import type { CommandRun } from '../command-run.js';

/** Savepoints that are said again; of more the oldest are forgotten. */
const MAX_COMMANDS = 256;

/**
 * A read-only transaction that is open on a replica. A statement that cannot run there takes it to the primary: what opened it is
 * said again there, as nothing else of it is left on a server.
 *
 * ```
 *  START TRANSACTION READ ONLY ──► replica ── a read, COMMIT ──────────────────────────► the same connection
 *                                     └────── a write, a lock, a stored function … ────► the primary, opened anew there
 * ```
 */
export class ReplicaTransaction {
  /** For messages. */
  readonly node: string;
  #commands: readonly Buffer[];
  /** It has given rows: what comes later is to fit them. */
  hasRead = false;

  constructor(node: string, commands: readonly Buffer[]) {
    this.node = node;
    this.#commands = commands;
  }

  /** The commands that lead to where it is, framed. None where `autocommit` is off: there, the first read opens it. */
  get commands(): readonly Buffer[] {
    return this.#commands;
  }

  /** One of its own statements has gone through. */
  ran(run: CommandRun): void {
    const { transaction } = run.classification;
    if (transaction === undefined || run.statement.kind !== 'none') return;
    const command = Buffer.from(run.message.raw);
    if (transaction === 'within') {
      const [first, ...later] = [...this.#commands, command];
      this.#commands = first === undefined ? [] : [first, ...later.slice(-MAX_COMMANDS)];
      return;
    }
    this.#commands = [command];
    this.hasRead = false;
  }
}
