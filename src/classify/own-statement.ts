/** A statement that rwsplit itself answers. To MySQL, each is a syntax error: nothing is taken away. */
export type OwnStatement = 'digests' | 'routes' | 'sessions' | 'pools' | 'nodes';

/** By the digest's text: in any letters' case, with any comments. */
const OWN: ReadonlyMap<string, OwnStatement> = new Map([
  ['show rwsplit digests', 'digests'],
  ['show rwsplit routes', 'routes'],
  ['show rwsplit sessions', 'sessions'],
  ['show rwsplit pools', 'pools'],
  ['show rwsplit nodes', 'nodes'],
]);

export function ownStatementOf(digestText: string): OwnStatement | undefined {
  return OWN.get(digestText);
}
