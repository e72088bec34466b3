/** A statement that rwsplit itself answers. To MySQL, each is a syntax error: nothing is taken away. */
export type OwnStatement = 'digests' | 'routes';

/** By the digest's text: in any letters' case, with any comments. */
const OWN: ReadonlyMap<string, OwnStatement> = new Map([
  ['show rwsplit digests', 'digests'],
  ['show rwsplit routes', 'routes'],
]);

export function ownStatementOf(digestText: string): OwnStatement | undefined {
  return OWN.get(digestText);
}
