import type { Connection } from 'mysql2/promise';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ProxyOptions } from '../../proxy/options.js';
import { GtidSet } from '../../src/topology/gtid-set.js';
import { DEFAULTS } from '../../src/defaults.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated, whileLocked } from '../cluster.js';
import { eventually, ranOn, startProxy, value, PRIMARY_ID, type Row, type TestProxy } from '../proxy.js';
import { delayReplicas, onReplicas } from '../replicas.js';

let proxy: TestProxy;
let client: Connection;
let other: Connection;
let count = 0;
beforeAll(async () => {
  await freshSchema('consistency');
  proxy = await startProxy();
  const writer = await proxy.connect({ database: 'consistency' });
  await writer.query('CREATE TABLE t (v INT)');
  await untilReplicated();
});
beforeEach(async () => {
  [client, other] = [await connect(), await connect()];
});
afterEach(async () => {
  await onReplicas('START REPLICA SQL_THREAD');
  await untilReplicated();
  await eventually(() => expect(proxy.proxy.snapshot.replicas).toHaveLength(2));
});

async function connect(): Promise<Connection> {
  return proxy.connect({ database: 'consistency' });
}

/** Writes a value that nobody has written. @returns a read that tells whether it is seen */
async function write(writer: Connection): Promise<string> {
  count++;
  await writer.query('INSERT INTO t VALUES (?)', [count]);
  return `SELECT COUNT(*) FROM t WHERE v = ${count}`;
}

async function choose(session: Connection, level: string): Promise<void> {
  await session.query(`SET @rwsplit_consistency = '${level}'`);
}

async function tokenOf(session: Connection): Promise<string> {
  return String(await value(session, 'SHOW RWSPLIT TOKEN'));
}

describe('while no replica applies anything', () => {
  beforeEach(async () => onReplicas('STOP REPLICA SQL_THREAD'));

  test('a session under global sees what another has written', async () => {
    await choose(other, 'global');
    const read = await write(client);
    expect(await value(client, read)).toBe(1);
    expect(await value(other, read)).toBe(1);
  });

  test('a query asks for its own level by a hint, prepared or not, which outweighs that of its session', async () => {
    const read = await write(client);
    expect(await value(other, `/* rwsplit: consistency=global */ ${read}`)).toBe(1);
    const [rows] = await other.execute<Row[]>(`/* rwsplit: replica, consistency=global */ ${read}`);
    expect(Object.values(rows[0] ?? {})).toEqual([1]);
    expect(await ranOn(other, '/* rwsplit: consistency=primary */')).toBe(PRIMARY_ID);
    expect(await ranOn(client, '/* rwsplit: max_lag_ms=5, consistency=session */')).toBe(PRIMARY_ID);
  });

  test('a session that is given the token of another sees what that has written', async () => {
    const read = await write(client);
    const token = await tokenOf(client);
    expect(token).toMatch(/^[0-9a-f-]{36}:\d+/);
    await other.query(`SET @rwsplit_token = '${token}'`);
    expect(await value(other, read)).toBe(1);
  });

  test('what the primary answers instead has the reason, and is bounded', async () => {
    const options = { balance: { primaryReadsMax: 1 }, consistencyWaitMs: 1 };
    const own = await startProxy({ options });
    const reason = (): unknown =>
      own.proxy.counts().find(({ target, reason: it }) => target === 'primary' && it !== 'write')?.reason;
    const [slow, next] = [await own.connect(), await own.connect()];
    await eventually(() => expect(own.proxy.snapshot.replicas).toEqual([]));
    const sleeps = slow.query('SELECT SLEEP(600)');
    await eventually(() => expect(reason()).toBe('replica-lag'));
    const monitor = await own.connect(clusterInfo().accounts.monitor);
    const waits = ranOn(next);
    await eventually(async () => {
      const [sessions] = await monitor.query<Row[]>('SHOW RWSPLIT SESSIONS');
      expect(sessions).toContainEqual(
        expect.objectContaining({ id: next.threadId, phase: 'waiting', reason: 'replica-lag' }),
      );
    });
    // A write needs no such room.
    const writer = await own.connect({ database: 'consistency' });
    await write(writer);
    await (await own.connect()).query(`KILL QUERY ${slow.threadId}`);
    await sleeps;
    expect(await waits).toBe(PRIMARY_ID);
  });

  test.each([
    ['under global', async () => choose(other, 'global'), 'START TRANSACTION READ ONLY', async () => {}],
    [
      'with a token that it is given then',
      async () => {},
      'START TRANSACTION READ ONLY',
      async () => other.query(`SET @rwsplit_token = '${await tokenOf(client)}'`),
    ],
  ])(
    'the first read of a read-only transaction sees what was written since that began, %s',
    async (_, before, begin, then) => {
      await before();
      await other.query(begin);
      const read = await write(client);
      await then();
      expect(await value(other, read)).toBe(1);
      expect(await value(other, read)).toBe(1);
    },
  );

  test.each([
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    'SET TRANSACTION ISOLATION LEVEL READ COMMITTED',
  ])(
    'under global each read of a read-only transaction that has no snapshot sees what was written before, after %s',
    async (isolation) => {
      await choose(other, 'global');
      await other.query(isolation);
      await other.query('START TRANSACTION READ ONLY');
      expect(await ranOn(other)).not.toBe(PRIMARY_ID);
      const read = await write(client);
      expect(await value(other, read)).toBe(1);
    },
  );

  test('a read-only transaction that has its snapshot keeps it, and its replica', async () => {
    await choose(other, 'global');
    await other.query('START TRANSACTION READ ONLY');
    const replica = await ranOn(other);
    expect(replica).not.toBe(PRIMARY_ID);
    expect(await value(other, 'SELECT COUNT(*) FROM t WHERE v < 0')).toBe(0);
    const read = await write(client);
    expect(await value(other, read)).toBe(0);
    expect(await ranOn(other)).toBe(replica);
    expect(await value(other, `/* rwsplit: consistency=primary */ ${read}`)).toBe(1);
  });

  test('the token of a session under monotonic has what was read, too', async () => {
    await choose(client, 'monotonic');
    const read = await write(other);
    expect(await value(client, `/* rwsplit: primary */ ${read}`)).toBe(1);
    const third = await connect();
    await third.query(`SET @rwsplit_token = '${await tokenOf(client)}'`);
    expect(await value(third, read)).toBe(1);
  });
});

