import { GtidSet } from '../topology/gtid-set.js';
import { ASKED_FOR, toItself, type Flavour } from './flavour.js';

export const MYSQL: Flavour = {
  trackSession:
    "SET session_track_system_variables='*',session_track_schema=ON,session_track_state_change=ON,session_track_gtids=OWN_GTID," +
    toItself(...ASKED_FOR, 'transaction_isolation'),
  awaitGtids: (gtidSet, timeoutMs) =>
    `DO IF(WAIT_FOR_EXECUTED_GTID_SET('${gtidSet}',${timeoutMs / 1000})=0,0,(SELECT 1 UNION SELECT 2))`,
  commitsOf: (change) => (change.kind === 'gtids' ? change.gtids : undefined),
  askNode:
    'SELECT @@server_uuid AS uuid, @@version AS version, @@global.read_only OR @@global.super_read_only AS readOnly, ' +
    // What leaves the one goes over into the other: in this order nothing is missed.
    '@@global.gtid_owned AS committed, @@global.gtid_executed AS executed',
  parseExecuted: (text) => GtidSet.parse(text),
  // Each with the thread that commits it: `UUID:5#12:6#13`.
  parseCommitted: (text) => GtidSet.parse(text.replaceAll(/#\d+/g, '')),
};
