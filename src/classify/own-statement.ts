import type { LexMode } from './classification.js';
import { END, NAME, SEPARATOR } from './lexer.js';
import { LITERAL, PieceLexer } from './piece-lexer.js';
import { latin1Text } from './text.js';

/** A statement that rwsplit itself answers. */
export type OwnStatement = OwnQuestion | OwnSetting | OwnCommand | OwnPromotion;

/** To MySQL, each is a syntax error: nothing is taken away. */
export type OwnQuestion = 'digests' | 'routes' | 'sessions' | 'pools' | 'nodes' | 'token' | 'waits' | 'failover';

/** `SET @rwsplit_… = 'VALUE'`: of variables with such names, no server is told. */
export interface OwnSetting {
  readonly kind: 'setting';
  readonly name: 'consistency' | 'token';
  /** Undefined takes it back. */
  readonly value: string | undefined;
}

export const NODE_VERBS = ['drain', 'maintenance', 'resume'] as const;
export type NodeVerb = (typeof NODE_VERBS)[number];

/** `RWSPLIT VERB 'NODE'`: an operator takes a node out of service, or puts it back. */
export interface OwnCommand {
  readonly kind: 'command';
  readonly verb: NodeVerb;
  readonly node: string;
}

/** `RWSPLIT SWITCHOVER TO 'NODE' [DRY RUN | FORCE]`, `RWSPLIT FAILOVER [DRY RUN]`: another node is to be the primary. */
export interface OwnPromotion {
  readonly kind: 'promotion';
  /** Undefined for a failover: whoever is the best. */
  readonly to: string | undefined;
  readonly how: 'run' | 'dry-run' | 'force';
}

/** By the digest's text: in any letters' case, with any comments. */
const QUESTIONS: ReadonlyMap<string, OwnQuestion> = new Map([
  ['show rwsplit digests', 'digests'],
  ['show rwsplit routes', 'routes'],
  ['show rwsplit sessions', 'sessions'],
  ['show rwsplit pools', 'pools'],
  ['show rwsplit nodes', 'nodes'],
  ['show rwsplit token', 'token'],
  ['show rwsplit waits', 'waits'],
  ['show rwsplit failover', 'failover'],
]);

const SETTING = /^set @rwsplit_(consistency|token) ?:? ?= ?(\?|default|null)$/;

const COMMAND = new RegExp(`^rwsplit (${NODE_VERBS.join('|')}) \\?$`);

const SWITCHOVER = /^rwsplit switchover to \?(?: (dry run|force))?$/;
const FAILOVER = /^rwsplit failover(?: (dry run))?$/;

/** Looked for in the beginning of what is too long to be looked at in full. */
const SETTING_MARK = /@rwsplit_/i;
const HEAD_BYTES = 256;

export function mayBeSetting(sql: Uint8Array, start: number, end: number): boolean {
  return SETTING_MARK.test(latin1Text(sql, start, Math.min(end, start + HEAD_BYTES)));
}

/** @param digestText of the whole statement, which stands in `sql` from `start` to `end` */
export function ownStatementOf(
  digestText: string,
  sql: Uint8Array,
  start: number,
  end: number,
  mode: LexMode,
): OwnStatement | undefined {
  const match = SETTING.exec(digestText);
  if (match === null) {
    return (
      QUESTIONS.get(digestText) ??
      commandOf(digestText, sql, start, end, mode) ??
      promotionOf(digestText, sql, start, end, mode)
    );
  }
  const name = match[1] === 'token' ? 'token' : 'consistency';
  const none = { kind: 'setting', name, value: undefined } as const;
  if (match[2] === 'default') return none;
  const literal = onlyLiteral(sql, start, end, mode);
  if (literal?.toLowerCase() === 'null') return none;
  const value = stringOf(literal);
  return value === undefined ? undefined : { kind: 'setting', name, value };
}

function commandOf(
  digestText: string,
  sql: Uint8Array,
  start: number,
  end: number,
  mode: LexMode,
): OwnCommand | undefined {
  const word = COMMAND.exec(digestText)?.[1];
  const verb = NODE_VERBS.find((it) => it === word);
  const node = verb === undefined ? undefined : stringOf(onlyLiteral(sql, start, end, mode));
  return verb === undefined || node === undefined ? undefined : { kind: 'command', verb, node };
}

function howOf(words: string | undefined): OwnPromotion['how'] {
  if (words === undefined) return 'run';
  return words === 'force' ? 'force' : 'dry-run';
}

function promotionOf(
  digestText: string,
  sql: Uint8Array,
  start: number,
  end: number,
  mode: LexMode,
): OwnPromotion | undefined {
  const failover = FAILOVER.exec(digestText);
  if (failover !== null) return { kind: 'promotion', to: undefined, how: howOf(failover[1]) };
  const switchover = SWITCHOVER.exec(digestText);
  const to = switchover === null ? undefined : stringOf(onlyLiteral(sql, start, end, mode, true));
  return to === undefined ? undefined : { kind: 'promotion', to, how: howOf(switchover?.[1]) };
}

/** What a literal says that is a plain string. */
function stringOf(literal = ''): string | undefined {
  return /^(['"])[^'"\\]*\1$/.test(literal) ? literal.slice(1, -1).trim() : undefined;
}

/** @param goesOn words may come behind it */
function onlyLiteral(sql: Uint8Array, start: number, end: number, mode: LexMode, goesOn = false): string | undefined {
  const lexer = new PieceLexer(sql, start, end, mode);
  let literal: string | undefined;
  for (;;) {
    const kind = lexer.nextPiece();
    if (kind === END) return literal;
    const text = Buffer.from(sql.subarray(lexer.from, lexer.position)).toString('latin1');
    // Nothing but the end comes behind it.
    if (literal !== undefined && kind !== SEPARATOR && !(goesOn && kind === NAME)) return undefined;
    if (kind === LITERAL || (kind === NAME && text.toLowerCase() === 'null')) literal = text;
  }
}
