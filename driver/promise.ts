import mysql2 from 'mysql2/promise';
import { createPromisePool } from './create-pool.js';
import { seenAs } from './mysql2/seen-as.js';
import type { CreatePromisePool } from './types.js';

export * from 'mysql2/promise';
export type { Failover } from './cluster/cluster.js';
export type { Outcome, RouteTaken, SplitError } from './errors.js';
export type { ComfortOptions, NodeOptions, RwsplitPoolOptions, SplitOptions } from './options.js';
export type { Explanation, NodeStatus, PoolStatus } from './pool/status.js';
export type { CreatePromisePool, PromiseSplitPool, SplitPoolOptions, Splitting } from './types.js';

// See index.ts.
export const createPool = seenAs<CreatePromisePool>(createPromisePool);

type Mysql2 = typeof mysql2;

export interface RwsplitPromise extends Omit<Mysql2, 'createPool'> {
  readonly createPool: CreatePromisePool;
}

const rwsplit: RwsplitPromise = seenAs<RwsplitPromise>(
  Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(mysql2),
      createPool: { value: createPool, enumerable: true },
    },
  ),
);

export default rwsplit;
export { rwsplit as 'module.exports' };
