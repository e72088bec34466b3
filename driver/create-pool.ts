import { Cluster } from './cluster/cluster.js';
import { core, corePromise, type CorePool, type CorePromisePool } from './mysql2/internals.js';
import { seenAs } from './mysql2/seen-as.js';
import { readOptions, type RwsplitPoolOptions } from './options.js';
import { NodePool } from './pool/node-pool.js';
import { settingsOf } from './pool/pool-settings.js';
import { SplitPool } from './pool/split-pool.js';

/** With one server it is mysql2's own pool. */
export function createCorePool(given: string | RwsplitPoolOptions): CorePool {
  const wanted = readOptions(given);
  if (wanted.split !== undefined) return new SplitPool(new Cluster(wanted, wanted.split));
  const { acquireTimeout, maxLifetime, validateAfterIdle } = wanted.comforts;
  if ((acquireTimeout ?? maxLifetime ?? validateAfterIdle) !== undefined) {
    return new NodePool(settingsOf(wanted.driver), wanted.comforts);
  }
  return core.createPool(wanted.driver);
}

export function createPromisePool(given: string | RwsplitPoolOptions): CorePromisePool {
  const implementation =
    typeof given === 'string' ? undefined : seenAs<{ Promise?: PromiseConstructor }>(given).Promise;
  const pool = createCorePool(given);
  if (pool instanceof SplitPool) return pool.promise(implementation);
  return new corePromise.PromisePool(pool, implementation ?? Promise);
}
