import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { asRoot, eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

const FIRST_CLIENT_ID = 2 ** 30;
/** Waits in the server until it is killed. */
const READ = 'SELECT v FROM t WHERE id = 1 AND SLEEP(50) /* long */';
const WRITE = 'UPDATE t SET v = v + 1 WHERE SLEEP(50) = 0 /* long */';

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('kill_it');
  const writer = await connectDirect(0, { database: 'kill_it' });
  await writer.query('CREATE TABLE t (id INT PRIMARY KEY, v INT)');
  await writer.query('INSERT INTO t VALUES (1, 1), (2, 2)');
  await asRoot("CREATE USER IF NOT EXISTS killer@'%' IDENTIFIED BY 'killer'");
  await untilReplicated();
  proxy = await startProxy({ poolMax: 2 });
});

async function connect(): Promise<Connection> {
  return proxy.connect({ database: 'kill_it' });
}

/** The statements that run for `app` on any node with this in their text. */
async function running(text: string): Promise<Row[]> {
  const found = await Promise.all(
    clusterInfo().nodes.map(async (_node, index) => {
      const root = await connectDirect(index, clusterInfo().accounts.root);
      const [rows] = await root.query<Row[]>(
        `SELECT PROCESSLIST_ID AS id FROM performance_schema.threads
         WHERE PROCESSLIST_INFO LIKE ? AND PROCESSLIST_ID <> CONNECTION_ID()`,
        [`%${text}%`],
      );
      root.destroy();
      return rows;
    }),
  );
  return found.flat();
}

/** What became of a statement; it must be looked at before anything that may make it fail. */
async function outcome(statement: Promise<unknown>): Promise<number | string> {
  return statement.then(
    () => 'done',
    (error: unknown) => (error instanceof Error && 'errno' in error ? Number(error.errno) : String(error)),
  );
}

