import type { SessionState } from '../../src/session/session-state.js';
import { bytesOf, type RecordedCommand } from './recorded-command.js';
import type { ReplaySettings } from './replay-settings.js';

/** What a session was in when its transaction began. */
export interface Beginning {
  readonly state: SessionState;
  /** What SET TRANSACTION had asked for it, framed. */
  readonly asked: readonly Buffer[];
  /** LAST_INSERT_ID(); undefined where nobody knows. */
  insertId: string | undefined;
}

/** An open transaction, as far as it takes to run it again. Bounded: what grows beyond that is dropped. */
export class TransactionRecord {
  readonly beginning: Beginning;
  readonly #settings: ReplaySettings;
  readonly #commands: RecordedCommand[] = [];
  #bytes = 0;

  constructor(beginning: Beginning, settings: ReplaySettings) {
    this.beginning = beginning;
    this.#settings = settings;
  }

  get commands(): readonly RecordedCommand[] {
    return this.#commands;
  }

  /** @returns whether there was room: without it, the record is of no use any more */
  add(command: RecordedCommand): boolean {
    const { statements, bytes, room } = this.#settings;
    const size = bytesOf(command);
    const isFull = this.#commands.length >= statements || this.#bytes + size > bytes;
    if (isFull || room.usedBytes + size > room.maxBytes) return false;
    this.#commands.push(command);
    this.#bytes += size;
    room.usedBytes += size;
    return true;
  }

  /** Nobody needs it any more. */
  drop(): void {
    this.#settings.room.usedBytes -= this.#bytes;
    this.#bytes = 0;
    this.#commands.length = 0;
  }
}
