import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Row } from '../proxy.js';
import type { Ledger } from './ledger.js';
import { FAULT_WORDS, prepareFault, relayReplicas } from './primary-faults.js';
import { PromotingCluster } from './promoting-cluster.js';
import { StrayWriter } from './stray-writer.js';

const WRITERS = 8;

let site: PromotingCluster;
beforeAll(async () => {
  site = await PromotingCluster.start();
  await liveLong();
});
afterAll(async () => site.stop());

/** As servers that have had many primaries: what a replica has received is a long text. */
async function liveLong(): Promise<void> {
  const primary = await site.direct(site.primaryIndex);
  for (let server = 1; server <= 60; server++) {
    const id = String(server).padStart(12, '0');
    await primary.query(`SET GTID_NEXT = '00000000-0000-0000-0000-${id}:1'`);
    await primary.query('BEGIN');
    await primary.query('COMMIT');
  }
}

/** The proxy would promote one if the primary died now: it has forgotten the connections that replicas had before. */
async function untilReplaceable(): Promise<void> {
  const admin = await site.proxy.connect(site.cluster.accounts.monitor);
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
    const before = await site.allBack();
    const prepared = await prepareFault(fault, { cluster: site.cluster, primary: before, table: 'faults.ledger' });
    const stray = await StrayWriter.connect(site.cluster, before, 'faults.ledger');
    const ledger = site.ledger();
    ledger.start(WRITERS);
    await untilAllWrite(ledger, 0);
    await prepared.strike();
    const struckAtMs = ledger.nowMs;
    const writing = stray.writeOnce();
    await untilAllWrite(ledger, struckAtMs);
    await prepared.undo();
    await Promise.all([writing, stray.writeUntilRefused()]);
    await ledger.stop();

    expect(site.primary).not.toBe(before);
    const server = await site.direct(site.primaryIndex);
    expect(await stray.lostOn(server)).toEqual([]);
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
  const before = await site.allBack();
  const relay = await relayReplicas({ cluster: site.cluster, primary: before });
  await untilReplaceable();
  const client = await site.client();
  const decided = site.decisions().length;
  relay.cut();
  await before.kill();
  await client.query("INSERT INTO ledger VALUES ('behind the cut')");
  relay.close();
  expect(site.primary).not.toBe(before);
  await eventually(() => expect(kindsSince(decided)).toContain('failover'));
  expect(kindsSince(decided)).not.toContain('ask-anew');
});

/** Of what kind they are, without the first ones of all. */
function kindsSince(count: number): string[] {
  return site
    .decisions()
    .slice(count)
    .map(({ kind }) => kind);
}
