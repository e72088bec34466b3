/** What a byte outside of quotes and comments can begin. The hot loop of the lexer switches on these numbers. */
const SPACE = 0;
/** An operator or separator that ends a name and says nothing more. */
const PUNCTUATION = 1;
const LETTER = 2;
export const DIGIT = 3;
const APOSTROPHE = 4;
const OPEN = 5;
const CLOSE = 6;
const DOT = 7;
const DOUBLE_QUOTE = 8;
const BACKTICK = 9;
const AT = 10;
const SEMICOLON = 11;
const SLASH = 12;
const STAR = 13;
const DASH = 14;
const HASH = 15;
const COLON = 16;
/** A byte of a character beyond ASCII. */
const HIGH = 17;
/** Backslashes, control characters and NUL: all but `\N` the server refuses outside of quotes. */
const FORBIDDEN = 18;

const SINGLE: Readonly<Record<string, number>> = {
  ' \t\n\v\f\r': SPACE,
  _$: LETTER,
  "'": APOSTROPHE,
  '(': OPEN,
  ')': CLOSE,
  '.': DOT,
  '"': DOUBLE_QUOTE,
  '`': BACKTICK,
  '@': AT,
  ';': SEMICOLON,
  '/': SLASH,
  '*': STAR,
  '-': DASH,
  '#': HASH,
  ':': COLON,
  '\\': FORBIDDEN,
};

function classTable(): Uint8Array {
  const table = new Uint8Array(256).fill(PUNCTUATION);
  table.fill(FORBIDDEN, 0, 0x20);
  table[0x7f] = FORBIDDEN;
  table.fill(HIGH, 0x80);
  table.fill(DIGIT, 0x30, 0x3a);
  table.fill(LETTER, 0x41, 0x5b);
  table.fill(LETTER, 0x61, 0x7b);
  for (const [characters, byteClass] of Object.entries(SINGLE)) {
    for (const character of characters) table[character.charCodeAt(0)] = byteClass;
  }
  return table;
}

export const BYTE_CLASS: Uint8Array = classTable();

/** Marks a byte beyond ASCII in NAME_BYTE. */
export const HIGH_NAME_BYTE = 1;

function nameTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 0x80; byte += 1) {
    const byteClass = BYTE_CLASS[byte];
    if (byteClass === LETTER || byteClass === DIGIT) table[byte] = byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
  }
  table.fill(HIGH_NAME_BYTE, 0x80);
  return table;
}

/** 0 where a byte cannot stand in an unquoted name, else the byte in upper case (HIGH_NAME_BYTE beyond ASCII). */
export const NAME_BYTE: Uint8Array = nameTable();

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

export function isSpace(byte: number): boolean {
  return BYTE_CLASS[byte] === SPACE;
}
