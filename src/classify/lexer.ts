import { BYTE_CLASS, DIGIT, HIGH_NAME_BYTE, isDigit, NAME_BYTE } from './byte-class.js';
import type { LexMode } from './classification.js';
import { characterLength, utf8Length } from './multi-byte.js';
import { numberEnd } from './number.js';
import { quotedEnd } from './quoted.js';
import { NO_BREAK_SPACE, TextReader } from './text-reader.js';
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
const DOT_BYTE = 0x2e;

/**
 * Cuts a statement into tokens as the server's lexer does, and tells only those that can matter to where it runs. A 64 MB
 * statement is mostly literals, so these are skipped in the loop of `next` without a token for each.
 */
export class Lexer extends TextReader {
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
  /** Where the next token is looked for. */
  position: number;

  constructor(sql: Uint8Array, start: number, end: number, mode: LexMode) {
    super(sql, end, mode);
    this.position = start;
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
    const fork = new Lexer(this.sql, this.position, this.end, this.mode);
    fork.inExecutableComment = this.inExecutableComment;
    return fork;
  }

  /** Leaves the rest of the text unread. */
  finish(): void {
    this.position = this.end;
    this.inExecutableComment = false;
    this.token = END;
  }

  /** Goes to the next token and returns its kind. */
  next(): number {
    const { sql, end } = this;
    const followsName = this.token === NAME || this.token === QUOTED;
    let before = 0;
    let skipped = 0;
    let pos = this.position;
    while (pos < end) {
      const byte = sql[pos] ?? 0;
      // Numbers, not the names of byte-class.ts: only of these does V8 make a jump table.
      switch (BYTE_CLASS[byte]) {
        case 0 /* SPACE */:
          pos += 1;
          continue;
        case 1 /* PUNCTUATION */:
          pos += 1;
          break;
        case 2 /* LETTER */:
          return this.takeName(pos, before, skipped);
        case 3 /* DIGIT */: {
          const stop = this.digitsEnd(pos);
          if (stop < 0) return this.takeName(pos, before, skipped);
          pos = stop;
          before = NUMBER;
          skipped += 1;
          continue;
        }
        case 4 /* APOSTROPHE */:
          pos = this.stringEnd(pos, byte);
          break;
        case 5 /* OPEN */:
          this.depth += 1;
          pos += 1;
          if (followsName && skipped === 0) return this.#call(pos);
          break;
        case 6 /* CLOSE */:
          this.depth -= 1;
          pos += 1;
          break;
        case 7 /* DOT */:
          if (isDigit(this.byteAt(pos + 1)) && !(this.token === NAME && skipped === 0 && this.stop === pos)) {
            pos = this.numberEndAt(pos);
            before = NUMBER;
            skipped += 1;
            continue;
          }
          pos += 1;
          break;
        case 8 /* DOUBLE_QUOTE */:
          if (this.mode.ansiQuotes) return this.takeQuotedName(pos, byte, before, skipped);
          pos = this.stringEnd(pos, byte);
          break;
        case 9 /* BACKTICK */:
          return this.takeQuotedName(pos, byte, before, skipped);
        case 10 /* AT */:
          return this.takeVariable(pos, before, skipped);
        case 11 /* SEMICOLON */:
          return this.tell(SEPARATOR, pos + 1, before, skipped);
        case 12 /* SLASH */:
          if (this.byteAt(pos + 1) === 0x2a) {
            pos = this.blockComment(pos);
            continue;
          }
          pos += 1;
          break;
        case 13 /* STAR */:
          pos += 1;
          if (this.inExecutableComment && this.byteAt(pos) === 0x2f) {
            this.inExecutableComment = false;
            pos += 1;
            continue;
          }
          break;
        case 14 /* DASH */:
          if (this.byteAt(pos + 1) === 0x2d && this.endsDashes(pos + 2)) {
            pos = this.lineComment(pos + 2);
            continue;
          }
          pos += 1;
          break;
        case 15 /* HASH */:
          pos = this.lineComment(pos + 1);
          continue;
        case 16 /* COLON */:
          pos += 1;
          if (this.byteAt(pos) === 0x3d) return this.tell(ASSIGN, pos + 1, before, skipped);
          break;
        case 17 /* HIGH */:
          if (this.nameStep(pos) > 0) return this.takeName(pos, before, skipped);
          // A single-byte character set's no-break space is white space to the server.
          this.malformed = true;
          pos += 1;
          if (byte === NO_BREAK_SPACE) continue;
          break;
        default:
          // `\N` is NULL. No other backslash, and no control character, stands outside of quotes.
          if (byte === 0x5c && this.byteAt(pos + 1) === 0x4e) pos += 1;
          else this.broken = true;
          pos += 1;
          break;
      }
      before = byte;
      skipped += 1;
    }
    if (this.inExecutableComment) this.broken = true;
    return this.tell(END, pos, before, skipped);
  }

  protected tell(token: number, pos: number, before: number, skipped: number): number {
    this.token = token;
    this.position = pos;
    this.before = before;
    this.skipped = skipped;
    this.word = 0;
    this.keyword = false;
    return token;
  }

