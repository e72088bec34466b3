import type { Connection } from 'mysql2/promise';
import { clusterInfo, connectDirect } from '../cluster.js';
import { value } from '../proxy.js';
import { RawClient, type RawLogin } from '../raw-client.js';
import type { Script } from './scripts.js';
import { labelOf, StepRunner } from './steps.js';

/** Connections to all nodes, the primary's first; made once for each file. */
let observers: Promise<Connection[]> | undefined;

function observing(): Promise<Connection[]> {
  observers ??= Promise.all([0, 1, 2].map((node) => connectDirect(node, clusterInfo().accounts.root)));
  return observers;
}

/** The servers of which a target is one, or in front of which it is. */
export interface Servers {
  /** Everything may be done there. */
  primary(): Promise<Connection>;
  /** Resolves when the replicas have all that the primary has. */
  untilReplicated(): Promise<void>;
}

const SHARED_CLUSTER: Servers = {
  primary: async () => {
    const [primary] = await observing();
    if (primary === undefined) throw new Error('there is no primary');
    return primary;
  },
  untilReplicated: untilReplicasHaveAll,
};

/** All that a client sees of a script, packet by packet, on its way to a target. */
export async function transcript(
  script: Script,
  target: Omit<RawLogin, 'user' | 'password'>,
  servers: Servers = SHARED_CLUSTER,
): Promise<object[]> {
  const primary = await servers.primary();
  for (const schema of ['rwsplit_diff', 'rwsplit_diff_2']) {
    await primary.query(`DROP DATABASE IF EXISTS ${schema}`);
    await primary.query(`CREATE DATABASE ${schema}`);
  }
  await servers.untilReplicated();
  const client = await RawClient.logIn({
    ...clusterInfo().accounts.app,
    ...target,
    database: 'rwsplit_diff',
  });
  const runner = new StepRunner(client);
  const seen: object[] = [];
  for (const step of script.steps) {
    try {
      seen.push({ step: labelOf(step), packets: await runner.run(step) });
    } catch (error) {
      seen.push({ step: labelOf(step), error: String(error) });
      break;
    }
    await servers.untilReplicated();
  }
  client.destroy();
  return seen;
}

/** A replica may be behind: what is compared here is what it answers once it is not. */
async function untilReplicasHaveAll(): Promise<void> {
  const [primary, ...replicas] = await observing();
  if (primary === undefined) return;
  const gtids = await value(primary, 'SELECT @@GLOBAL.gtid_executed');
  await Promise.all(replicas.map((replica) => value(replica, 'SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 30)', [gtids])));
}
