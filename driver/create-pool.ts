import mysql2 from 'mysql2';
import { Cluster } from './cluster/cluster.js';
import { corePromise, type CorePool, type CorePromisePool } from './mysql2/internals.js';
import { readOptions, type RwsplitPoolOptions } from './options.js';
import { NodePool } from './pool/node-pool.js';
import { SplitPool } from './pool/split-pool.js';

/** With one server it is mysql2's own pool. */
export function createCorePool(given: string | RwsplitPoolOptions): CorePool {
  const wanted = readOptions(given);
  if (wanted.split !== undefined) return new SplitPool(new Cluster(wanted, wanted.split));
  const { acquireTimeout, maxLifetime, validateAfterIdle } = wanted.comforts;
  if ((acquireTimeout ?? maxLifetime ?? validateAfterIdle) !== undefined) {
    return new NodePool(wanted.driver, wanted.comforts);
  }
  // Its types hide the class that it is of.
  return mysql2.createPool(wanted.driver) as unknown as CorePool;
}

export function createPromisePool(given: string | RwsplitPoolOptions): CorePromisePool {
  const implementation = typeof given === 'string' ? undefined : (given as { Promise?: PromiseConstructor }).Promise;
  const pool = createCorePool(given);
  if (pool instanceof SplitPool) return pool.promise(implementation);
  return new corePromise.PromisePool(pool, implementation ?? Promise);
}
