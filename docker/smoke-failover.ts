import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Snapshot } from '../src/topology/snapshot.js';
import { listens } from './cluster/listens.js';
import type { Cluster, ClusterNode } from './cluster/cluster.js';
import { waitUntil } from './cluster/wait-until.js';

/** What was seen of a killed primary. */
export interface FailoverShown {
  readonly killed: string;
  readonly promoted: string;
  /** From the kill to the next write that was acknowledged. */
  readonly ms: number;
  readonly acknowledged: number;
  /** Acknowledged, and not on every server. */
  readonly lost: number;
  /** Errors of writes whose outcome nobody can know. */
  readonly unknown: number;
  readonly otherErrors: number;
  readonly returnedAs: string;
}

const WRITERS = 4;
const TIMEOUT_MS = 60_000;
const SCHEMA = 'rwsplit_smoke_failover';

/** Kills the primary while clients write, waits for another one, brings the old one back, and counts what was acknowledged on every server. */
export async function showFailover(
  cluster: Cluster,
  proxy: { readonly host: string; readonly port: number },
  snapshot: () => Snapshot,
): Promise<FailoverShown> {
  const open = async (): Promise<Connection> => createConnection({ ...proxy, ...cluster.accounts.app });
  const client = await open();
  await client.query(`DROP DATABASE IF EXISTS ${SCHEMA}`);
  await client.query(`CREATE DATABASE ${SCHEMA}`);
  await client.query(`CREATE TABLE ${SCHEMA}.ledger (id VARCHAR(20) PRIMARY KEY)`);
  const old = primaryOf(cluster, snapshot());
  const acknowledged = new Map<string, number>();
  const errors: string[] = [];
  const run = { stopped: false };
  const write = async (name: string): Promise<void> => {
    let writer = await open();
    for (let i = 0; !run.stopped; i++) {
      const id = `${name}-${i}`;
      try {
        await writer.query(`INSERT INTO ${SCHEMA}.ledger VALUES (?)`, [id]);
        acknowledged.set(id, performance.now());
      } catch (error) {
        errors.push(String(error));
        writer.destroy();
        writer = await open();
      }
    }
    await writer.end();
  };
  const writers = Array.from({ length: WRITERS }, async (_, index) => write(`w${index}`));
  await waitUntil('writes before the kill', TIMEOUT_MS, async () =>
    Promise.resolve(acknowledged.size > 50 || undefined),
  );
  const killedAtMs = performance.now();
  await old.kill();
  const firstMs = await waitUntil('a write after the kill', TIMEOUT_MS, async () => {
    const first = [...acknowledged.values()].find((atMs) => atMs > killedAtMs + 20);
    return Promise.resolve(primaryOf(cluster, snapshot(), old) === old ? undefined : first);
  });
  const promoted = primaryOf(cluster, snapshot(), old);
  await backAgain(old, snapshot);
  run.stopped = true;
  await Promise.all(writers);
  const lost = await lostOf(cluster, new Set(acknowledged.keys()));
  await client.query(`DROP DATABASE ${SCHEMA}`);
  await client.end();
  const unknown = errors.filter((it) => it.includes('is not known')).length;
  const node = snapshot().nodes.find(({ address }) => address.name === old.name);
  return {
    killed: old.name,
    promoted: promoted.name,
    ms: Math.round(firstMs - killedAtMs),
    acknowledged: acknowledged.size,
    lost,
    unknown,
    otherErrors: errors.length - unknown,
    returnedAs: node?.role ?? 'nobody',
  };
}

/** @param otherwise where there is none at the moment */
function primaryOf({ nodes }: Cluster, { primary }: Snapshot, otherwise: ClusterNode = nodes[0]): ClusterNode {
  return nodes.find(({ name }) => name === primary?.address.name) ?? otherwise;
}

/** What only it has it must not keep: then it gets the new primary's data, and its server ends once more. */
async function backAgain(node: ClusterNode, snapshot: () => Snapshot): Promise<void> {
  await waitUntil(`${node.name} coming back as a replica`, TIMEOUT_MS, async () => {
    if (!(await listens(node.port))) await node.restart();
    const seen = snapshot().nodes.find(({ address }) => address.name === node.name);
    return seen?.role === 'replica' && seen.health === 'up' ? seen : undefined;
  });
}

/** On which server fewest are: replicas get the time that they need. */
async function lostOf({ nodes, accounts }: Cluster, ids: ReadonlySet<string>): Promise<number> {
  let most = 0;
  for (const { host, port } of nodes) {
    const server = await createConnection({ host, port, ...accounts.root });
    let lost = ids.size;
    try {
      await waitUntil('all acknowledged writes on every server', 10_000, async () => {
        const [rows] = await server.query<RowDataPacket[]>(`SELECT id FROM ${SCHEMA}.ledger`);
        const has = new Set(rows.map((it) => String(it['id'])));
        lost = [...ids].filter((id) => !has.has(id)).length;
        return lost === 0 || undefined;
      });
    } catch {
      most = Math.max(most, lost);
    } finally {
      await server.end();
    }
  }
  return most;
}
