import { describe, expect, test } from 'vitest';
import { seenAs } from '../../../driver/mysql2/seen-as.js';
import { readOptions } from '../../../driver/options.js';

function nodesOf(given: Parameters<typeof readOptions>[0]): unknown {
  return readOptions(given).split?.nodes.map(({ name, host, port }) => [name, host, port]);
}

describe('the servers of a pool', () => {
  test('are those of nodes, with the pool’s port where none is given', () => {
    expect(nodesOf({ nodes: ['db1', 'db2:3307', '[::1]:3308', { host: 'db4', name: 'four' }], port: 3310 })).toEqual([
      ['db1:3310', 'db1', 3310],
      ['db2:3307', 'db2', 3307],
      ['::1:3308', '::1', 3308],
      ['four', 'db4', 3310],
    ]);
  });

  test('are the host and its replicas', () => {
    expect(nodesOf({ host: 'db1', replicas: ['db2', { host: 'db3', port: '3307' }] })).toEqual([
      ['db1:3306', 'db1', 3306],
      ['db2:3306', 'db2', 3306],
      ['db3:3307', 'db3', 3307],
    ]);
  });

  test('are the hosts of a URI, as a text or an option', () => {
    const uri = 'mysql://app:p%40ss@db1,db2:3307,[::1]:3308/shop?connectionLimit=3&consistency=eventual';
    const nodes = [
      ['db1:3306', 'db1', 3306],
      ['db2:3307', 'db2', 3307],
      ['::1:3308', '::1', 3308],
    ];
    for (const given of [uri, { uri }]) {
      const { driver, split } = readOptions(given);
      expect(nodesOf(given)).toEqual(nodes);
      expect(driver).toMatchObject({ user: 'app', password: 'p@ss', database: 'shop', connectionLimit: 3 });
      expect(split?.consistency).toBe('eventual');
    }
    expect(readOptions({ uri, user: 'other' }).driver.user).toBe('other');
  });

  test('is one where one is named: then all is mysql2’s', () => {
    for (const given of [{ host: 'db1', database: 'shop' }, 'mysql://app@db1/shop']) {
      const { driver, split } = readOptions(given);
      expect(split).toBeUndefined();
      expect(driver).toMatchObject({ host: 'db1', database: 'shop' });
    }
  });
});

test('mysql2 is told of no option that is not its own', () => {
  const { driver } = readOptions({
    nodes: ['db1'],
    replicas: [],
    discovery: true,
    consistency: 'session',
    consistencyWait: 1,
    maxLag: 1,
    balance: {},
    monitor: {},
    acquireTimeout: 1,
    maxLifetime: 1,
    validateAfterIdle: 1,
    user: 'app',
  });
  expect(driver).toEqual({ user: 'app' });
});

test('an option that cannot be meant is refused', () => {
  expect(() => readOptions({ nodes: [] })).toThrow('nodes is empty');
  expect(() => readOptions({ nodes: [':1'] })).toThrow('no address of a server');
  expect(() => readOptions({ nodes: ['db1'], consistency: seenAs<'session'>('sometimes') })).toThrow(
    'none of the levels',
  );
});