test('a primary that is the only node answers as many reads at once as come', async () => {
  const { host, port } = nodeInfo(0);
  const own = await startProxy({ nodes: [{ host, port }], poolMax: DEFAULTS.primaryReads + 1 });
  const readers = await Promise.all(Array.from({ length: DEFAULTS.primaryReads + 1 }, () => own.connect()));
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const waiting = `SELECT COUNT(*) FROM performance_schema.processlist
    WHERE INFO LIKE '%FROM consistency.t%' AND STATE LIKE 'Waiting for table%'`;
  const reads: Promise<number>[] = [];
  await whileLocked('consistency.t', async () => {
    reads.push(...readers.map(async (reader) => ranOn(reader, 'FROM consistency.t LIMIT 1')));
    await eventually(async () => expect(await value(root, waiting)).toBe(readers.length));
  });
  await Promise.all(reads);
});

test('under monotonic nothing that was read is gone from a later read, wherever that runs', async () => {
  await onReplicas('STOP REPLICA SQL_THREAD', [2]);
  await choose(client, 'monotonic');
  for (let i = 0; i < 5; i++) {
    const read = await write(other);
    expect(await value(client, `/* rwsplit: primary */ ${read}`)).toBe(1);
    for (let again = 0; again < 4; again++) expect(await value(client, read)).toBe(1);
  }
});

