import { isSpace } from './byte-class.js';
import type { LexMode } from './classification.js';
import { commentEnd, readExecutableComment, skippedCommentEnd } from './executable-comment.js';
import { type Hint, mergeHints, parseHint } from './hint.js';

export const NO_BREAK_SPACE = 0xa0;

/** The bytes of a text in its mode, what skips the comments in it, and what was found wrong with it. */
export class TextReader {
  readonly sql: Uint8Array;
  readonly end: number;
  readonly mode: LexMode;

  /** What no server accepts was met: an unclosed quote or comment, a control character. */
  broken = false;
  /** A name is not what the connection's character set allows: servers may cut it otherwise. */
  malformed = false;
  hint: Hint | undefined = undefined;
  protected inExecutableComment = false;

  constructor(sql: Uint8Array, end: number, mode: LexMode) {
    this.sql = sql;
    this.end = end;
    this.mode = mode;
  }

  /** 0 from the end on. */
  protected byteAt(pos: number): number {
    return pos < this.end ? (this.sql[pos] ?? 0) : 0;
  }

  /** The first byte from `start` on that is in neither white space nor a comment. */
  protected skipBlanks(start: number): number {
    let pos = start;
    for (;;) {
      const byte = this.byteAt(pos);
      const next = this.byteAt(pos + 1);
      if (pos < this.end && isSpace(byte)) pos += 1;
      else if (byte === 0x2f && next === 0x2a) pos = this.blockComment(pos);
      else if (byte === 0x23) pos = this.lineComment(pos + 1);
      else if (byte === 0x2d && next === 0x2d && this.endsDashes(pos + 2)) pos = this.lineComment(pos + 2);
      else return pos;
    }
  }

  /** Where to read on after the slash and star at `open`: within an executable comment that applies. */
  protected blockComment(open: number): number {
    const { sql, end, mode } = this;
    const third = this.byteAt(open + 2);
    const mariaMark = mode.mariadb && third === 0x4d && this.byteAt(open + 3) === 0x21;
    if (third === 0x21 || mariaMark) return this.#executableComment(open + (mariaMark ? 4 : 3), mariaMark);
    const stop = commentEnd(sql, open + 2, end);
    if (stop < 0) {
      this.broken = true;
      return end;
    }
    if (third === 0x2b) this.#checkOptimizerHint(open + 3, stop);
    else this.#readHint(open + 2, stop - 2);
    return stop;
  }

  /** @param start after the mark that begins the comment */
  protected lineComment(start: number): number {
    let pos = start;
    while (pos < this.end && this.sql[pos] !== 0x0a && this.sql[pos] !== 0) pos += 1;
    this.#readHint(start, pos);
    return pos;
  }

  /** Two dashes begin a comment only before white space, a control character or the end. */
  protected endsDashes(pos: number): boolean {
    const byte = this.byteAt(pos);
    if (byte !== NO_BREAK_SPACE || this.mode.charset !== 'other') return byte <= 0x20 || byte === 0x7f;
    this.malformed = true;
    return true;
  }

  #executableComment(pos: number, mariaMark: boolean): number {
    const comment = readExecutableComment(this.sql, pos, this.end, this.mode, mariaMark);
    if (comment.kind === 'code') {
      this.inExecutableComment = true;
      return comment.codeStart;
    }
    if (comment.kind === 'doubtful') this.broken = true;
    const stop = skippedCommentEnd(this.sql, pos, this.end);
    if (stop < 0) this.broken = true;
    return stop < 0 ? this.end : stop;
  }

  /** In an optimizer hint a quote can hide the end of the comment from the server, not so elsewhere: give up. */
  #checkOptimizerHint(start: number, stop: number): void {
    let open = 0;
    for (let at = start; at < stop; at += 1) {
      const byte = this.sql[at] ?? 0;
      if (open !== 0) {
        if (byte === open) open = 0;
      } else if (byte === 0x60 || byte === 0x22 || byte === 0x27) {
        open = byte;
      }
    }
    if (open !== 0) this.broken = true;
  }

  /** Of several hints that for the primary counts, else the first. */
  #readHint(start: number, stop: number): void {
    const hint = parseHint(this.sql, start, stop);
    if (hint !== undefined) this.hint = this.hint === undefined ? hint : mergeHints(this.hint, hint);
  }
}
