import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listens } from '../../docker/cluster/listens.js';
import type { Cluster, ClusterNode } from '../../docker/cluster/cluster.js';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { clusterInfo } from '../cluster.js';
import { eventually, startProxy, temporaryDirectory, type Row, type TestProxy } from '../proxy.js';
import { Ledger } from './ledger.js';
import { FAULT_WORDS, prepareFault, relayReplicas } from './primary-faults.js';
import { StrayWriter } from './stray-writer.js';

const WRITERS = 8;

let cluster: Cluster;
let proxy: TestProxy;
/** Where decisions are written down. */
let audit: string;
const open: Connection[] = [];

beforeAll(async () => {
  audit = join(await temporaryDirectory(), 'decisions.jsonl');
  cluster = await startCluster({ fast: true, semiSync: true, provider: clusterInfo().provider });
  proxy = await startProxy({
    nodes: cluster.nodes,
    accounts: cluster.accounts,
    options: {
      coordinator: { kind: 'alone' },
      failover: { account: cluster.accounts.failover, pauseMs: 0, rebuilds: true, audit },
    },
  });
  const client = await proxy.connect(cluster.accounts.app);
  await client.query('CREATE DATABASE faults');
  await client.query('CREATE TABLE faults.ledger (id VARCHAR(40) PRIMARY KEY)');
});
afterAll(async () => {
  for (const connection of open) connection.destroy();
  await cluster.stop();
});

function primary(): ClusterNode | undefined {
  const port = proxy.proxy.snapshot.primary?.address.port;
  return cluster.nodes.find((it) => it.port === port);
}

async function allBack(): Promise<ClusterNode> {
  let found: ClusterNode | undefined;
  await eventually(async () => {
    for (const node of cluster.nodes) if (!(await listens(node.port))) await node.restart();
    const { nodes } = proxy.proxy.snapshot;
    expect(nodes.map(({ health, role }) => `${health} ${role}`).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'up primary',
      'up replica',
      'up replica',
    ]);
    found = primary();
    expect(found).toBeDefined();
  });
  if (found === undefined) throw new Error('there is no primary');
  return found;
}

/** Of what kind all were, the oldest first. */
function decisions(): string[] {
  const lines = readFileSync(audit, 'utf8').split('\n');
  return lines.filter((it) => it !== '').map((line) => String(JSON.parse(line).kind));
}

/** The proxy would promote one if the primary died now: it has forgotten the connections that replicas had before. */
async function untilReplaceable(): Promise<void> {
  const admin = await proxy.connect(cluster.accounts.monitor);
  await eventually(async () => {
    const [rows] = await admin.query<Row[]>('SHOW RWSPLIT FAILOVER');
    expect(rows.find((it) => it['what'] === 'if_primary_dies')?.['value']).toBe('a replica is promoted');
  });
}

/** Each writer has had a write acknowledged that it began from then on. */
async function untilAllWrite(ledger: Ledger, sinceMs: number): Promise<void> {
  await eventually(() => {
    const back = ledger.entries.filter((it) => it.fate === 'acknowledged' && it.sentMs >= sinceMs);
    expect(new Set(back.map(({ writer }) => writer)).size).toBe(WRITERS);
  });
}

for (const fault of ['frozen', 'cut', 'lagging'] as const) {
  test(`a primary that is ${FAULT_WORDS[fault]}: another one has all that was acknowledged, and nobody sees an error that could be spared`, async () => {
    const before = await allBack();
    const prepared = await prepareFault(fault, { cluster, primary: before, table: 'faults.ledger' });
    const stray = await StrayWriter.connect(cluster, before, 'faults.ledger');
    const ledger = new Ledger({ host: proxy.host, port: proxy.port, ...cluster.accounts.app, database: 'faults' });
    ledger.start(WRITERS);
    await untilAllWrite(ledger, 0);
    await prepared.strike();
    const struckAtMs = ledger.nowMs;
    const writing = stray.writeOnce();
    await untilAllWrite(ledger, struckAtMs);
    await prepared.undo();
    await Promise.all([writing, stray.writeUntilRefused()]);
    await ledger.stop();

    const now = primary();
    expect(now).not.toBe(before);
    expect(stray.acknowledged).toBe(0);
    const server = await createConnection({
      host: '127.0.0.1',
      port: now?.port ?? 0,
      ...cluster.accounts.root,
      database: 'faults',
    });
    open.push(server);
    expect(await ledger.lostOn(server)).toEqual([]);
    expect(await ledger.unexpectedOn(server)).toEqual([]);
    const spared = ledger.entries.filter(
      (it) => it.fate !== 'acknowledged' && !it.error.includes('whether the statement was executed is not known'),
    );
    expect(spared).toEqual([]);
  });
}

// To stop one that connects in vain takes 2 s, and a failover has to stop it.
test('a primary that is killed just after it was cut off from its replicas: they are not made to connect to it anew', async () => {
  const before = await allBack();
  const relay = await relayReplicas({ cluster, primary: before });
  await untilReplaceable();
  const client = await proxy.connect({ ...cluster.accounts.app, database: 'faults' });
  const decided = decisions().length;
  relay.cut();
  await before.kill();
  await client.query("INSERT INTO ledger VALUES ('behind the cut')");
  relay.close();
  expect(primary()).not.toBe(before);
  await eventually(() => expect(decisions().slice(decided)).toContain('failover'));
  expect(decisions().slice(decided)).not.toContain('ask-anew');
});
