import {
  APOSTROPHE,
  AT,
  BACKSLASH,
  BACKTICK,
  BYTE_CLASS,
  CLOSE,
  COLON,
  DASH,
  DIGIT,
  DOT,
  DOUBLE_QUOTE,
  FORBIDDEN,
  HASH,
  HIGH,
  HIGH_NAME_BYTE,
  isDigit,
  isSpace,
  LETTER,
  NAME_BYTE,
  OPEN,
  PUNCTUATION,
  SEMICOLON,
  SLASH,
  SPACE,
  STAR,
} from './byte-class.js';
import type { LexMode } from './classification.js';
import { commentEnd, readExecutableComment, skippedCommentEnd } from './executable-comment.js';
import { type Hint, parseHint } from './hint.js';
import { characterLength, utf8Length } from './multi-byte.js';
import { numberEnd } from './number.js';
import { quotedEnd } from './quoted.js';
import { findWord, hashStep } from './words.js';

/** The kinds of token that are told. All others (literals, operators, comments) only leave a trace in `before`. */
export const END = 0;
/** An unquoted word. */
export const NAME = 1;
/** A quoted identifier. */
export const QUOTED = 2;
/** An opening parenthesis right after a NAME or QUOTED, whose fields stay as they are. */
export const CALL = 3;
/** `@x` */
export const VARIABLE = 4;
/** `@@x`: the first part of the name only. */
export const SYSTEM_VARIABLE = 5;
/** `:=` */
export const ASSIGN = 6;
/** `;` */
export const SEPARATOR = 7;

/** What `before` says about a number. */
const NUMBER = 0x30;
const NO_BREAK_SPACE = 0xa0;

/**
 * Cuts a statement into tokens as the server's lexer does, and tells only those that can matter to where it runs. A 64 MB
 * statement is mostly literals, so these are skipped in the loop of `next` without a token for each.
 */
export class Lexer {
  readonly sql: Uint8Array;
  readonly end: number;
  readonly mode: LexMode;

  /** The current token. */
  token = END;
  /** Of the current name: its number in the table of words, or 0. */
  word = 0;
  /** Whether the current NAME may be a keyword: it is no part of a dotted name. */
  keyword = false;
  /** Whether the current name is quoted. */
  quoted = false;
  /** The bytes of the current name, quotes excluded. */
  start = 0;
  stop = 0;
  /** The last byte of what was skipped since the token before: an operator, quote or digit; 0 if nothing was. */
  before = 0;
  /** How many literals and operators were skipped since the token before. */
  skipped = 0;
  /** Open parentheses. */
  depth = 0;
  /** What no server accepts was met: an unclosed quote or comment, a control character. */
  broken = false;
  /** A name is not what the connection's character set allows: servers may cut it otherwise. */
  malformed = false;
  hint: Hint | undefined = undefined;

  #pos: number;
  #inExecutableComment = false;

  constructor(sql: Uint8Array, start: number, end: number, mode: LexMode) {
    this.sql = sql;
    this.#pos = start;
    this.end = end;
    this.mode = mode;
  }

  /** Where the next token is looked for. */
  get position(): number {
    return this.#pos;
  }

  /** Whether the current name is followed by a parenthesis. */
  isFollowedByParenthesis(): boolean {
    return this.#nextByte() === 0x28;
  }

  /** Whether the parenthesis that was opened is closed again at once. */
  closesAtOnce(): boolean {
    return this.#nextByte() === 0x29;
  }

