import { Command } from '../../src/protocol/commands.js';
import type { Message } from '../../src/protocol/framing.js';
import type { ResponseShape } from '../../src/protocol/response-place.js';
import type { ClientStatement } from '../client-statement.js';
import type { CommandRun } from '../command-run.js';

/** A command of a transaction, and what its client was told. */
export interface RecordedCommand {
  readonly message: Message;
  readonly shape: ResponseShape;
  /** Of a COM_STMT_EXECUTE: the statement as it was then. */
  readonly statement: ClientStatement | undefined;
  /** Of its result. */
  readonly digest: string;
  /** What it told of AUTO_INCREMENT; 0 for nothing. */
  readonly insertId: bigint;
}

/** What a command takes beside its bytes: about so much. */
const OVERHEAD_BYTES = 256;

export function bytesOf({ message, statement }: RecordedCommand): number {
  return message.raw.length + (statement?.types?.length ?? 0) + OVERHEAD_BYTES;
}

/** @returns undefined for what cannot be said again: it is too long */
export function recordedOf(run: CommandRun, digest: string, insertId: bigint): RecordedCommand | undefined {
  const { message, shape, statement } = run;
  // In one packet, a message's body is its raw bytes.
  if (shape === 'none' || message.body !== message.raw) return undefined;
  const raw = Buffer.from(message.raw);
  return {
    message: { ...message, raw, body: raw },
    shape,
    // Its types, and with them what it is called on servers, change with each execution.
    statement: statement.kind === 'execute' ? { ...statement.statement } : undefined,
    digest,
    insertId,
  };
}

export function commandByte({ message: { body, start } }: CommandRun): number {
  return body[start] ?? 0;
}

/** Commands that leave nothing: a transaction is the same without them. */
const LEAVES_NOTHING: ReadonlySet<number> = new Set([Command.PING, Command.STMT_PREPARE]);

export function leavesNothing(run: CommandRun): boolean {
  return LEAVES_NOTHING.has(commandByte(run));
}
