import { WAITING_LEVELS, type WaitCounts } from '../../src/session/wait-counts.js';
import type { ResultSet } from './result-set.js';

/** `SHOW RWSPLIT WAITS`: how many reads waited how long for a replica to have what they had to see, by their level. */
export function showWaits(waits: WaitCounts): ResultSet {
  return {
    columns: [
      { name: 'wait', type: 'text' },
      { name: 'reads', type: 'integer' },
      ...WAITING_LEVELS.map((name) => ({ name, type: 'integer' as const })),
    ],
    rows: waits.rows,
  };
}
