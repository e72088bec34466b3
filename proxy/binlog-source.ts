import type { Classification } from '../src/classify/classification.js';
import type { RouteReason } from '../src/routing/route.js';

/** From where a user follows the binary log: the primary, any replica, or the node of that name. */
export type BinlogFrom = 'primary' | 'replica' | `node=${string}`;

/** On which node a binary log is read that is not the primary's, and what is said there before. */
export interface BinlogSource {
  /** Any replica when absent. */
  readonly node: string | undefined;
  /** The session's own commands, with headers: each is answered by an OK. */
  readonly commands: readonly Buffer[];
  readonly reason: RouteReason;
}

const NAME = '@(?:[\\w$.]+|`[^`]+`)';
const VALUE = String.raw`(?:'[^'\\]*'|"[^"\\]*"|-?\d+(?:\.\d+)?|NULL|@@(?:global\.)?binlog_checksum)`;
const COMMENT = String.raw`(?:\s|/\*(?![!+]|M!)(?:[^*]|\*(?!/))*\*/)`;
const ASSIGNMENT = `${NAME}${COMMENT}*:?=${COMMENT}*${VALUE}${COMMENT}*`;
/** What certainly means the same on any server; the checksum is the one of the server whose log is read. */
const ASSIGNS_LITERALS = new RegExp(
  `^${COMMENT}*SET${COMMENT}+${ASSIGNMENT}(?:,${COMMENT}*${ASSIGNMENT})*;?\\s*$`,
  'i',
);
const HINT = /\/\*\s*rwsplit\s*:\s*(?:(primary|replica)|node\s*=\s*([\w.:-]{1,255}))\s*\*\//i;

/** A replica says six such things before it asks for the log. */
const MAX_COMMANDS = 32;
const MAX_COMMAND_BYTES = 4096;

/**
 * Remembers what a session says before it asks for a binary log. It is said to the primary, as who knows what for; where the log is
 * to come from a replica, it is said there again.
 */
export class BinlogPreparation {
  readonly #commands: Buffer[] = [];
  #isCertain = true;
  #hint: BinlogFrom | undefined;

  /** A statement that leaves something on its connection. */
  noteStatement(body: Buffer, start: number | undefined, command: Buffer, { pins }: Classification): void {
    if (command.length > MAX_COMMAND_BYTES) {
      this.#isCertain = false;
      return;
    }
    const text = body.toString('latin1', start);
    const [, role, node] = HINT.exec(text) ?? [];
    if (node !== undefined) this.#hint = `node=${node}`;
    else if (role !== undefined) this.#hint = role.toLowerCase() === 'replica' ? 'replica' : 'primary';
    if (pins.every((pin) => pin === 'user-variable') && ASSIGNS_LITERALS.test(text)) this.noteCommand(command);
    else this.#isCertain = false;
  }

  /** COM_REGISTER_REPLICA. @param command with its header; it is copied */
  noteCommand(command: Buffer): void {
    if (this.#commands.length >= MAX_COMMANDS || command.length > MAX_COMMAND_BYTES) this.#isCertain = false;
    else this.#commands.push(Buffer.from(command));
  }

  /** @returns undefined for the primary: it is asked for, or what was said cannot be said again */
  source(ofUser: BinlogFrom | undefined): BinlogSource | undefined {
    const from = this.#hint ?? ofUser;
    if (from === undefined || from === 'primary' || !this.#isCertain) return undefined;
    const node = from === 'replica' ? undefined : from.slice('node='.length);
    const hinted = node === undefined ? 'hint-replica' : 'hint-node';
    return { node, commands: this.#commands, reason: this.#hint === undefined ? 'rule' : hinted };
  }

  clear(): void {
    this.#commands.length = 0;
    this.#isCertain = true;
    this.#hint = undefined;
  }
}
