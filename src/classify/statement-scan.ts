import { effectOf, isBuiltIn } from './function-effects.js';
import * as finding from './finding.js';
import { isColumnListOfCte } from './cte-columns.js';
import { procedureName, type KnownRoutines } from './known-routines.js';
import type { RoutineEffect } from './routine-body.js';
import { ASSIGN, CALL, END, type Lexer, NAME, QUOTED, SEPARATOR, SYSTEM_VARIABLE, VARIABLE } from './lexer.js';
import { READ, type Outcome } from './outcome.js';
import { tableFinding, variableFinding } from './system-names.js';
import { latin1Text } from './text.js';
import { MAX_WORDS, word } from './words.js';

const AS = word('AS');
const FOR = word('FOR');
const INTO = word('INTO');
const WITH = word('WITH');
const RECURSIVE = word('RECURSIVE');
const VALUE = word('VALUE');
const NEXT = word('NEXT');
const PREVIOUS = word('PREVIOUS');
const INSERT = word('INSERT');
const REPLACE = word('REPLACE');
const LAST_INSERT_ID = word('LAST_INSERT_ID');

const COMMA = 0x2c;
const CLOSING = 0x29;
const DOT = 0x2e;

/** Keywords of a body that mean something wherever they stand. */
const KEYWORDS: ReadonlyMap<number, number> = new Map([
  [word('DELETE'), finding.WRITES],
  [word('LOCK'), finding.LOCKS_ROWS],
  [INTO, finding.SELECTS_INTO],
  [word('SQL_CALC_FOUND_ROWS'), finding.COUNTS_FOUND_ROWS],
]);
const UPDATE = word('UPDATE');
const SHARE = word('SHARE');

const SPECIAL = 1 << 31;
const keywordFindings = new Int32Array(MAX_WORDS);
for (const [id, found] of KEYWORDS) keywordFindings[id] = found;
for (const id of [UPDATE, SHARE, FOR, INSERT, REPLACE]) keywordFindings[id] = SPECIAL;

/** Gathers what one statement of a text does, token by token. */
export class StatementScan {
  readonly lexer: Lexer;
  readonly #routines: KnownRoutines | undefined;

  /** What the statement's first words say. */
  outcome: Outcome = READ;
  /** Set of findings. */
  found = 0;
  /** Pins that the first words say, as PIN_BITS. */
  pins = 0;
  unpins = 0;
  /** Whether a user variable is assigned wherever one stands: CALL, LOAD DATA, GET DIAGNOSTICS. */
  assignsVariables = false;
  /** Whether it asks for the connection's id and nothing else: the client is told its own, which needs no connection. */
  asksOwnId = false;
  /** Whether what was read only leads in a further statement, which begins with the current token. */
  isPrefix = false;

  /** The keyword before the current token, if nothing was skipped between; and the one before that. */
  #previous = 0;
  #beforePrevious = 0;
  /** The keyword before the current name. */
  #beforeName = 0;
  /** The last name: the schema of one that follows after a dot. */
  #lastWord = 0;
  #lastStart = 0;
  #lastStop = 0;
  #schemaStart = 0;
  #schemaStop = 0;
  #afterSystemVariable = false;
  #afterVariable = false;

  constructor(lexer: Lexer, routines: KnownRoutines | undefined) {
    this.lexer = lexer;
    this.#routines = routines;
  }

  get atEnd(): boolean {
    return this.lexer.token === END || this.lexer.token === SEPARATOR;
  }

  /** Where the statement's text ends, once it was taken to its end. */
  get textStop(): number {
    return this.lexer.token === SEPARATOR ? this.lexer.position - 1 : this.lexer.position;
  }

  /** Takes the current token and goes on to the next one, but not past the statement's end. */
  take(): void {
    if (this.atEnd) return;
    this.#see();
    this.lexer.next();
  }

  /** Takes all tokens to the end of the statement. */
  takeRest(): void {
    const { lexer } = this;
    while (lexer.token !== END && lexer.token !== SEPARATOR) {
      this.#see();
      lexer.next();
    }
  }

