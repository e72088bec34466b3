import { createHash, type Hash } from 'node:crypto';
import type { ErrPacket } from './packets/err.js';
import type { OkPacket } from './packets/ok.js';

/** How a response ended: what a walker knows of it. */
export interface ResultEnd {
  readonly ok: OkPacket | undefined;
  readonly error: ErrPacket | undefined;
  readonly warnings: number;
  readonly rows: number;
}

/**
 * What a client learns from a result, in a few bytes, so that two results can be compared. Not what may differ between two servers
 * that say the same: status flags, which tell how a statement ran, changes of the session, and the insert id, which can be set.
 */
export class ResultDigest {
  // What most writes answer has no rows, and needs none.
  #hash: Hash | undefined;

  /** Takes definitions and rows as they come; `bytes` is not kept. */
  take(bytes: Buffer): void {
    this.#hash ??= createHash('sha256');
    this.#hash.update(bytes);
  }

  /** To be called once, when the response has ended. */
  finish({ ok, error, warnings, rows }: ResultEnd): string {
    const content = this.#hash?.digest('base64') ?? '';
    if (error !== undefined) return `error ${error.errno} ${error.sqlState} ${error.message} ${content}`;
    if (ok === undefined) return `rows ${rows} ${warnings} ${content}`;
    return `ok ${ok.affectedRows} ${warnings} ${ok.info.toString('latin1')} ${content}`;
  }
}
