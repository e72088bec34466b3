import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { main } from '../../proxy/cli/main.js';
import { eventually, temporaryDirectory, value, type Row } from '../proxy.js';
import { startRelay } from '../relay.js';
import type { Ledger } from './ledger.js';
import { PromotingCluster } from './promoting-cluster.js';

let site: PromotingCluster;
/** What a hook was told. */
let hooked: string;

beforeAll(async () => {
  hooked = join(await temporaryDirectory(), 'hooked');
  site = await PromotingCluster.start({ hooks: [`cat >> ${hooked}`] });
});
afterAll(async () => site.stop());

/** Everything that was acknowledged is on the primary, and nothing that was said not to have been executed. */
async function expectKept(ledger: Ledger): Promise<void> {
  const server = await site.direct(site.primaryIndex);
  expect(await ledger.lostOn(server)).toEqual([]);
  expect(await ledger.unexpectedOn(server)).toEqual([]);
}

/** What a verb of the command line prints, said to the proxy. */
async function rwsplit(...args: readonly string[]): Promise<string> {
  const { user, password } = site.cluster.accounts.monitor;
  process.env['FAULTS_MONITOR'] = password;
  const printed: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  try {
    const login = [
      '--proxy',
      `${site.proxy.host}:${site.proxy.port}`,
      '--user',
      user,
      '--password-env',
      'FAULTS_MONITOR',
    ];
    expect(await main([...args, ...login])).toBe(0);
  } finally {
    write.mockRestore();
  }
  return printed.join('');
}

test('a primary that is killed is replaced, and nothing that was acknowledged is lost', async () => {
  const before = site.primaryIndex;
  const ledger = site.ledger();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  const atMs = ledger.nowMs;
  await site.cluster.nodes[before]?.kill();
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(100));
  await ledger.stop();

  const now = site.primaryIndex;
  expect(now).not.toBe(before);
  await expectKept(ledger);
  // Whoever had a statement under way when the server died cannot be told what became of it; nobody else sees an error.
  const spared = ledger.entries.filter(
    (it) => it.fate !== 'acknowledged' && !it.error.includes('whether the statement was executed is not known'),
  );
  expect(spared).toEqual([]);
  const server = await site.direct(now);
  expect(await value(server, 'SELECT @@global.rpl_semi_sync_source_enabled')).toBe(1);
  expect(
    await value(
      server,
      'SELECT COUNT(*) FROM performance_schema.replication_connection_configuration WHERE HOST <> ""',
    ),
  ).toBe(0);
  await eventually(() => {
    const events = readFileSync(hooked, 'utf8')
      .trim()
      .split('\n')
      .map((it): unknown => JSON.parse(it));
    expect(events.at(-1)).toMatchObject({
      event: 'failover',
      from: site.nameOf(before),
      to: site.nameOf(now),
      lost: '',
    });
  });
  const name = site.nameOf(now);
  const decision = site.decisions().find(({ kind }) => kind === 'failover');
  expect(decision).toMatchObject({ diagnosis: 'dead', outcome: `${name} is the primary` });
  expect(decision?.steps).toContainEqual(expect.objectContaining({ step: 'open', node: name, outcome: 'done' }));
  const { failover, root } = site.cluster.accounts;
  for (const { password } of [failover, root]) expect(site.audit).not.toContain(password);
  const admin = await site.proxy.connect(site.cluster.accounts.monitor);
  const [shown] = await admin.query<Row[]>('SHOW RWSPLIT FAILOVER');
  expect(shown.map((it) => String(it['value'])).join('\n')).toMatch(`${name} is the primary`);
  const sibling = await site.direct([0, 1, 2].find((it) => it !== now && it !== before) ?? 0);
  await eventually(async () => expect(await ledger.lostOn(sibling)).toEqual([]));
});

test('an old primary comes back as a replica, whatever it has that nobody was told of', async () => {
  await site.allBack();
  const { snapshot } = site.proxy.proxy;
  expect(snapshot.nodes.map(({ role }) => role).toSorted()).toEqual(['primary', 'replica', 'replica']);
  const client = await site.client();
  await client.query("INSERT INTO ledger VALUES ('after the return')");
  const counts = async (): Promise<unknown[]> =>
    Promise.all(
      [0, 1, 2].map(async (it) => value(await site.direct(it), 'SELECT COUNT(*), SUM(CRC32(id)) FROM ledger')),
    );
  await eventually(async () => expect(new Set(await counts()).size).toBe(1));
});

