import type { LexMode } from './classification.js';

/** A statement about the id that a client was told when it connected. To the servers that id means nothing. */
export type ConnectionStatement =
  /** `column` is what follows AS: the alias as it was written, or the name that MySQL gives the column. */
  | { readonly kind: 'connection-id'; readonly column: string }
  | { readonly kind: 'kill'; readonly what: KillKind; readonly id: number | 'own' };

export type KillKind = 'QUERY' | 'CONNECTION';

/** Longer ones are none, or none that is worth reading. */
export const MAX_CONNECTION_STATEMENT = 300;

/** White space and comments that are neither executed nor hints to the optimizer. */
const GAP = String.raw`(?:\s|/\*(?![!+]|M!)(?:[^*]|\*(?!/))*\*/|#[^\n]*(?:\n|$)|--(?=[\s\0]|$)[^\n]*(?:\n|$))`;
const CALL = `CONNECTION_ID${GAP}*\\(${GAP}*\\)`;
const ALIAS = '[\\w$\\x80-\\xff]+|`[^`]+`|\'[^\'\\\\]+\'|"[^"\\\\]+"';
const END = `${GAP}*;?${GAP}*\\0?$`;

const SELECT_ID = new RegExp(
  `^${GAP}*SELECT${GAP}+(${CALL})(?:${GAP}*(?:AS${GAP}*)?(?<=[\\s)/])(${ALIAS}))?(?:${GAP}+FROM${GAP}+DUAL)?(?:${GAP}+LIMIT${GAP}+1)?${END}`,
  'i',
);
const KILL = new RegExp(
  `^${GAP}*KILL${GAP}+(?:(CONNECTION|QUERY)${GAP}+)?(?:(["']?)(\\d{1,10})\\2|${CALL})${END}`,
  'i',
);

/**
 * @param text one statement, a byte a character
 * @returns what it is about, where it is nothing but that; any other use of CONNECTION_ID() is the servers' affair
 */
export function connectionStatementOf(text: string, { charset }: LexMode): ConnectionStatement | undefined {
  // Elsewhere the second byte of a character may look like a quote.
  if (text.length > MAX_CONNECTION_STATEMENT || charset !== 'other') return undefined;
  const select = SELECT_ID.exec(text);
  if (select !== null) {
    const [, call = '', alias] = select;
    return { kind: 'connection-id', column: alias ?? `\`${call.replaceAll('`', '``')}\`` };
  }
  const kill = KILL.exec(text);
  if (kill === null) return undefined;
  const [, what, , id] = kill;
  return {
    kind: 'kill',
    what: what?.toUpperCase() === 'QUERY' ? 'QUERY' : 'CONNECTION',
    id: id === undefined ? 'own' : Number(id),
  };
}