  /** A lexer that reads on from here, to look ahead. */
  fork(): Lexer {
    const fork = new Lexer(this.sql, this.#pos, this.end, this.mode);
    fork.#inExecutableComment = this.#inExecutableComment;
    return fork;
  }

  text(start: number, stop: number): string {
    return String.fromCharCode(...this.sql.subarray(start, stop));
  }

  /** Leaves the rest of the text unread. */
  finish(): void {
    this.#pos = this.end;
    this.#inExecutableComment = false;
    this.token = END;
  }

  next(): number {
    const { sql, end } = this;
    const followsName = this.token === NAME || this.token === QUOTED;
    let before = 0;
    let skipped = 0;
    let pos = this.#pos;
    while (pos < end) {
      const byte = sql[pos] ?? 0;
      switch (BYTE_CLASS[byte] ?? FORBIDDEN) {
        case SPACE:
          pos += 1;
          continue;
        case PUNCTUATION:
          pos += 1;
          break;
        case LETTER:
          return this.#name(pos, before, skipped);
        case DIGIT: {
          const stop = numberEnd(sql, pos, end);
          if (stop < 0) return this.#name(pos, before, skipped);
          pos = this.#number(stop);
          before = NUMBER;
          skipped += 1;
          continue;
        }
        case APOSTROPHE:
          pos = this.#string(pos, byte);
          break;
        case OPEN:
          this.depth += 1;
          pos += 1;
          if (followsName && skipped === 0) return this.#tell(CALL, pos, 0, 0);
          break;
        case CLOSE:
          this.depth -= 1;
          pos += 1;
          break;
        case DOT:
          if (isDigit(this.#byteAt(pos + 1)) && !(this.token === NAME && skipped === 0 && this.stop === pos)) {
            pos = this.#number(numberEnd(sql, pos, end));
            before = NUMBER;
            skipped += 1;
            continue;
          }
          pos += 1;
          break;
        case SLASH:
          if (this.#byteAt(pos + 1) === 0x2a) {
            pos = this.#blockComment(pos);
            continue;
          }
          pos += 1;
          break;
        case STAR:
          pos += 1;
          if (this.#inExecutableComment && this.#byteAt(pos) === 0x2f) {
            this.#inExecutableComment = false;
            pos += 1;
            continue;
          }
          break;
        case DASH:
          if (this.#byteAt(pos + 1) === 0x2d && this.#endsDashes(pos + 2)) {
            pos = this.#lineComment(pos + 2);
            continue;
          }
          pos += 1;
          break;
        case HASH:
          pos = this.#lineComment(pos + 1);
          continue;
        case DOUBLE_QUOTE:
          if (this.mode.ansiQuotes) return this.#quotedName(pos, byte, QUOTED, before, skipped);
          pos = this.#string(pos, byte);
          break;
        case BACKTICK:
          return this.#quotedName(pos, byte, QUOTED, before, skipped);
        case AT:
          return this.#variable(pos, before, skipped);
        case SEMICOLON:
          return this.#tell(SEPARATOR, pos + 1, before, skipped);
        case COLON:
          pos += 1;
          if (this.#byteAt(pos) === 0x3d) return this.#tell(ASSIGN, pos + 1, before, skipped);
          break;
        case HIGH:
          if (this.#nameStep(pos) > 0) return this.#name(pos, before, skipped);
          // A single-byte character set's no-break space is white space to the server.
          this.malformed = true;
          pos += 1;
          if (byte === NO_BREAK_SPACE) continue;
          break;
        case BACKSLASH:
          // `\N` is NULL.
          if (this.#byteAt(pos + 1) === 0x4e) {
            pos += 2;
            break;
          }
          this.broken = true;
          pos += 1;
          break;
        default:
          this.broken = true;
          pos += 1;
          break;
      }
      before = byte;
      skipped += 1;
    }
    if (this.#inExecutableComment) this.broken = true;
    return this.#tell(END, pos, before, skipped);
  }

  #tell(token: number, pos: number, before: number, skipped: number): number {
    this.token = token;
    this.#pos = pos;
    if (token !== CALL) {
      this.before = before;
      this.skipped = skipped;
      this.word = 0;
      this.keyword = false;
    }
    return token;
  }

  #name(start: number, before: number, skipped: number): number {
    const { sql, end } = this;
    let hash = 0;
    let pos = start;
    while (pos < end) {
      const nameByte = NAME_BYTE[sql[pos] ?? 0] ?? 0;
      if (nameByte === 0) break;
      hash = hashStep(hash, nameByte);
      if (nameByte === HIGH_NAME_BYTE) {
        const step = this.#nameStep(pos);
        if (step === 0) {
          this.malformed = true;
          if (sql[pos] === NO_BREAK_SPACE) break;
        }
        pos += Math.max(step, 1);
      } else {
        pos += 1;
      }
    }
    this.token = NAME;
    this.#pos = pos;
    this.before = before;
    this.skipped = skipped;
    this.start = start;
    this.stop = pos;
    this.word = findWord(sql, start, pos, hash);
    this.quoted = false;
    const afterDot = before === 0x2e && start > 0 && sql[start - 1] === 0x2e;
    this.keyword = !afterDot && !(this.#byteAt(pos) === 0x2e && NAME_BYTE[this.#byteAt(pos + 1)] !== 0);
    return NAME;
  }

  #quotedName(open: number, quote: number, token: number, before: number, skipped: number): number {
    const { sql, end } = this;
    let hash = 0;
    let pos = open + 1;
    while (pos < end) {
      const byte = sql[pos] ?? 0;
      if (byte === quote) {
        if (this.#byteAt(pos + 1) !== quote) break;
        pos += 1;
      }
      if (byte === 0) this.broken = true;
      hash = hashStep(hash, NAME_BYTE[byte] ?? 0);
      if (byte < 0x80) {
        pos += 1;
      } else {
        const step = this.#nameStep(pos);
        if (step === 0) this.malformed = true;
        pos += Math.max(step, 1);
      }
    }
    if (pos >= end) this.broken = true;
    this.token = token;
    this.#pos = Math.min(pos + 1, end);
    this.before = before;
    this.skipped = skipped;
    this.start = open + 1;
    this.stop = Math.min(pos, end);
    this.word = findWord(sql, this.start, this.stop, hash);
    this.quoted = true;
    this.keyword = false;
    return token;
  }

  #variable(at: number, before: number, skipped: number): number {
    const { sql, end } = this;
    const first = this.#byteAt(at + 1);
    if (first === 0x40) {
      if (this.#byteAt(at + 2) === 0x60) return this.#quotedName(at + 2, 0x60, SYSTEM_VARIABLE, before, skipped);
      this.#name(at + 2, before, skipped);
      if (this.stop === this.start) this.broken = true;
      this.token = SYSTEM_VARIABLE;
      return SYSTEM_VARIABLE;
    }
    if (first === 0x60 || first === 0x22 || first === 0x27) {
      const isText = first === 0x27 || (first === 0x22 && !this.mode.ansiQuotes);
      const pos = isText ? this.#string(at + 1, first) : this.#quotedName(at + 1, first, QUOTED, 0, 0) && this.#pos;
      return this.#tell(VARIABLE, pos, before, skipped);
    }
    let pos = at + 1;
    while (pos < end && (NAME_BYTE[sql[pos] ?? 0] !== 0 || sql[pos] === 0x2e)) pos += 1;
    return this.#tell(VARIABLE, pos, before, skipped);
  }

  /** The length of the character beyond ASCII in a name at `pos`; 0 where it is not valid. */
  #nameStep(pos: number): number {
    const { charset } = this.mode;
    if (charset === 'other') return utf8Length(this.sql, pos, this.end);
    const length = characterLength(charset, this.sql, pos, this.end);
    // Half-width katakana are valid single bytes.
    if (length > 1 || charset === 'sjis' || charset === 'cp932') return length;
    return 0;
  }

  #number(stop: number): number {
    const last = this.#byteAt(stop - 1);
    // `1.e` has no digits after the mark of the exponent.
    if (last === 0x65 || last === 0x45) this.broken = true;
    return stop;
  }

  #string(open: number, quote: number): number {
    const stop = quotedEnd(this.sql, open + 1, this.end, quote, !this.mode.noBackslashEscapes, this.mode.charset);
    if (stop >= 0) return stop;
    this.broken = true;
    return this.end;
  }

  #blockComment(open: number): number {
    const { sql, end, mode } = this;
    const third = this.#byteAt(open + 2);
    const mariaMark = mode.mariadb && third === 0x4d && this.#byteAt(open + 3) === 0x21;
    if (third === 0x21 || mariaMark) return this.#executableComment(open + (mariaMark ? 4 : 3), mariaMark);
    const stop = commentEnd(sql, open + 2, end);
    if (stop < 0) {
      this.broken = true;
      return end;
    }
    if (third === 0x2b) {
      this.#checkOptimizerHint(open + 3, stop);
    } else {
      this.#readHint(open + 2, stop - 2);
    }
    return stop;
  }