test('a primary that is frozen is replaced, and is none any more when it wakes up', async () => {
  const before = site.primaryIndex;
  const ledger = site.ledger();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(50));
  const atMs = ledger.nowMs;
  await site.cluster.nodes[before]?.freeze();
  await eventually(() => expect(ledger.acknowledgedSince(atMs + 100)).toBeGreaterThan(50));
  await site.cluster.nodes[before]?.thaw();
  const thawnAtMs = ledger.nowMs;
  await eventually(() => expect(ledger.acknowledgedSince(thawnAtMs)).toBeGreaterThan(50));
  await ledger.stop();

  expect(site.primaryIndex).not.toBe(before);
  await expectKept(ledger);
  await site.allBack();
  await expectKept(ledger);
  expect(site.primaryIndex).not.toBe(before);
});

test('a session lives through it, and its transaction is told to begin again', async () => {
  const client = await site.client();
  await client.query("SET SESSION sql_mode = 'ANSI_QUOTES'");
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('in transaction')");
  const idle = await site.client();
  await idle.execute('SELECT COUNT(*) FROM ledger WHERE id = ?', ['x']);
  const pinned = await site.client();
  await pinned.query('CREATE TEMPORARY TABLE tmp (id INT)');
  const before = site.primaryIndex;
  await site.cluster.nodes[before]?.kill();

  await expect(client.query("INSERT INTO ledger VALUES ('later')")).rejects.toMatchObject({
    errno: 1213,
    sqlState: '40001',
  });
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('in transaction')");
  await client.commit();
  expect(await value(client, 'SELECT @@sql_mode')).toBe('ANSI_QUOTES');
  await idle.execute('INSERT INTO ledger VALUES (?)', ['prepared']);
  expect(await value(idle, "SELECT COUNT(*) FROM ledger WHERE id IN ('in transaction', 'prepared', 'later')")).toBe(2);
  await expect(pinned.query('SELECT * FROM tmp')).rejects.toMatchObject({ errno: 2013 });
  expect(site.primaryIndex).not.toBe(before);
});

test('a planned switchover under load is not noticed by any client', async () => {
  await site.allBack();
  const admin = await site.proxy.connect(site.cluster.accounts.monitor);
  const before = site.primaryIndex;
  const ledger = site.ledger();
  ledger.start(8);
  await eventually(() => expect(ledger.acknowledgedSince(0)).toBeGreaterThan(100));
  for (const to of [(before + 1) % 3, (before + 2) % 3, before]) {
    const name = site.nameOf(to);
    const [plan] = await admin.query<Row[]>(`RWSPLIT SWITCHOVER TO '${name}' DRY RUN`);
    expect(plan.map((it) => it['step'])).toEqual(expect.arrayContaining(['hold', 'close', 'drain', 'open', 'release']));
    expect(await rwsplit('switchover', '--to', name)).toMatch(/it is the primary now/);
    expect(site.primaryIndex).toBe(to);
    const atMs = ledger.nowMs;
    await eventually(() => expect(ledger.acknowledgedSince(atMs)).toBeGreaterThan(100));
    await site.allBack();
  }
  await ledger.stop();
  expect(ledger.entries.filter(({ fate }) => fate !== 'acknowledged')).toEqual([]);
  await expectKept(ledger);
  for (const node of [0, 1, 2])
    await eventually(async () => expect(await ledger.lostOn(await site.direct(node))).toEqual([]));
});

test('a switchover waits for transactions, and leaves everything as it was where they do not end', async () => {
  await site.allBack();
  const admin = await site.proxy.connect(site.cluster.accounts.monitor);
  const before = site.primaryIndex;
  const name = site.nameOf((before + 1) % 3);
  const client = await site.client();
  await client.beginTransaction();
  await client.query("INSERT INTO ledger VALUES ('begun before')");
  await expect(admin.query(`RWSPLIT SWITCHOVER TO '${name}'`)).rejects.toThrow(
    /1 transactions on .* do not end; everything is as it was/,
  );
  await client.query("INSERT INTO ledger VALUES ('goes on')");
  await client.commit();
  expect(site.primaryIndex).toBe(before);
  await expect(admin.query(`RWSPLIT SWITCHOVER TO '127.0.0.1:1'`)).rejects.toThrow(/no node/);
  await expect(client.query(`RWSPLIT SWITCHOVER TO '${name}'`)).rejects.toMatchObject({ errno: 1227 });
});

