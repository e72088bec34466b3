import type { ResultSet } from './result-set.js';

/** The server connections of one kind of client on one node. */
export interface PoolRow {
  readonly node: string;
  readonly user: string;
  /** What tells this kind of client from the user's others: its collation, and its program where servers are told. */
  readonly kind: string;
  readonly connections: number;
  readonly idle: number;
  /** Clients that wait for one. */
  readonly waiting: number;
  /** Of the user on the node, in all pools. */
  readonly open: number;
  readonly max: number;
}

/** `SHOW RWSPLIT POOLS`: server connections by node, user and kind of client. */
export function showPools(pools: readonly PoolRow[]): ResultSet {
  return {
    columns: [
      { name: 'node', type: 'text' },
      { name: 'user', type: 'text' },
      { name: 'kind', type: 'text' },
      { name: 'connections', type: 'integer' },
      { name: 'idle', type: 'integer' },
      { name: 'waiting', type: 'integer' },
      { name: 'of_user', type: 'integer' },
      { name: 'max', type: 'integer' },
    ],
    rows: pools.map((it) => [it.node, it.user, it.kind, it.connections, it.idle, it.waiting, it.open, it.max]),
  };
}
