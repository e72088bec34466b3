import type { RowDataPacket } from 'mysql2/promise';
import { textIn } from '../flavour/failover-look.js';
import type { Found, SourceReport } from '../topology/observation.js';

/** What a row of `SHOW REPLICA STATUS`, or of `SHOW SLAVE STATUS`, says of its source. */
export function sourceOf(status: RowDataPacket): SourceReport {
  const told = (newer: string, older: string): string => textIn(status, newer) || textIn(status, older);
  return {
    host: told('Source_Host', 'Master_Host'),
    port: Number(told('Source_Port', 'Master_Port')),
    uuid: told('Source_UUID', 'Master_UUID'),
    receives: told('Replica_IO_Running', 'Slave_IO_Running') === 'Yes',
    applies: told('Replica_SQL_Running', 'Slave_SQL_Running') === 'Yes',
    error: textIn(status, 'Last_SQL_Error') || textIn(status, 'Last_IO_Error'),
  };
}

/** Those whose address `SHOW REPLICAS` tells. */
export function replicasOf(rows: readonly RowDataPacket[]): Found[] {
  return rows
    .map((it) => ({ host: textIn(it, 'Host'), port: Number(it['Port']), uuid: textIn(it, 'Replica_UUID') }))
    .filter(({ host }) => host !== '');
}