test('a primary that only the proxy cannot reach stays the primary', async () => {
  await site.allBack();
  const before = site.primaryIndex;
  const relay = await startRelay(site.cluster.nodes[before] ?? site.cluster.nodes[0]);
  const others = site.cluster.nodes.filter((_, index) => index !== before);
  const cutOff = await site.anotherProxy([{ host: '127.0.0.1', port: relay.port }, ...others]);
  const client = await cutOff.connect({ ...site.cluster.accounts.app, database: 'faults' });
  await client.query("INSERT INTO ledger VALUES ('before the cut')");
  relay.cut();
  const held = client.query("INSERT INTO ledger VALUES ('after the cut')");
  const relayed = (): string | undefined =>
    cutOff.proxy.snapshot.nodes.find(({ address }) => address.port === relay.port)?.health;
  await eventually(() => expect(relayed()).toBe('down'));
  // Reads go on, and everybody else still writes to the same server.
  const reader = await cutOff.connect({ ...site.cluster.accounts.app, database: 'faults' });
  expect(await value(reader, "SELECT COUNT(*) FROM ledger WHERE id = 'before the cut'")).toBe(1);
  const other = await site.client();
  await other.query("INSERT INTO ledger VALUES ('meanwhile')");
  relay.mend();
  await held;
  expect(site.primaryIndex).toBe(before);
  await eventually(async () => expect(await client.query("INSERT INTO ledger VALUES ('in the end')")).toBeTruthy());
  expect(
    await value(other, "SELECT COUNT(*) FROM ledger WHERE id IN ('after the cut', 'meanwhile', 'in the end')"),
  ).toBe(3);
  await cutOff.proxy.stop();
});

test('servers that reach each other by other addresses than the proxy does go on by theirs', async () => {
  await site.allBack();
  await site.proxy.proxy.stop();
  const ways = await Promise.all(site.cluster.nodes.map(async (node) => startRelay(node)));
  const own = await site.anotherProxy(ways);
  const primary = (): number => ways.findIndex(({ port }) => port === own.proxy.snapshot.primary?.address.port);
  await eventually(() => expect(own.proxy.snapshot.replicas).toHaveLength(2));
  const expectSources = async (): Promise<void> => {
    const { port } = site.cluster.nodes[primary()] ?? { port: 0 };
    for (const index of [0, 1, 2].filter((it) => it !== primary())) {
      const [[status]] = await (await site.direct(index)).query<Row[]>('SHOW REPLICA STATUS');
      expect(status).toMatchObject({ Source_Port: port, Replica_IO_Running: 'Yes' });
    }
  };
  const client = await own.connect({ ...site.cluster.accounts.app, database: 'faults' });
  const admin = await own.connect(site.cluster.accounts.monitor);

  const next = (primary() + 1) % 3;
  await admin.query(`RWSPLIT SWITCHOVER TO '127.0.0.1:${ways[next]?.port}'`);
  expect(primary()).toBe(next);
  await client.query("INSERT INTO ledger VALUES ('behind published ports')");
  await eventually(expectSources);

  await site.cluster.nodes[next]?.kill();
  await client.query("INSERT INTO ledger VALUES ('behind published ports, still')");
  expect(primary()).not.toBe(next);
  await site.cluster.nodes[next]?.restart();
  await eventually(expectSources);
  await own.proxy.stop();
  await site.restartProxy();
});

test('a proxy that starts later knows who is the primary, although others take writes too', async () => {
  await site.allBack();
  const before = site.primaryIndex;
  const stray = await site.direct((before + 1) % 3);
  await stray.query('STOP REPLICA');
  await stray.query('RESET REPLICA ALL');
  await stray.query('SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF');
  await site.restartProxy();
  expect(site.primaryIndex).toBe(before);
  const client = await site.client();
  await client.query("INSERT INTO ledger VALUES ('after a restart')");
  expect(await value(await site.direct(before), "SELECT COUNT(*) FROM ledger WHERE id = 'after a restart'")).toBe(1);
  const { nodes } = site.proxy.proxy.snapshot;
  expect(nodes.filter(({ health }) => health === 'quarantined')).toHaveLength(1);
});
