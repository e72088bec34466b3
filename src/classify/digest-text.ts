const LITERAL = '?';
const AND_SO_ON = '...';

/** After these, an opening parenthesis is no call's. */
const NO_CALL: ReadonlySet<string> = new Set(
  `all and any as between by case distinct else exists from having in into is join key like limit not on or over select set some
   then union using value values when where`.split(/\s+/),
);
const SIGNED_AFTER = /^[(,=<>!+\-*/%&|^]/;

/** A parenthesised group that was closed, and what was found equal to it behind it. */
interface Group {
  readonly from: number;
  readonly pieces: number;
  /** Its last piece, or the mark that stands for its likes. */
  to: number;
}

/** Puts the pieces of a statement together again, with literals, lists and rows told once. */
export class DigestText {
  readonly #pieces: string[] = [];
  /** Where the open parentheses stand. */
  readonly #open: number[] = [];
  /** The last group that was closed, at each depth. */
  readonly #closed: (Group | undefined)[] = [];

  literal(): void {
    const pieces = this.#pieces;
    const last = pieces.at(-1);
    // Strings beside each other are one.
    if (last === LITERAL) return;
    if ((last === '-' || last === '+') && SIGNED_AFTER.test(pieces.at(-2) ?? '')) pieces.pop();
    pieces.push(LITERAL);
  }

  word(text: string): void {
    if (text === 'null' && SIGNED_AFTER.test(this.#pieces.at(-1) ?? '')) this.literal();
    else this.#pieces.push(text);
  }

  /** @param joins it follows the piece before without a gap, and may be part of the same operator */
  operator(text: string, joins: boolean): void {
    const pieces = this.#pieces;
    // Of a long statement, nearly all are one of these three.
    if (text === ',') pieces.push(text);
    else if (text === '(') this.#opens();
    else if (text === ')') this.#closes();
    else if (joins && /^[<>=|&]/.test(text) && /^[<>=!|&:-]/.test(pieces.at(-1) ?? '')) {
      pieces.push(`${pieces.pop() ?? ''}${text}`);
    } else pieces.push(text);
  }

  /** @param cut the statement goes on: how far what there is reached into its rows or lists is told by nothing */
  toString(cut: boolean): string {
    const pieces = this.#pieces;
    if (cut) this.#dropRest();
    let text = '';
    let last = '';
    for (const piece of pieces) {
      if (last !== '' && isSpaced(last, piece)) text += ' ';
      text += piece;
      last = piece;
    }
    while (text.endsWith(';')) text = text.slice(0, -1).trimEnd();
    return cut ? `${text} …` : text;
  }

  #opens(): void {
    this.#open.push(this.#pieces.length);
    this.#closed[this.#open.length] = undefined;
    this.#pieces.push('(');
  }

  #closes(): void {
    const pieces = this.#pieces;
    const from = this.#open.pop();
    if (from !== undefined && isList(pieces, from + 1)) {
      pieces.length = from + 2;
      pieces.push(',', AND_SO_ON);
    }
    pieces.push(')');
    if (from !== undefined) this.#joinRow({ from, pieces: pieces.length - from, to: pieces.length - 1 });
  }

  #dropRest(): void {
    const pieces = this.#pieces;
    const row = this.#open.find((from, depth) => this.#closed[depth]?.to === from - 2 && pieces[from - 1] === ',');
    const list = this.#open.at(-1);
    if (row !== undefined) {
      pieces.length = row;
    } else if (list !== undefined && pieces.slice(list + 1).every((it) => it === LITERAL || it === ',')) {
      pieces.length = list + 1;
      pieces.push(LITERAL, ',', AND_SO_ON);
    }
    if (pieces.at(-1) === ',') pieces.pop();
  }

  /** A group like the one before it is told no second time. */
  #joinRow(group: Group): void {
    const pieces = this.#pieces;
    const depth = this.#open.length;
    const before = this.#closed[depth];
    if (before === undefined || before.to !== group.from - 2 || !isAlike(pieces, before, group)) {
      this.#closed[depth] = group;
      return;
    }
    // Behind the first two there is a mark already, and what goes is the comma, too.
    const marked = pieces[before.to] === AND_SO_ON;
    pieces.length = marked ? group.from - 1 : group.from;
    if (!marked) pieces.push(AND_SO_ON);
    before.to = pieces.length - 1;
  }
}

/** Whether from `from` on there are two literals or more, and nothing else. */
function isList(pieces: readonly string[], from: number): boolean {
  if (pieces.length - from < 3) return false;
  for (let i = from; i < pieces.length; i += 1) {
    if (pieces[i] !== ((i - from) % 2 === 0 ? LITERAL : ',')) return false;
  }
  return true;
}

function isAlike(pieces: readonly string[], one: Group, other: Group): boolean {
  if (one.pieces !== other.pieces || pieces[other.from - 1] !== ',') return false;
  for (let i = 0; i < one.pieces; i += 1) if (pieces[one.from + i] !== pieces[other.from + i]) return false;
  return true;
}

function isSpaced(last: string, piece: string): boolean {
  if (piece === ',' || piece === ')' || piece === '.' || piece === ';' || last === '(' || last === '.') return false;
  if (piece.startsWith('@') && last === LITERAL) return false;
  return piece !== '(' || !/^[\w`$@]/.test(last) || NO_CALL.has(last);
}