  #executableComment(pos: number, mariaMark: boolean): number {
    const comment = readExecutableComment(this.sql, pos, this.end, this.mode, mariaMark);
    if (comment.kind === 'code') {
      this.#inExecutableComment = true;
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

  #lineComment(start: number): number {
    let pos = start;
    while (pos < this.end && this.sql[pos] !== 0x0a && this.sql[pos] !== 0) pos += 1;
    this.#readHint(start, pos);
    return pos;
  }

  /** Of several hints that for the primary counts, else the first. */
  #readHint(start: number, stop: number): void {
    const hint = parseHint(this.sql, start, stop);
    if (hint !== undefined && (this.hint === undefined || hint.kind === 'primary')) this.hint = hint;
  }

  /** Two dashes begin a comment only before white space, a control character or the end. */
  #endsDashes(pos: number): boolean {
    const byte = this.#byteAt(pos);
    if (byte !== NO_BREAK_SPACE || this.mode.charset !== 'other') return byte <= 0x20 || byte === 0x7f;
    this.malformed = true;
    return true;
  }

  /** The first byte after white space and comments. */
  #nextByte(): number {
    const ahead = this.fork();
    return ahead.#byteAt(ahead.#skipBlanks(this.#pos));
  }

  #skipBlanks(start: number): number {
    let pos = start;
    for (;;) {
      const byte = this.#byteAt(pos);
      const next = this.#byteAt(pos + 1);
      if (pos < this.end && isSpace(byte)) pos += 1;
      else if (byte === 0x2f && next === 0x2a) pos = this.#blockComment(pos);
      else if (byte === 0x23) pos = this.#lineComment(pos + 1);
      else if (byte === 0x2d && next === 0x2d && this.#endsDashes(pos + 2)) pos = this.#lineComment(pos + 2);
      else return pos;
    }
  }

  #byteAt(pos: number): number {
    return pos < this.end ? (this.sql[pos] ?? 0) : 0;
  }
}
