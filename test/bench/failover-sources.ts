import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster } from '../../docker/cluster/cluster.js';
import { listens } from '../../docker/cluster/listens.js';
import { wordsOf } from '../faults/words.js';

interface Place {
  readonly port: number;
}

/** Replicas that reach their source by one of some addresses are told to do so by another one. */
export async function moveSources(cluster: Cluster, from: readonly Place[], to: readonly Place[]): Promise<void> {
  for (const node of cluster.nodes) {
    const { host, port } = node;
    // The last fault may have ended it.
    if (!(await listens(port))) await node.restart();
    const replica = await createConnection({ host, port, ...cluster.accounts.root });
    const [[status]] = await replica.query<RowDataPacket[]>('SHOW REPLICA STATUS');
    const source = from.findIndex((it) => it.port === Number(status?.['Source_Port'] ?? status?.['Master_Port']));
    const { port: next } = to[source] ?? {};
    for (const sql of next === undefined ? [] : wordsOf(cluster).follow(next)) await replica.query(sql);
    await replica.end();
  }
}
