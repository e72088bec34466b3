import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { AnswerRelay } from '../answer-relay.js';
import { clusterInfo } from '../cluster.js';
import { eventually, startProxy, temporaryDirectory, type TestProxy } from '../proxy.js';
import type { Decided } from './promoting-cluster.js';

let cluster: Cluster;
let proxy: TestProxy;
/** The proxy's way to each server. */
let ways: readonly AnswerRelay[];
let audit: string;

beforeAll(async () => {
  audit = join(await temporaryDirectory(), 'decisions.jsonl');
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  ways = await Promise.all(cluster.nodes.map(async (node) => AnswerRelay.start(node)));
  proxy = await startProxy({
    nodes: ways.map(({ port }) => ({ host: '127.0.0.1', port })),
    accounts: cluster.accounts,
    options: {
      coordinator: { kind: 'alone' },
      // Of those that acknowledge one follows somebody else here.
      failover: { account: cluster.accounts.failover, pauseMs: 0, policy: 'availability', audit },
    },
  });
});
afterAll(async () => cluster.stop());

function decisions(): Decided[] {
  const lines = readFileSync(audit, 'utf8').split('\n');
  return lines.filter((it) => it !== '').map((line) => JSON.parse(line));
}

function primaryIndex(): number {
  const { primary } = proxy.proxy.snapshot;
  return ways.findIndex(({ port }) => port === primary?.address.port);
}

function at(node: number): { readonly server: ClusterNode; readonly way: AnswerRelay; readonly name: string } {
  const [server, way] = [cluster.nodes[node], ways[node]];
  if (server === undefined || way === undefined) throw new Error(`there is no node ${node}`);
  return { server, way, name: `127.0.0.1:${way.port}` };
}

test('a failover waits for nothing that was being done for the cluster: that is given up', async () => {
  const [former, now, stray] = [primaryIndex(), (primaryIndex() + 1) % 3, (primaryIndex() + 2) % 3];
  const admin = await proxy.connect(cluster.accounts.monitor);
  await admin.query(`RWSPLIT SWITCHOVER TO '${at(now).name}'`);
  await eventually(() => expect(proxy.proxy.snapshot.replicas).toHaveLength(2));

  // One that replicates from a former primary is stopped, as soon as the leader looks at it.
  const { way } = at(stray);
  const reached = way.holdAnswerTo('STOP REPLICA IO_THREAD');
  const direct = await createConnection({ ...cluster.accounts.root, host: '127.0.0.1', port: at(stray).server.port });
  await direct.query('STOP REPLICA IO_THREAD');
  await direct.query(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${at(former).server.port}, SOURCE_HEARTBEAT_PERIOD = 0.2`,
  );
  await direct.query('START REPLICA IO_THREAD');
  await direct.end();
  await reached;
  way.holdNoMore();

  const decided = decisions().length;
  await at(now).server.kill();
  await eventually(() => expect(primaryIndex()).toBe(former));
  const since = (): Decided[] =>
    decisions()
      .slice(decided)
      .filter(({ kind }) => kind !== 'ask-anew');
  await eventually(() => expect(since()).toHaveLength(2));
  const [upkeep, failover] = since();
  expect(upkeep?.kind).toBe('upkeep');
  expect(upkeep?.steps).toEqual([
    expect.objectContaining({ step: 'freeze', node: at(stray).name, outcome: expect.stringMatching(/more urgent/) }),
  ]);
  expect(failover).toMatchObject({ kind: 'failover', outcome: `${at(former).name} is the primary` });
  way.release();
});
