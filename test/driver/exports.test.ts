import mysql2, { type PoolConnection } from 'mysql2';
import mysql2Promise from 'mysql2/promise';
import * as namedOfMysql2 from 'mysql2';
import * as namedOfPromise from 'mysql2/promise';
import { expect, expectTypeOf, test } from 'vitest';
import rwsplit, { createPool, createPoolCluster } from '../../driver/index.js';
import * as named from '../../driver/index.js';
import rwsplitPromise, {
  createConnection,
  createPool as createPromisePool,
  createPoolCluster as createPromisePoolCluster,
} from '../../driver/promise.js';
import * as namedPromise from '../../driver/promise.js';
import { options, ranOn } from './driver.js';

/** What TypeScript's modules have beside what is exported. */
const OF_MODULES = new Set(['default', 'module.exports']);

function namesOf(module: object): string[] {
  return Object.getOwnPropertyNames(module)
    .filter((name) => !OF_MODULES.has(name))
    .sort();
}

test('all that mysql2 exports is there, and more is not', () => {
  expect(namesOf(rwsplit)).toEqual(namesOf(mysql2));
  expect(namesOf(rwsplitPromise)).toEqual(namesOf(mysql2Promise));
  expect(namesOf(named)).toEqual(namesOf(namedOfMysql2));
  expect(namesOf(namedPromise)).toEqual(namesOf(namedOfPromise));
  expect(createPoolCluster).toBe(namedOfMysql2.createPoolCluster);
  expect(createPromisePoolCluster).toBe(namedOfPromise.createPoolCluster);
});

test('all that mysql2 declares is declared', () => {
  expectTypeOf<keyof typeof namedOfMysql2>().toExtend<keyof typeof named>();
  expectTypeOf<keyof typeof namedOfPromise>().toExtend<keyof typeof namedPromise>();
  expectTypeOf<keyof typeof mysql2>().toExtend<keyof typeof rwsplit>();
  expectTypeOf<keyof typeof mysql2Promise>().toExtend<keyof typeof rwsplitPromise>();
});

// `using` compiles to this; Node.js 20 has the symbols, and not yet the syntax.
test('pools and connections are disposed of as mysql2’s are', async () => {
  const promising = createPromisePool(options());
  const leased = await promising.getConnection();
  expect(await ranOn(leased)).toBeGreaterThan(0);
  await leased[Symbol.asyncDispose]();
  expect(promising.status().nodes.every(({ connections, free }) => connections === free)).toBe(true);
  const single = await createConnection(options());
  expect(await ranOn(single)).toBeGreaterThan(0);
  await single[Symbol.asyncDispose]();
  await promising[Symbol.asyncDispose]();
  await expect(promising.query('SELECT 1')).rejects.toThrow('Pool is closed.');
  const pool = createPool(options());
  const connection = await new Promise<PoolConnection>((resolve, reject) => {
    pool.getConnection((error, given) => (error === null ? resolve(given) : reject(error)));
  });
  connection[Symbol.dispose]();
  pool[Symbol.dispose]();
  await expect(pool.promise().query('SELECT 1')).rejects.toThrow('Pool is closed.');
});
