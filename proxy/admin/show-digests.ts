import type { DigestTable } from '../../src/classify/digest-table.js';
import type { ResultSet } from './result-set.js';

/** `SHOW RWSPLIT DIGESTS`: where each kind of statement ran and why, the most frequent first. */
export function showDigests(digests: DigestTable): ResultSet {
  return {
    columns: [
      { name: 'digest', type: 'text' },
      { name: 'statement', type: 'text' },
      { name: 'target', type: 'text' },
      { name: 'node', type: 'text' },
      { name: 'reason', type: 'text' },
      { name: 'count', type: 'integer' },
      { name: 'refused', type: 'integer' },
    ],
    rows: digests
      .rows()
      .map(({ digest, count }) => [
        digest.hash,
        digest.text,
        count.target,
        count.node,
        count.reason,
        count.statements,
        count.refused,
      ]),
  };
}
