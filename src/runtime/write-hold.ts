import { RwsplitError } from '../errors.js';
import type { Snapshot } from '../topology/snapshot.js';

/** What may wait for a primary. */
export interface WriteHoldSettings {
  readonly timeoutMs: number;
  readonly max: number;
  readonly bytes: number;
}

/** A statement that waits for a primary. It has not been executed anywhere. */
export interface HeldWrite {
  /** What its text takes. */
  readonly bytes: number;
  /** When it began to wait, the times before included. */
  readonly sinceMs: number;
  /** These could not be reached: they have to be seen again first. */
  readonly except: ReadonlySet<string>;
  /** Nobody waits for it any more. */
  isOver(): boolean;
  go(): void;
  fail(error: unknown): void;
  /** Why it waits. */
  readonly why: unknown;
}

interface Waiting extends HeldWrite {
  readonly fromMs: number;
}

const LOOK_MS = 20;

/**
 * Statements that wait for a primary: while there is none, or while it is being changed. None has been sent to a server. First come, first
 * served; bounded in number, bytes and time.
 */
export class WriteHold {
  readonly #settings: WriteHoldSettings;
  readonly #snapshot: () => Snapshot;
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** New statements wait although there is a primary. */
  #isClosed = false;

  constructor(settings: WriteHoldSettings, snapshot: () => Snapshot) {
    this.#settings = settings;
    this.#snapshot = snapshot;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The primary is to be changed: nothing new may begin there. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
  }

  open(): void {
    this.#isClosed = false;
    this.look();
  }

  add(write: HeldWrite): void {
    const { max, bytes, timeoutMs } = this.#settings;
    const nowMs = Date.now();
    if (nowMs - write.sinceMs >= timeoutMs) {
      write.fail(this.#late(write));
      return;
    }
    if (this.#waiting.length >= max || this.#bytes + write.bytes > bytes) {
      const what = `${this.#waiting.length} statements wait for a primary already, which is as many as may`;
      write.fail(new RwsplitError('no-primary', `${messageOf(write.why)}; ${what}`));
      return;
    }
    this.#waiting.push({ ...write, fromMs: nowMs });
    this.#bytes += write.bytes;
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
  }

  /** Lets go whoever waits for no reason any more, or for too long. */
  look(): void {
    if (this.#waiting.length === 0) return;
    const { primary } = this.#snapshot();
    const nowMs = Date.now();
    const all = this.#waiting.splice(0);
    this.#bytes = 0;
    const due: (() => void)[] = [];
    for (const write of all) {
      if (write.isOver()) continue;
      const isBack =
        primary !== undefined && (!write.except.has(primary.address.name) || primary.askedAtMs > write.fromMs);
      if (isBack && !this.isClosed) due.push(() => write.go());
      else if (nowMs - write.sinceMs >= this.#settings.timeoutMs) due.push(() => write.fail(this.#late(write)));
      else {
        this.#waiting.push(write);
        this.#bytes += write.bytes;
      }
    }
    if (this.#waiting.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    for (const act of due) act();
  }

  /** Nobody waits any more: the proxy stops. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const write of this.#waiting.splice(0)) write.fail(write.why);
    this.#bytes = 0;
  }

  #late({ why }: HeldWrite): unknown {
    const waited = `it has waited for ${this.#settings.timeoutMs / 1000} s, and was not executed`;
    if (why instanceof RwsplitError) return new RwsplitError(why.code, `${why.message}; ${waited}`);
    return why;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
