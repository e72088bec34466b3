import type { ResultSet } from './result-set.js';
import type { Promoter } from './promote.js';

/** `SHOW RWSPLIT FAILOVER`: who may promote, what is thought of the primary, and what would happen if it died now. */
export function showFailover(promoter: Promoter | undefined): ResultSet {
  const rows: (readonly [string, string | number])[] = [];
  if (promoter === undefined) {
    rows.push(['coordinator', 'follow'], ['if_primary_dies', 'somebody else promotes, and this proxy follows']);
  } else {
    const { coordinator, leader, leads, epoch, primary, diagnosis, objection, lastFailure, decisions } =
      promoter.status;
    rows.push(
      ['coordinator', coordinator],
      ['leads', leads ? 'yes' : 'no'],
      ['leader', leader],
      ['epoch', epoch],
      ['primary', primary],
      ['diagnosis', diagnosis],
      ['if_primary_dies', objection ?? 'a replica is promoted'],
      ['last_failure', lastFailure],
      ...decisions.map(({ at, kind, why, steps, outcome }): readonly [string, string] => {
        const done = steps.map((it) => `${it.step} ${it.node}: ${it.outcome}`).join('; ');
        return [`decision ${at}`, [kind, why, done, outcome].filter((it) => it !== '').join(' | ')];
      }),
    );
  }
  return {
    columns: [
      { name: 'what', type: 'text' },
      { name: 'value', type: 'text' },
    ],
    rows,
  };
}
