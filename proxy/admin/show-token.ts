import type { ResultSet } from './result-set.js';

/** `SHOW RWSPLIT TOKEN`: what a later read, of any session, has to see. */
export function showToken(gtidSet: string): ResultSet {
  return { columns: [{ name: 'token', type: 'text' }], rows: [[gtidSet]] };
}
