import { hash } from 'node:crypto';
import type { LexMode } from './classification.js';
import { DigestText } from './digest-text.js';
import { END, NAME, QUOTED, SEPARATOR, SYSTEM_VARIABLE, VARIABLE } from './lexer.js';
import { LITERAL, PieceLexer } from './piece-lexer.js';

/** What statements have in common that differ only in their literals, comments, white space and letters' case. */
export interface Digest {
  /** 16 hexadecimal digits. */
  readonly hash: string;
  /** The statement without its literals, cut where it is too long to show. */
  readonly text: string;
}

/** Made once: a long statement has thousands of operators and commas. */
const CHARACTERS = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
const MAX_SHOWN = 1024;
const HASH_DIGITS = 16;
/** Of all texts that no server reads as we do: what is a literal in them cannot be told. */
const UNREADABLE = '(unparsable)';

/**
 * Takes linear time and never throws.
 * @param cut the statement is longer than what there is from `start` to `end`
 */
export function digestOf(sql: Buffer, start: number, end: number, mode: LexMode, cut = false): Digest {
  const full = normalise(sql, start, end, mode, cut);
  return {
    hash: hash('sha256', full).slice(0, HASH_DIGITS),
    text: full.length > MAX_SHOWN ? `${full.slice(0, MAX_SHOWN - 2)} …` : full,
  };
}

function normalise(sql: Buffer, start: number, end: number, mode: LexMode, cut: boolean): string {
  const lexer = new PieceLexer(sql, start, end, mode);
  const text = new DigestText();
  for (;;) {
    const before = lexer.position;
    const kind = lexer.nextPiece();
    // What the cut goes through is not what it seems.
    if (cut && lexer.position >= end) return text.toString(true);
    if (lexer.broken || lexer.malformed) return UNREADABLE;
    switch (kind) {
      case END:
        return text.toString(false);
      case LITERAL:
        text.literal();
        break;
      case NAME:
        if (opensDollarQuote(sql, lexer)) {
          text.literal();
          return text.toString(true);
        }
        if (isHexOrBits(sql, lexer)) text.literal();
        else if (!isPrefix(sql, lexer)) text.word(wordAt(lexer, sql, lexer.start, lexer.stop).toLowerCase());
        break;
      case QUOTED:
        text.word(`\`${wordAt(lexer, sql, lexer.start, lexer.stop)}\``);
        break;
      case SYSTEM_VARIABLE:
        text.word(`@@${wordAt(lexer, sql, lexer.start, lexer.stop).toLowerCase()}`);
        break;
      case VARIABLE:
        text.word(variableAt(lexer, sql));
        break;
      case SEPARATOR:
        text.operator(';', false);
        break;
      default:
        if (sql[lexer.from] === 0x3f /* ? */) text.literal();
        else text.operator(CHARACTERS[sql[lexer.from] ?? 0] ?? '', lexer.from === before);
    }
  }
}

/** In the character sets of more bytes names are told apart, not shown as they are. */
function wordAt(lexer: PieceLexer, sql: Buffer, start: number, stop: number): string {
  const text = sql.toString(lexer.mode.charset === 'other' ? 'utf8' : 'latin1', start, stop);
  // A name in quotes may have anything in it, and the text comes to be seen on terminals.
  return /[^ -~]/.test(text) ? text.replace(/\p{Cc}/gu, ' ') : text;
}

function variableAt(lexer: PieceLexer, sql: Buffer): string {
  const quote = sql[lexer.from + 1];
  const isString = quote === 0x27 || (quote === 0x22 && !lexer.mode.ansiQuotes);
  return isString ? '@?' : wordAt(lexer, sql, lexer.from, lexer.position).toLowerCase();
}

/** `0x1F`, `0b01`: to the lexer these are names. */
function isHexOrBits(sql: Buffer, { start, stop }: PieceLexer): boolean {
  if (sql[start] !== 0x30 || stop - start < 3) return false;
  const text = sql.toString('latin1', start, Math.min(stop, start + MAX_SHOWN));
  return /^0(?:x[0-9a-f]+|b[01]+)$/i.test(text);
}

/** The letter of `x'1F'`, `b'01'`, `N'text'`. */
function isPrefix(sql: Buffer, { start, stop, end }: PieceLexer): boolean {
  return (
    stop - start === 1 && stop < end && sql[stop] === 0x27 && 'xXbBnN'.includes(String.fromCharCode(sql[start] ?? 0))
  );
}

/** `$$ … $$`, `$tag$ … $tag$`: a string in MySQL 9, to its end a program in another language. */
function opensDollarQuote(sql: Buffer, { start, stop }: PieceLexer): boolean {
  return stop - start >= 2 && sql[start] === 0x24 && sql[stop - 1] === 0x24;
}
