import type { TransactionPart } from '../classify/classification.js';

/** Savepoints that are said again; of more the oldest are forgotten. */
const MAX_COMMANDS = 256;
/** What only looks like it lets reads be as new as the transaction's first one, which is new enough. */
const SNAPSHOT = /\bconsistent\s+snapshot\b/i;
const READS_TABLES = /\b(?:from|table)\b/i;
/** In `SET TRANSACTION ISOLATION LEVEL …`. What only looks like it makes reads wait that need not. */
const READS_COMMITTED = /\bread\b[^]*?\b(?:un)?committed\b/i;

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
  /** Some table was read, or a snapshot was asked for. */
  #hasSnapshot: boolean;

  constructor(node: string, commands: readonly Buffer[]) {
    this.node = node;
    this.#commands = commands;
    this.#hasSnapshot = commands.some((command) => SNAPSHOT.test(command.toString('latin1')));
  }

  /** What its reads see is what was there when the first one ran. */
  get hasSnapshot(): boolean {
    return this.#hasSnapshot && !this.#commands.some((command) => READS_COMMITTED.test(command.toString('latin1')));
  }

  /** The commands that lead to where it is, as they were given. None where `autocommit` is off: there, the first read opens it. */
  get commands(): readonly Buffer[] {
    return this.#commands;
  }

  /** One of its reads has given rows. @param text bytes as characters of the same numbers */
  read(text: string): void {
    this.hasRead = true;
    this.#hasSnapshot ||= READS_TABLES.test(text);
  }

  /** One of its own statements has gone through. @param command what is said to open it anew elsewhere */
  ran(part: TransactionPart | undefined, command: Buffer): void {
    if (part === undefined) return;
    const kept = Buffer.from(command);
    if (part === 'within') {
      const [first, ...later] = [...this.#commands, kept];
      this.#commands = first === undefined ? [] : [first, ...later.slice(-MAX_COMMANDS)];
      return;
    }
    this.#commands = [kept];
    this.hasRead = false;
    this.#hasSnapshot = SNAPSHOT.test(kept.toString('latin1'));
  }
}