test('under monotonic, what is being committed counts as read: others see it before it counts as executed', async () => {
  const root = await connectDirect(0, clusterInfo().accounts.root);
  await choose(client, 'monotonic');
  // Until a replica has acknowledged it, and none does, the write stays between the binary log and its end.
  await root.query(
    "SET GLOBAL rpl_semi_sync_source_wait_point = 'AFTER_SYNC', GLOBAL rpl_semi_sync_source_timeout = 3600000",
  );
  await root.query('SET GLOBAL rpl_semi_sync_source_enabled = ON');
  const written = write(other);
  try {
    let owned = '';
    await eventually(async () => {
      owned = String(await value(root, 'SELECT @@global.gtid_owned')).replace(/#\d+/, '');
      expect(owned).not.toBe('');
    });
    await client.query('/* rwsplit: primary */ SELECT COUNT(*) FROM t');
    const token = GtidSet.parse(await tokenOf(client));
    expect(token?.contains(GtidSet.parse(owned) ?? GtidSet.EMPTY)).toBe(true);
  } finally {
    await root.query('SET GLOBAL rpl_semi_sync_source_enabled = OFF');
    await root.query(
      'SET GLOBAL rpl_semi_sync_source_wait_point = DEFAULT, GLOBAL rpl_semi_sync_source_timeout = DEFAULT',
    );
    await written;
  }
});

test('under monotonic reads come back to the replicas, and stay at one', async () => {
  await choose(client, 'monotonic');
  await client.query('/* rwsplit: primary */ SELECT 1');
  let replica = PRIMARY_ID;
  await eventually(async () => {
    replica = await ranOn(client);
    expect(replica).not.toBe(PRIMARY_ID);
  });
  for (let i = 0; i < 5; i++) expect(await ranOn(client)).toBe(replica);
});

test('max_lag_ms keeps a query, or those of a user, from replicas that are later than that, and no other query', async () => {
  const own = await startProxy({ options: { maxLagMs: 3_600_000 } });
  const users: ProxyOptions['users'] = [{ name: clusterInfo().accounts.app.user, maxLagMs: 50 }];
  const ofUser = await startProxy({ options: { maxLagMs: 3_600_000, users } });
  const [session, bound] = [await own.connect(), await ofUser.connect()];
  await delayReplicas(3_600);
  try {
    await write(other);
    await eventually(async () => {
      expect(await ranOn(session, '/* rwsplit: max_lag_ms=50 */')).toBe(PRIMARY_ID);
    });
    const replica = own.proxy.snapshot.replicas[0]?.address.name;
    const bounds = ['max_lag_ms=50', 'replica, max_lag_ms=50', `node=${replica}, max_lag_ms=50`];
    for (const hint of bounds) expect(await ranOn(session, `/* rwsplit: ${hint} */`), hint).toBe(PRIMARY_ID);
    expect(own.proxy.counts()).toContainEqual(expect.objectContaining({ target: 'primary', reason: 'replica-lag' }));
    expect(await ranOn(session)).not.toBe(PRIMARY_ID);
    expect(await ranOn(session, '/* rwsplit: max_lag_ms=3600000 */')).not.toBe(PRIMARY_ID);
    const writer = await own.connect({ database: 'consistency' });
    expect(await value(writer, await write(writer))).toBe(1);
    expect(own.proxy.counts()).toContainEqual(expect.objectContaining({ target: 'primary', reason: 'consistency' }));
    // A user's own bound counts where the query has none.
    await eventually(async () => expect(await ranOn(bound)).toBe(PRIMARY_ID));
    await bound.query('START TRANSACTION READ ONLY');
    expect(await ranOn(bound)).toBe(PRIMARY_ID);
    await bound.query('COMMIT');
    expect(await ranOn(bound, '/* rwsplit: max_lag_ms=3600000 */')).not.toBe(PRIMARY_ID);
  } finally {
    await delayReplicas(0);
  }
});

describe('SET @rwsplit_consistency', () => {
  test('is for one session, until it is taken back', async () => {
    await choose(client, 'primary');
    expect([await ranOn(client), await ranOn(client)]).toEqual([PRIMARY_ID, PRIMARY_ID]);
    expect(await ranOn(other)).not.toBe(PRIMARY_ID);
    await client.query('SET @rwsplit_consistency = DEFAULT');
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
  });

  test.each([`set\n@RWSPLIT_Consistency := "PRIMARY"`, `/* c */ SET @rwsplit_consistency /* d */ = 'primary' ; -- e`])(
    'is understood as %j',
    async (sql) => {
      await client.query(sql);
      expect([await ranOn(client), await ranOn(client)]).toEqual([PRIMARY_ID, PRIMARY_ID]);
      await client.query('SET @rwsplit_consistency = NULL');
      expect(await ranOn(client)).not.toBe(PRIMARY_ID);
    },
  );

  test('refuses what is no level, and a token that is none', async () => {
    await expect(choose(client, 'strong')).rejects.toMatchObject({ errno: 1231 });
    await expect(client.query("SET @rwsplit_token = 'x'")).rejects.toMatchObject({ errno: 1231 });
  });
});

test("a user's level is the configuration's for that user", async () => {
  const users: ProxyOptions['users'] = [{ name: clusterInfo().accounts.app.user, consistency: 'primary' }];
  const own = await startProxy({ options: { users } });
  const session = await own.connect();
  expect([await ranOn(session), await ranOn(session)]).toEqual([PRIMARY_ID, PRIMARY_ID]);
});

test('SHOW RWSPLIT WAITS counts reads by their level and how long they waited, for the monitor alone', async () => {
  await client.query('SELECT 1');
  await client.query('/* rwsplit: consistency=eventual */ SELECT 1');
  const monitor = await proxy.connect(clusterInfo().accounts.monitor);
  const [rows] = await monitor.query<Row[]>('SHOW RWSPLIT WAITS');
  expect(rows[0]).toMatchObject({ wait: 'none' });
  const [reads = 0, ...ofLevels] = ['reads', 'eventual', 'session', 'monotonic', 'global'].map((it) =>
    Number(rows[0]?.[it]),
  );
  expect(Math.min(...ofLevels.slice(0, 2))).toBeGreaterThan(0);
  expect(ofLevels.reduce((sum, it) => sum + it, 0)).toBe(reads);
  await expect(client.query('SHOW RWSPLIT WAITS')).rejects.toMatchObject({ errno: 1227 });
});
