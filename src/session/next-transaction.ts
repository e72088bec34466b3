import type { TransactionPart } from '../classify/classification.js';

/** What `SET TRANSACTION` asked for the next transaction. Servers keep it with one connection; it is kept here to be said again on another. */
export class NextTransaction {
  #commands: readonly Buffer[] = [];
  #readOnly: boolean | undefined;
  #certain = true;

  /** The client's commands, in order, each framed as it came. */
  get commands(): readonly Buffer[] {
    return this.#commands;
  }

  /** Whether {@link commands} are all that there is, and not used up yet. */
  get certain(): boolean {
    return this.#certain;
  }

  /** The access mode that was asked for; undefined for the session's own. */
  get readOnly(): boolean | undefined {
    return this.#readOnly;
  }

  /** @param part undefined for what cannot be said again elsewhere */
  add(part: TransactionPart | undefined, command: Buffer | undefined): void {
    if (part === undefined || command === undefined) {
      this.#certain = false;
      return;
    }
    this.#commands = [...this.#commands, Buffer.from(command)];
    if (part === 'next-read-only') this.#readOnly = true;
    if (part === 'next-read-write') this.#readOnly = false;
  }

  /** Another statement ran in between: it may have used it up. */
  disturb(): void {
    this.#certain = false;
  }

  clear(): void {
    if (this.#commands.length > 0) this.#commands = [];
    this.#readOnly = undefined;
    this.#certain = true;
  }
}
