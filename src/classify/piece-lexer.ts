import { BYTE_CLASS, isDigit } from './byte-class.js';
import { Lexer, NAME, QUOTED, SEPARATOR } from './lexer.js';

/** A string or number. */
export const LITERAL = 8;
/** One byte of an operator, or a separator such as a comma. */
export const OPERATOR = 9;

/** Cuts a statement as the lexer does, and tells all of it but white space and comments. */
export class PieceLexer extends Lexer {
  /** Where the current piece begins. */
  from = 0;

  /** Goes to the next piece and returns its kind: one of the lexer's tokens but CALL and ASSIGN, a literal or an operator. */
  nextPiece(): number {
    let pos = this.skipBlanks(this.position);
    while (this.inExecutableComment && this.byteAt(pos) === 0x2a && this.byteAt(pos + 1) === 0x2f) {
      this.inExecutableComment = false;
      pos = this.skipBlanks(pos + 2);
    }
    this.from = pos;
    if (pos >= this.end) {
      if (this.inExecutableComment) this.broken = true;
      return this.tell(0, this.end, 0, 0);
    }
    const byte = this.byteAt(pos);
    switch (BYTE_CLASS[byte]) {
      case 2 /* LETTER */:
        return this.takeName(pos, 0, 0);
      case 3 /* DIGIT */: {
        const stop = this.digitsEnd(pos);
        return stop < 0 ? this.takeName(pos, 0, 0) : this.tell(LITERAL, stop, 0, 0);
      }
      case 4 /* APOSTROPHE */:
        return this.tell(LITERAL, this.stringEnd(pos, byte), 0, 0);
      case 7 /* DOT */: {
        const separates = (this.token === NAME || this.token === QUOTED) && this.position === pos;
        if (separates || !isDigit(this.byteAt(pos + 1))) return this.tell(OPERATOR, pos + 1, 0, 0);
        return this.tell(LITERAL, this.numberEndAt(pos), 0, 0);
      }
      case 8 /* DOUBLE_QUOTE */:
        return this.mode.ansiQuotes
          ? this.takeQuotedName(pos, byte, 0, 0)
          : this.tell(LITERAL, this.stringEnd(pos, byte), 0, 0);
      case 9 /* BACKTICK */:
        return this.takeQuotedName(pos, byte, 0, 0);
      case 10 /* AT */:
        return this.takeVariable(pos, 0, 0);
      case 11 /* SEMICOLON */:
        return this.tell(SEPARATOR, pos + 1, 0, 0);
      case 17 /* HIGH */:
        if (this.nameStep(pos) > 0) return this.takeName(pos, 0, 0);
        this.malformed = true;
        return this.tell(OPERATOR, pos + 1, 0, 0);
      case 18 /* FORBIDDEN */:
        if (byte === 0x5c && this.byteAt(pos + 1) === 0x4e) return this.tell(LITERAL, pos + 2, 0, 0);
        this.broken = true;
        return this.tell(OPERATOR, pos + 1, 0, 0);
      default:
        return this.tell(OPERATOR, pos + 1, 0, 0);
    }
  }
}
