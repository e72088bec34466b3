import { LAST_GTID } from '../protocol/session-changes.js';
import { GtidSet } from '../topology/gtid-set.js';
import { ASKED_FOR, toItself, type Flavour } from './flavour.js';

/** `DOMAIN-SERVER-NUMBER`. Source: MariaDB's documentation, "Global Transaction ID". */
const GTID = /^(\d+)-\d+-(\d+)$/;
/** What {@link MARIADB} makes of them, where they end: `DOMAIN:NUMBER`, `DOMAIN:FIRST-LAST`, or several such intervals. */
const RANGE = /^(\d+):(?:[\d:-]*[:-])?(\d+)$/;

/** In one domain transactions have one order: who has one has all before it. */
function rangesOf(position: string, first: (last: string) => string): string | undefined {
  const ranges = [];
  for (const gtid of position.split(',').map((it) => it.trim())) {
    if (gtid === '') continue;
    const [, domain, last] = GTID.exec(gtid) ?? [];
    if (domain === undefined || last === undefined) return undefined;
    ranges.push(`${domain}:${first(last)}`);
  }
  return ranges.join(',');
}

/** Who waits for a position waits for the numbers: whichever server the transactions are from, the domain has each just once. */
function positionOf(gtidSet: string): string {
  const gtids = [];
  for (const range of gtidSet.split(',')) {
    const [, domain, last] = RANGE.exec(range) ?? [];
    if (domain !== undefined && last !== undefined) gtids.push(`${domain}-1-${last}`);
  }
  return gtids.join(',');
}

export const MARIADB: Flavour = {
  trackSession:
    "SET session_track_system_variables='*',session_track_schema=ON,session_track_state_change=ON," +
    toItself(...ASKED_FOR, 'tx_isolation'),
  // MariaDB's DO swallows the error of the subquery.
  awaitGtids: (gtidSet, timeoutMs) =>
    `SELECT IF(MASTER_GTID_WAIT('${positionOf(gtidSet)}',${timeoutMs / 1000})=0,0,(SELECT 1 UNION SELECT 2))`,
  commitsOf: (change) =>
    change.kind === 'system-variable' && change.name === LAST_GTID ? rangesOf(change.value, (last) => last) : undefined,
  askNode:
    // Not @@server_uid: versions before 10.11.9 do not know it.
    "SELECT CONCAT(@@global.server_id, '@', @@hostname, ':', @@port) AS uuid, @@version AS version, " +
    '@@global.read_only AS readOnly, @@global.gtid_current_pos AS executed',
  parseExecuted: (text) => {
    const ranges = rangesOf(text, (last) => `1-${last}`);
    return ranges === undefined ? undefined : GtidSet.parse(ranges);
  },
  parseCommitted: () => undefined,
};
