import { afterEach, beforeEach, expect, test } from 'vitest';
import { shop } from '../../driver/example/fastify.js';
import type { PromiseSplitPool } from '../../driver/promise.js';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { openPool, ranOn } from './driver.js';

let pools: [PromiseSplitPool, PromiseSplitPool];
const onReplicas = async (sql: string): Promise<void> => {
  for (const index of [1, 2]) await (await connectDirect(index, clusterInfo().accounts.root)).query(sql);
};

beforeEach(async () => {
  const schema = await freshSchema('driver_example');
  // Two processes of one application.
  const settings = { database: schema, monitor: { interval: 3_600_000 }, consistencyWait: 50 };
  pools = [openPool(settings), openPool(settings)];
  await pools[0].query('CREATE TABLE item (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50))');
  await untilReplicated();
  for (const pool of pools) await ranOn(pool);
  await onReplicas('STOP REPLICA SQL_THREAD');
});
afterEach(async () => {
  await onReplicas('START REPLICA SQL_THREAD');
  await untilReplicated();
});

test('a request sees what it wrote, and what its browser wrote in another process, while no replica has it', async () => {
  const [first, second] = pools.map(shop);
  const payload = { name: 'lamp' };
  const written = await first?.inject({ method: 'POST', url: '/items', payload });
  expect(written?.json()).toEqual({ id: 1, name: 'lamp' });
  const cookie = String(written?.headers['set-cookie']).split(';')[0] ?? '';
  const same = await second?.inject({ url: '/items', headers: { cookie } });
  expect(same?.json()).toEqual([{ id: 1, name: 'lamp' }]);
  const stranger = await second?.inject({ url: '/items' });
  expect(stranger?.json()).toEqual([]);
});
