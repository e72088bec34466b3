import mysql2 from 'mysql2';
import { createCorePool, createPromisePool } from './create-pool.js';
import { seenAs } from './mysql2/seen-as.js';
import { createCoreConnection, createPromiseConnection } from './create-connection.js';
import type { CreateConnection, CreatePool, CreatePromiseConnection, CreatePromisePool } from './types.js';

export * from 'mysql2';
export type { Failover } from './cluster/cluster.js';
export type { LogEntry } from './cluster/promoter.js';
export type { Rule } from '../src/routing/rules.js';
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
export type { CreatePool, PromiseSplitPool, SplitPool, SplitPoolOptions, Splitting } from './types.js';

// mysql2's types and its run time have not enough in common for the type checker; the tests hold what is promised here to what there is.
export const createPool = seenAs<CreatePool>(createCorePool);

export const createConnection = seenAs<CreateConnection>(createCoreConnection);
export const connect = createConnection;

type Mysql2 = typeof mysql2;

/** All that `require('mysql2')` has: what it makes lazily stays lazy. */
export interface Rwsplit extends Omit<Mysql2, 'createPool' | 'createConnection'> {
  readonly createConnection: CreateConnection;
  readonly connect: CreateConnection;
  readonly createConnectionPromise: CreatePromiseConnection;
  readonly createPool: CreatePool;
  readonly createPoolPromise: CreatePromisePool;
}

const rwsplit: Rwsplit = seenAs<Rwsplit>(
  Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(mysql2),
      createPool: { value: createPool, enumerable: true },
      createConnection: { value: createConnection, enumerable: true },
      connect: { value: createConnection, enumerable: true },
      createConnectionPromise: { value: createPromiseConnection, enumerable: true },
      createPoolPromise: { value: createPromisePool, enumerable: true },
    },
  ),
);

export default rwsplit;
export { rwsplit as 'module.exports' };
