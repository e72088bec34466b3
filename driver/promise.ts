import mysql2 from 'mysql2/promise';
import { createPromisePool } from './create-pool.js';
import { seenAs } from './mysql2/seen-as.js';
import { createPromiseConnection } from './create-connection.js';
import type { CreatePromiseConnection, CreatePromisePool } from './types.js';

export * from 'mysql2/promise';
export type { Failover } from './cluster/cluster.js';
export type { LogEntry } from './cluster/promoter.js';
export type { Outcome, RouteTaken, SplitError } from './errors.js';
export type {
  ComfortOptions,
  CoordinatorOption,
  FailoverOption,
  NodeOptions,
  RwsplitPoolOptions,
  SplitOptions,
} from './options.js';
export type { Explanation, NodeStatus, PoolStatus } from './pool/status.js';
export type { CreatePromisePool, PromiseSplitPool, SplitPoolOptions, Splitting } from './types.js';

// See index.ts.
export const createPool = seenAs<CreatePromisePool>(createPromisePool);

export const createConnection = seenAs<CreatePromiseConnection>(createPromiseConnection);

type Mysql2 = typeof mysql2;

export interface RwsplitPromise extends Omit<Mysql2, 'createPool' | 'createConnection'> {
  readonly createConnection: CreatePromiseConnection;
  readonly createPool: CreatePromisePool;
}

const rwsplit: RwsplitPromise = seenAs<RwsplitPromise>(
  Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(mysql2),
      createPool: { value: createPool, enumerable: true },
      createConnection: { value: createConnection, enumerable: true },
    },
  ),
);

export default rwsplit;
export { rwsplit as 'module.exports' };