describe('KILL QUERY with the id that a client was told', () => {
  for (const [name, sql] of [
    ['a read, on a replica', READ],
    ['a write, on the primary', WRITE],
  ] as const) {
    test(`interrupts ${name}, and the session goes on`, async () => {
      const [victim, killer] = [await connect(), await connect()];
      expect(victim.threadId).toBeGreaterThanOrEqual(FIRST_CLIENT_ID);
      const seen = outcome(victim.query(sql));
      await eventually(async () => expect(await running('/* long */')).toHaveLength(1));
      await killer.query(`KILL QUERY ${victim.threadId}`);
      expect(await seen).toBe(1317);
      expect(await running('/* long */')).toEqual([]);
      expect(await value(victim, 'SELECT v FROM t WHERE id = 1')).toBe(1);
    });
  }

  test('interrupts a statement in a transaction, which stays open', async () => {
    const [victim, killer] = [await connect(), await connect()];
    await victim.query('BEGIN');
    await victim.query('UPDATE t SET v = 20 WHERE id = 2');
    const seen = outcome(victim.query(READ));
    await eventually(async () => expect(await running('/* long */')).toHaveLength(1));
    await killer.execute(`KILL QUERY ${victim.threadId}`);
    expect(await seen).toBe(1317);
    expect(await value(victim, 'SELECT v FROM t WHERE id = 2')).toBe(20);
    await victim.query('ROLLBACK');
    expect(await value(victim, 'SELECT v FROM t WHERE id = 2 FOR UPDATE')).toBe(2);
  });

  test('interrupts a statement that waits for a connection: it is not executed', async () => {
    const [victim, killer] = [await connect(), await connect()];
    const holders = [await connect(), await connect()];
    for (const holder of holders) await holder.query('BEGIN');
    for (const holder of holders) await holder.query('SELECT 1');
    const seen = outcome(victim.query('UPDATE t SET v = 99 WHERE id = 1'));
    // The killer finds no free connection to the primary either, for its own OK: it gets one with the first COMMIT.
    const killed = killer.query(`KILL QUERY ${victim.threadId}`);
    expect(await seen).toBe(1317);
    for (const holder of holders) await holder.query('COMMIT');
    await killed;
    expect(await value(victim, 'SELECT v FROM t WHERE id = 1 FOR UPDATE')).toBe(1);
  });

  test('interrupts a read that waits for what its session wrote', async () => {
    const [victim, killer] = [await connect(), await connect()];
    const replicas = [1, 2];
    for (const index of replicas) {
      const root = await connectDirect(index, clusterInfo().accounts.root);
      await root.query('STOP REPLICA SQL_THREAD');
    }
    try {
      await victim.query('UPDATE t SET v = 5 WHERE id = 1');
      const seen = outcome(victim.query(READ));
      await eventually(async () => expect(await running('/* long */')).not.toEqual([]));
      await killer.query(`KILL QUERY ${victim.threadId}`);
      expect(await seen).toBe(1317);
      await victim.query('UPDATE t SET v = 1 WHERE id = 1');
    } finally {
      for (const index of replicas) {
        const root = await connectDirect(index, clusterInfo().accounts.root);
        await root.query('START REPLICA SQL_THREAD');
      }
      await untilReplicated();
    }
  });

  test('never hits the statement of another session', async () => {
    const victims = await Promise.all(Array.from({ length: 4 }, async () => connect()));
    const others = await Promise.all(Array.from({ length: 4 }, async () => connect()));
    const killer = await connect();
    const ends = new AbortController();
    const loop = async (client: Connection): Promise<Set<number | string>> => {
      const seen = new Set<number | string>();
      while (!ends.signal.aborted) {
        seen.add(await outcome(client.query('SELECT COUNT(*) FROM t')));
        seen.add(await outcome(client.query('UPDATE t SET v = v WHERE id = 2')));
      }
      return seen;
    };
    const victimLoops = victims.map(loop);
    const otherLoops = others.map(loop);
    for (let i = 0; i < 60; i++) await killer.query(`KILL QUERY ${victims[i % 4]?.threadId}`);
    ends.abort();
    for (const seen of await Promise.all(otherLoops)) expect([...seen]).toEqual(['done']);
    for (const seen of await Promise.all(victimLoops))
      expect([...seen].filter((it) => it !== 'done' && it !== 1317)).toEqual([]);
  });
});

describe('KILL CONNECTION with the id that a client was told', () => {
  test('ends its connection and what runs for it, and rolls its transaction back', async () => {
    const [victim, killer] = [await connect(), await connect()];
    await victim.query('BEGIN');
    await victim.query('UPDATE t SET v = 77 WHERE id = 2');
    const seen = outcome(victim.query(READ));
    await eventually(async () => expect(await running('/* long */')).toHaveLength(1));
    await killer.query(`KILL ${victim.threadId}`);
    expect(await seen).not.toBe('done');
    await eventually(async () => expect(await running('/* long */')).toEqual([]));
    expect(await value(killer, 'SELECT v FROM t WHERE id = 2 FOR UPDATE')).toBe(2);
    expect(await outcome(killer.query(`KILL ${victim.threadId}`))).toBe(1094);
  });

  test('ends a connection on which nothing runs', async () => {
    const raw = await RawClient.logIn({ ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port });
    const killer = await connect();
    await killer.query(`KILL CONNECTION ${raw.connectionId}`);
    await raw.ended();
  });
});