  #see(): void {
    const { lexer } = this;
    switch (lexer.token) {
      case NAME:
      case QUOTED:
        this.#seeName();
        return;
      case CALL:
        this.#seeCall();
        this.#previous = 0;
        return;
      case VARIABLE:
        this.found |= finding.READS_VARIABLE;
        if (this.assignsVariables || this.#adjacent() === INTO) this.found |= finding.ASSIGNS_VARIABLE;
        break;
      case ASSIGN:
        if (this.#afterVariable && lexer.skipped === 0) this.found |= finding.ASSIGNS_VARIABLE;
        break;
      case SYSTEM_VARIABLE:
        this.found |= variableFinding(lexer.word);
        break;
    }
    this.#afterVariable = lexer.token === VARIABLE;
    this.#afterSystemVariable = lexer.token === SYSTEM_VARIABLE;
    this.#lastWord = 0;
    this.#previous = 0;
  }

  #adjacent(): number {
    return this.lexer.before === 0 ? this.#previous : 0;
  }

  #seeName(): void {
    const { lexer } = this;
    const previous = this.#adjacent();
    const isQualified = lexer.before === DOT;
    if (isQualified) this.#seeQualified();
    this.#beforePrevious = this.#beforeName;
    this.#beforeName = previous;
    this.#previous = lexer.keyword ? lexer.word : 0;
    this.#lastWord = lexer.word;
    this.#lastStart = lexer.start;
    this.#lastStop = lexer.stop;
    this.#afterVariable = false;
    if (!isQualified) this.#afterSystemVariable = false;
    if (lexer.keyword) {
      const found = keywordFindings[lexer.word] ?? 0;
      if (found === SPECIAL) this.#seeSpecial(lexer.word, previous);
      else this.found |= found;
    }
  }

  #seeQualified(): void {
    const { lexer } = this;
    this.#schemaStart = this.#lastStart;
    this.#schemaStop = this.#lastStop;
    this.found |= this.#afterSystemVariable
      ? variableFinding(lexer.word)
      : tableFinding(this.#lastWord, lexer.word, lexer.sql, lexer.start, lexer.stop);
  }

  #seeSpecial(keyword: number, previous: number): void {
    switch (keyword) {
      case UPDATE:
        this.found |= previous === FOR ? finding.LOCKS_ROWS : finding.WRITES;
        return;
      case SHARE:
        if (previous === FOR) this.found |= finding.LOCKS_ROWS;
        return;
      case FOR:
        if (previous === VALUE && (this.#beforePrevious === NEXT || this.#beforePrevious === PREVIOUS)) {
          this.found |= finding.HAS_SIDE_EFFECT;
        }
        return;
      default:
        // INSERT and REPLACE: functions if a parenthesis follows.
        if (!this.lexer.isFollowedByParenthesis()) this.found |= finding.WRITES;
    }
  }

  #seeCall(): void {
    const { lexer } = this;
    const effect = effectOf(lexer.word, lexer.mode);
    const isQualified = lexer.before === DOT;
    const isPlainName = !lexer.quoted && !isQualified;
    if (effect !== 0 && !isQualified) {
      if (lexer.word === LAST_INSERT_ID && !lexer.closesAtOnce()) this.found |= finding.SETS_LAST_INSERT_ID;
      else this.found |= effect;
      if (isPlainName) return;
    }
    // A write's functions run on the primary in any case, and its answer tells what they left behind.
    if (this.outcome !== READ) return;
    const spaced = lexer.position - 1 !== lexer.stop;
    if (isPlainName && isBuiltIn(lexer.word, lexer.mode, spaced)) return;
    if (this.#isAlias()) return;
    const known = this.#effectOfFunction();
    if (known === undefined) this.found |= finding.CALLS_STORED_FUNCTION;
    else if (known === 'writes') this.found |= finding.CALLS_KNOWN_WRITER;
  }

  /** Whether the parenthesis begins the columns of a derived table or of a common table expression. */
  #isAlias(): boolean {
    const { lexer } = this;
    if (lexer.before === CLOSING) return true;
    if (lexer.before === 0 && this.#beforeName === AS) return true;
    const mayBeginExpression = lexer.before === 0 && (this.#beforeName === WITH || this.#beforeName === RECURSIVE);
    return (mayBeginExpression || lexer.before === COMMA) && isColumnListOfCte(lexer);
  }

  /** @param name of a procedure, `p` or `schema.p`, in lower case */
  effectOfProcedure(name: string): RoutineEffect | undefined {
    return this.#routines?.get(procedureName(name));
  }

  #effectOfFunction(): RoutineEffect | undefined {
    if (this.#routines === undefined || this.#routines.size === 0) return undefined;
    const { lexer } = this;
    const name = latin1Text(lexer.sql, lexer.start, lexer.stop).toLowerCase();
    if (lexer.before !== DOT) return this.#routines.get(name);
    const schema = latin1Text(lexer.sql, this.#schemaStart, this.#schemaStop).toLowerCase();
    return this.#routines.get(`${schema}.${name}`);
  }
}
