import mysql2, { type Pool } from 'mysql2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../driver/index.js';
import { clusterInfo, freshSchema, nodeInfo } from '../cluster.js';
import { BEHAVIOURS, type Subject } from './behaviours.js';
import { options } from './driver.js';

const SCHEMA = 'driver_behaviours';
const NOWHERE = { host: '127.0.0.1', port: 1 } as const;
const pools: Pool[] = [];

beforeAll(async () => {
  await freshSchema(SCHEMA);
});
afterAll(async () => {
  await Promise.all(
    pools.map(
      async (pool) =>
        new Promise<void>((resolve) => {
          pool.end(() => resolve());
        }),
    ),
  );
});

function opened(pool: Pool): Pool {
  pools.push(pool);
  return pool;
}

const bare: Subject = {
  open: (more) => {
    const { host, port } = nodeInfo(0);
    return opened(mysql2.createPool({ host, port, ...clusterInfo().accounts.app, database: SCHEMA, ...more }));
  },
  openNowhere: () => opened(mysql2.createPool(NOWHERE)),
};
const ours: Subject = {
  open: (more) => opened(createPool(options({ database: SCHEMA, ...more }))),
  openNowhere: () => opened(createPool({ nodes: [NOWHERE] })),
};

test.each(Object.keys(BEHAVIOURS))('%s: the same on a pool of mysql2 and on ours', async (name) => {
  const behaviour = BEHAVIOURS[name];
  expect(await behaviour?.(ours)).toEqual(await behaviour?.(bare));
});