describe('a KILL is answered as by a server', () => {
  const own = async (id: number, sql: string): Promise<string[]> => {
    const { host, port } = id === 0 ? nodeInfo(0) : proxy;
    const raw = await RawClient.logIn({
      ...clusterInfo().accounts.app,
      host,
      port,
      capabilities: Capability.DEPRECATE_EOF,
    });
    const seen = (await raw.query(sql.replace('OWN', String(raw.connectionId)))).map(({ payload }) =>
      payload.toString('latin1'),
    );
    if (/query/i.test(sql)) {
      const warnings = await raw.query('SHOW WARNINGS');
      return [...seen, ...warnings.slice(4).map(({ payload }) => payload.toString('latin1'))];
    }
    await raw.ended();
    return seen;
  };
  for (const sql of [
    'KILL OWN',
    'KILL CONNECTION_ID()',
    'KILL /* c */ CONNECTION OWN;',
    'KILL QUERY OWN',
    'kill query connection_id ( )',
  ]) {
    test(`to ${sql}`, async () => {
      expect(await own(1, sql)).toEqual(await own(0, sql));
    });
  }

  test('where there is no such client', async () => {
    const client = await connect();
    await expect(client.query('KILL 2147483000')).rejects.toMatchObject({
      errno: 1094,
      message: 'Unknown thread id: 2147483000',
    });
    await expect(client.query('KILL QUERY 4294967295')).rejects.toMatchObject({ errno: 1094 });
  });

  test('where the server does not let the user', async () => {
    const victim = await connect();
    const killer = await proxy.connect({ user: 'killer', password: 'killer' });
    for (const kind of ['QUERY', 'CONNECTION']) {
      await expect(killer.query(`KILL ${kind} ${victim.threadId}`)).rejects.toMatchObject({
        errno: 1095,
        message: `You are not owner of thread ${victim.threadId}`,
      });
    }
    expect(await value(victim, 'SELECT 1')).toBe(1);
  });

  test('where the server lets the user', async () => {
    const victim = await connect();
    const killer = await proxy.connect(clusterInfo().accounts.root);
    const seen = outcome(victim.query(READ));
    await eventually(async () => expect(await running('/* long */')).toHaveLength(1));
    await killer.query(`KILL QUERY ${victim.threadId}`);
    expect(await seen).toBe(1317);
  });
});

describe('CONNECTION_ID()', () => {
  test('alone is the id that the client was told', async () => {
    const client = await connect();
    for (const sql of [
      'SELECT CONNECTION_ID()',
      'select connection_id ( ) AS id FROM DUAL LIMIT 1;',
      "/* a */ SELECT /* b */ CONNECTION_ID() 'the id' -- c",
      'SELECT CONNECTION_ID() `limit`',
    ]) {
      expect(await value(client, sql)).toBe(client.threadId);
      const [rows] = await client.execute<Row[]>(sql);
      expect(Object.values(rows[0] ?? {})).toEqual([client.threadId]);
    }
  });

  test('in any other use is the one of its server, and stays so', async () => {
    const client = await connect();
    const id = await value(client, 'SELECT CONNECTION_ID() + 0');
    expect(id).toBeLessThan(FIRST_CLIENT_ID);
    await connect().then(async (other) => other.query('SELECT 1 FROM DUAL FOR UPDATE'));
    expect(await value(client, 'SELECT ID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()')).toBe(id);
    await client.query("SELECT GET_LOCK('kill_it', 0)");
    expect(await value(client, "SELECT IS_USED_LOCK('kill_it') = CONNECTION_ID()")).toBe(1);
    const killer = await connect();
    await killer.query(`KILL ${String(id)}`);
    expect(await outcome(client.query('SELECT 1'))).not.toBe('done');
  });
});

describe('a client that disappears in the middle of a statement', () => {
  test.each([READ, WRITE])('has it killed on the server, where that is set: %s', async (sql) => {
    const own = await startProxy({ options: { clients: { killAbandoned: true } } });
    const client = await own.connect({ database: 'kill_it' });
    client.query(sql).catch(() => {});
    await eventually(async () => expect(await running('long')).toHaveLength(1));
    client.destroy();
    await eventually(async () => expect(await running('long')).toEqual([]));
    const next = await own.connect({ database: 'kill_it' });
    expect(await value(next, 'SELECT COUNT(*) FROM t')).toBe(2);
  });
});
