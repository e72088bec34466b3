import mysql2 from 'mysql2';
import type * as Callbacks from 'mysql2';
import promises from 'mysql2/promise';
import type * as Promises from 'mysql2/promise';
import { expect, expectTypeOf, test, vi } from 'vitest';
import { seenAs } from '../../../driver/mysql2/seen-as.js';
import rwsplit, * as named from '../../../driver/index.js';
import rwsplitPromise, * as namedPromise from '../../../driver/promise.js';

test('the module has all that mysql2 has, and nothing under another name', () => {
  expect(Object.keys(rwsplit).sort()).toEqual(Object.keys(mysql2).sort());
  expect(Object.keys(rwsplitPromise).sort()).toEqual(Object.keys(promises).sort());
  expect(rwsplit.format('SELECT ?', [1])).toBe('SELECT 1');
  const lazy = ['Types', 'Charsets', 'CharsetToEncoding', 'TypedParameter', 'createPoolClusterPromise'];
  for (const name of lazy) expect([name, Reflect.get(rwsplit, name)]).toEqual([name, Reflect.get(mysql2, name)]);
});

test('a pool of one server is mysql2’s own', () => {
  const pool = named.createPool({ host: '127.0.0.1' });
  expect(Object.getPrototypeOf(pool)).toBe(Object.getPrototypeOf(mysql2.createPool({ host: '127.0.0.1' })));
});

test('what takes a pool of mysql2 takes one of ours', () => {
  const options = { nodes: ['db1:3306', 'db2:3306'], user: 'app', connectionLimit: 5 };
  const pool = named.createPool(options);
  const promising = namedPromise.createPool(options);
  expect(pool).toBeInstanceOf(Reflect.get(mysql2, 'Pool'));
  expect(promising).toBeInstanceOf(Reflect.get(promises, 'PromisePool'));
  expectTypeOf(pool).toExtend<Callbacks.Pool>();
  expectTypeOf(promising).toExtend<Promises.Pool>();
  expectTypeOf(pool.promise()).toExtend<Promises.Pool>();
  expectTypeOf(pool.primary).toEqualTypeOf<Callbacks.Pool>();
  expectTypeOf(pool.token()).toEqualTypeOf<Promise<string>>();
  expectTypeOf(named.createPool({ host: 'db1' })).toEqualTypeOf<Callbacks.Pool>();
  expectTypeOf(named.createPool('mysql://app@db1,db2/shop')).toExtend<named.Splitting>();
  expectTypeOf(namedPromise.createConnection).returns.toEqualTypeOf<Promise<Promises.Connection>>();
  expectTypeOf<named.RowDataPacket>().toEqualTypeOf<Callbacks.RowDataPacket>();
  expectTypeOf(rwsplit).toExtend<Pick<typeof mysql2, 'createPool' | 'createConnection' | 'createPoolCluster'>>();
});

test('of an option that mysql2 does not know it complains as often as for one server', () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  named.createPool({ nodes: ['db1', 'db2', 'db3'], ...seenAs<object>({ noSuchOption: 1 }) });
  expect(said).toHaveBeenCalledTimes(1);
  said.mockRestore();
});
