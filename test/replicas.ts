import { clusterInfo, connectDirect } from './cluster.js';

/** Runs a statement on replicas of the shared cluster, past the proxy. */
export async function onReplicas(sql: string, indices: readonly number[] = [1, 2]): Promise<void> {
  for (const index of indices) {
    const connection = await connectDirect(index, clusterInfo().accounts.root);
    await connection.query(sql);
  }
}

/** Makes replicas apply everything so much later. They go on being replicas that do what they should. */
export async function delayReplicas(seconds: number, indices: readonly number[] = [1, 2]): Promise<void> {
  await onReplicas('STOP REPLICA SQL_THREAD', indices);
  await onReplicas(`CHANGE REPLICATION SOURCE TO SOURCE_DELAY = ${seconds}`, indices);
  await onReplicas('START REPLICA SQL_THREAD', indices);
}
