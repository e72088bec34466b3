import type { Pool } from 'mysql2/promise';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PromiseSplitPool, SplitPoolOptions } from '../../driver/promise.js';
import type { Consistency } from '../../src/session/consistency.js';
import { freshSchema, untilReplicated } from '../cluster.js';
import { asRoot, eventually, PRIMARY_ID } from '../proxy.js';
import { delayReplicas, onReplicas } from '../replicas.js';
import { UNTOLD_ROUTINES, UNTOLD_WRITES } from '../untold-writes.js';
import { openPool, ranOn, value } from './driver.js';

const SCHEMA = 'driver_consistency';
let writer: PromiseSplitPool;
let count = 0;

beforeAll(async () => {
  await freshSchema(SCHEMA);
  await openPool({ database: SCHEMA }).query('CREATE TABLE t (v INT)');
  await asRoot(...UNTOLD_ROUTINES.map((sql) => sql.replaceAll('SCHEMA', SCHEMA)));
  await untilReplicated();
});
beforeEach(() => {
  writer = openPool({ database: SCHEMA });
});
afterEach(async () => {
  await onReplicas('START REPLICA SQL_THREAD');
  await untilReplicated();
});

/** Replicas are looked at once, and stay in use whatever becomes of them. */
const STAY = { maxLag: 3_600_000, monitor: { interval: 3_600_000 } };

/** A pool that knows the servers. */
async function openAt(consistency: Consistency, more: Partial<SplitPoolOptions> = {}) {
  const pool = openPool({ database: SCHEMA, consistency, consistencyWait: 50, ...more });
  await eventually(async () => expect(await ranOn(pool)).not.toBe(consistency === 'primary' ? 0 : PRIMARY_ID));
  return pool;
}

/** Writes a value that nobody has written. @returns a read that tells whether it is seen */
async function write(client: Pick<Pool, 'query'>): Promise<string> {
  count++;
  await client.query('INSERT INTO t VALUES (?)', [count]);
  return `SELECT COUNT(*) FROM t WHERE v = ${count}`;
}

describe('while no replica applies anything', () => {
  test('under global a scope sees what another has written, under session it does not wait for that', async () => {
    const [global, session] = [await openAt('global'), await openAt('session', STAY)];
    await onReplicas('STOP REPLICA SQL_THREAD');
    const [seen, unseen] = [
      await global.scope(async () => write(global)),
      await session.scope(async () => write(session)),
    ];
    expect(await global.scope(async () => value(global, seen))).toBe(1);
    expect(await session.scope(async () => value(session, unseen))).toBe(0);
    const hinted = `/* rwsplit: consistency=global */ ${unseen}`;
    expect(await session.scope(async () => value(session, hinted))).toBe(1);
    const connection = await session.getConnection();
    await session.scope(async () => expect(await value(connection, hinted)).toBe(1));
    connection.release();
  });

  test.each(Object.entries(UNTOLD_WRITES))('what no answer tells is seen: %s', async (_, { statements }) => {
    const [pool, other] = [await openAt('session', STAY), await openAt('session')];
    await pool.query('TRUNCATE untold');
    await pool.query('TRUNCATE untold_2');
    await untilReplicated();
    await onReplicas('STOP REPLICA SQL_THREAD');
    const connection = await pool.getConnection();
    for (const sql of statements) await connection.query(sql).catch(() => {});
    connection.release();
    const count = 'SELECT (SELECT COUNT(*) FROM untold) + (SELECT COUNT(*) FROM untold_2)';
    expect(await value(pool, `/* rwsplit: consistency=eventual */ ${count}`), 'a replica answers').toBe(0);
    for (let i = 0; i < 3; i++) expect(await value(pool, count)).toBe(1);
    expect(await other.withToken(await pool.token(), async () => value(other, count))).toBe(1);
  });

  test('under monotonic the token has what was read, too', async () => {
    const [pool, third] = [await openAt('monotonic'), await openAt('session')];
    await onReplicas('STOP REPLICA SQL_THREAD');
    const read = await write(writer);
    const token = await pool.scope(async () => {
      expect(await value(pool, `/* rwsplit: primary */ ${read}`)).toBe(1);
      return pool.token();
    });
    expect(await third.withToken(token, async () => value(third, read))).toBe(1);
  });

  test('eventual reads see what a replica has', async () => {
    const pool = await openAt('eventual', STAY);
    await onReplicas('STOP REPLICA SQL_THREAD');
    const read = await write(pool);
    expect(await value(pool, read)).toBe(0);
    expect(await value(pool, `/* rwsplit: consistency=session */ ${read}`)).toBe(1);
  });
});

test('under monotonic nothing that was read is gone from a later read, wherever that runs', async () => {
  const pool = await openAt('monotonic');
  const connection = await pool.getConnection();
  await connection.ping();
  await onReplicas('STOP REPLICA SQL_THREAD', [2]);
  const readers = [
    async (read: string) => value(pool, `/* rwsplit: primary */ ${read}`),
    async (read: string) => value(connection, `/* rwsplit: primary */ ${read}`),
    async (read: string) => {
      await connection.beginTransaction();
      const seen = await value(connection, read);
      await connection.commit();
      return seen;
    },
  ];
  for (let i = 0; i < 9; i++) {
    const read = await write(writer);
    expect(await readers[i % 3]?.(read)).toBe(1);
    for (let again = 0; again < 4; again++) {
      expect(await value(pool, read)).toBe(1);
      expect(await value(connection, read)).toBe(1);
    }
  }
  connection.release();
});

test('a read that a hint puts under monotonic is no older than those before it', async () => {
  const pool = await openAt('eventual', { maxLag: 3_600_000 });
  await onReplicas('STOP REPLICA SQL_THREAD');
  const read = await write(writer);
  expect(await value(pool, `/* rwsplit: primary */ ${read}`)).toBe(1);
  expect(await value(pool, `/* rwsplit: consistency=monotonic */ ${read}`)).toBe(1);
});

test('under monotonic reads come back to the replicas, and stay at one', async () => {
  const pool = await openAt('monotonic');
  await pool.query('/* rwsplit: primary */ SELECT 1');
  let replica = PRIMARY_ID;
  await eventually(async () => {
    replica = await ranOn(pool);
    expect(replica).not.toBe(PRIMARY_ID);
  });
  for (let i = 0; i < 5; i++) expect(await ranOn(pool)).toBe(replica);
});

test('max_lag_ms keeps a query from replicas that are later than that, and no other query', async () => {
  const pool = await openAt('session', { maxLag: 3_600_000, monitor: { interval: 100 } });
  await delayReplicas(3_600);
  try {
    await write(writer);
    await eventually(async () => expect(await ranOn(pool, '/* rwsplit: max_lag_ms=50 */')).toBe(PRIMARY_ID));
    expect(pool.status().routes).toContainEqual(expect.objectContaining({ to: 'primary', reason: 'replica-lag' }));
    expect(await ranOn(pool)).not.toBe(PRIMARY_ID);
  } finally {
    await delayReplicas(0);
  }
});

test('at the level primary no read leaves it, read-only transactions included', async () => {
  const pool = await openAt('primary');
  const connection = await pool.getConnection();
  await connection.ping();
  expect(await ranOn(pool)).toBe(PRIMARY_ID);
  await connection.query('START TRANSACTION READ ONLY');
  expect(await ranOn(connection, 'FROM t LIMIT 1')).toBe(PRIMARY_ID);
  await connection.query('COMMIT');
  connection.release();
});