  #call(pos: number): number {
    this.token = CALL;
    this.position = pos;
    return CALL;
  }

  protected takeName(start: number, before: number, skipped: number): number {
    const { sql, end } = this;
    let hash = 0;
    let pos = start;
    while (pos < end) {
      const nameByte = NAME_BYTE[sql[pos] ?? 0] ?? 0;
      if (nameByte === 0) break;
      hash = hashStep(hash, nameByte);
      if (nameByte === HIGH_NAME_BYTE) {
        const step = this.nameStep(pos);
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
    this.position = pos;
    this.before = before;
    this.skipped = skipped;
    this.start = start;
    this.stop = pos;
    this.word = findWord(sql, start, pos, hash);
    this.quoted = false;
    const followsDot = before === DOT_BYTE && sql[start - 1] === DOT_BYTE;
    this.keyword = !followsDot && !(this.byteAt(pos) === DOT_BYTE && NAME_BYTE[this.byteAt(pos + 1)] !== 0);
    return NAME;
  }

  protected takeQuotedName(open: number, quote: number, before: number, skipped: number): number {
    const { sql, end } = this;
    let hash = 0;
    let pos = open + 1;
    while (pos < end) {
      const byte = sql[pos] ?? 0;
      if (byte === quote) {
        if (this.byteAt(pos + 1) !== quote) break;
        pos += 1;
      }
      if (byte === 0) this.broken = true;
      hash = hashStep(hash, NAME_BYTE[byte] ?? 0);
      if (byte < 0x80) {
        pos += 1;
      } else {
        const step = this.nameStep(pos);
        if (step === 0) this.malformed = true;
        pos += Math.max(step, 1);
      }
    }
    if (pos >= end) this.broken = true;
    this.token = QUOTED;
    this.position = Math.min(pos + 1, end);
    this.before = before;
    this.skipped = skipped;
    this.start = open + 1;
    this.stop = Math.min(pos, end);
    this.word = findWord(sql, this.start, this.stop, hash);
    this.quoted = true;
    this.keyword = false;
    return QUOTED;
  }

  protected takeVariable(at: number, before: number, skipped: number): number {
    const first = this.byteAt(at + 1);
    if (first === 0x40) return this.#systemVariable(at + 2, before, skipped);
    if (first === 0x27 || (first === 0x22 && !this.mode.ansiQuotes)) {
      return this.tell(VARIABLE, this.stringEnd(at + 1, first), before, skipped);
    }
    if (first === 0x60 || first === 0x22) {
      this.takeQuotedName(at + 1, first, before, skipped);
      return this.tell(VARIABLE, this.position, before, skipped);
    }
    let pos = at + 1;
    while (pos < this.end && (NAME_BYTE[this.sql[pos] ?? 0] !== 0 || this.sql[pos] === DOT_BYTE)) pos += 1;
    return this.tell(VARIABLE, pos, before, skipped);
  }

  #systemVariable(start: number, before: number, skipped: number): number {
    if (this.byteAt(start) === 0x60) this.takeQuotedName(start, 0x60, before, skipped);
    else this.takeName(start, before, skipped);
    if (this.stop === this.start) this.broken = true;
    this.token = SYSTEM_VARIABLE;
    this.keyword = false;
    return SYSTEM_VARIABLE;
  }

  /** The end of what begins with a digit, mostly a short number; -1 where it is a name. */
  protected digitsEnd(start: number): number {
    const { sql, end } = this;
    let pos = start + 1;
    while (pos < end && BYTE_CLASS[sql[pos] ?? 0] === DIGIT) pos += 1;
    const after = this.byteAt(pos);
    return after !== DOT_BYTE && NAME_BYTE[after] === 0 ? pos : this.numberEndAt(start);
  }

  protected numberEndAt(start: number): number {
    const stop = numberEnd(this.sql, start, this.end);
    const last = this.byteAt(stop - 1);
    // `1.e` has no digits after the mark of the exponent.
    if (stop > start && (last === 0x65 || last === 0x45)) this.broken = true;
    return stop;
  }

  protected stringEnd(open: number, quote: number): number {
    const stop = quotedEnd(this.sql, open + 1, this.end, quote, !this.mode.noBackslashEscapes, this.mode.charset);
    if (stop >= 0) return stop;
    this.broken = true;
    return this.end;
  }

  /** The length of the character beyond ASCII in a name at `pos`; 0 where it is not valid. */
  protected nameStep(pos: number): number {
    const { charset } = this.mode;
    if (charset === 'other') return utf8Length(this.sql, pos, this.end);
    const length = characterLength(charset, this.sql, pos, this.end);
    // Half-width katakana are valid single bytes.
    return length > 1 || charset === 'sjis' || charset === 'cp932' ? length : 0;
  }

  /** The first byte after white space and comments. */
  #nextByte(): number {
    const ahead = this.fork();
    return ahead.byteAt(ahead.skipBlanks(this.position));
  }
}
