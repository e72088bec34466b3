import type { Pool, RowDataPacket } from 'mysql2/promise';
import { afterAll, afterEach } from 'vitest';
import { createPool, type PromiseSplitPool, type SplitPoolOptions } from '../../driver/promise.js';
import { clusterInfo } from '../cluster.js';

export type Row = RowDataPacket;

const open: { end(): Promise<void> }[] = [];
afterEach(async () => endAll());
afterAll(async () => endAll());

async function endAll(): Promise<void> {
  await Promise.all(open.splice(0).map(async (pool) => pool.end().catch(() => {})));
}

/** What connects to all nodes of the shared cluster, as `app`. */
export function options(more: Partial<SplitPoolOptions> = {}): SplitPoolOptions {
  const { nodes, accounts } = clusterInfo();
  return { nodes: nodes.map(({ host, port }) => ({ host, port })), ...accounts.app, ...more };
}

/** Ended when the test is over. */
export function openPool(more: Partial<SplitPoolOptions> = {}): PromiseSplitPool {
  const pool = createPool(options(more));
  open.push(pool);
  return pool;
}

/** The server that answers: 1 is the primary. */
export async function ranOn(client: Pick<Pool, 'query'>, rest = ''): Promise<number> {
  const [rows] = await client.query<Row[]>(`SELECT @@server_id AS id ${rest}`);
  return Number(rows[0]?.['id']);
}

/** The first column of the first row. */
export async function value(client: Pick<Pool, 'query'>, sql: string, values: unknown[] = []): Promise<unknown> {
  const [rows] = await client.query<Row[]>(sql, values);
  return Object.values(rows[0] ?? {})[0];
}
