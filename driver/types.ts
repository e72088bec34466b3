import type { Connection, Pool, PoolOptions } from 'mysql2';
import type { Connection as PromiseConnection, Pool as PromisePool } from 'mysql2/promise';
import type { Failover } from './cluster/cluster.js';
import type { LogEntry } from './cluster/promoter.js';
import type { ComfortOptions, RwsplitPoolOptions, SplitOptions } from './options.js';
import type { Explanation, PoolStatus } from './pool/status.js';
import type { Snapshot } from '../src/topology/snapshot.js';

/** Options of a pool with several servers. */
export type SplitPoolOptions = PoolOptions &
  SplitOptions &
  ComfortOptions &
  (
    | { readonly nodes: NonNullable<SplitOptions['nodes']> }
    | { readonly replicas: NonNullable<SplitOptions['replicas']> }
  );

/** `mysql://user:password@db1:3306,db2:3306/schema` */
export type SeveralHosts = `${string}://${string},${string}`;

/** What a pool of several servers has beside what mysql2's has. */
export interface Splitting {
  /** What a later read, of any process, has to see to see all that was written here: in the scope where this is called. */
  token(): Promise<string>;
  /** Runs `work`, in which reads see what is written in it, and what `token` stands for. */
  withToken<T>(token: string | undefined, work: () => T): T;
  /** Runs `work`, in which reads see what is written in it, and wait for nobody else's writes. */
  scope<T>(work: () => T): T;
  /** Where a statement would run now, and why; nothing runs. */
  explain(sql: string, values?: unknown): Promise<Explanation>;
  /** Makes another node the primary, without an error for anybody. It fails where this process may not, and leaves everything as it was where it cannot. */
  switchover(to: string): Promise<void>;
  status(): PoolStatus;
  on(event: 'failover', listener: (failover: Failover) => void): this;
  /** What a process that may promote has to tell. */
  on(event: 'log', listener: (entry: LogEntry) => void): this;
  on(event: 'topology', listener: (topology: Snapshot) => void): this;
}

interface Sides<T> {
  /** A pool of the same connections, whose statements all run on the primary. */
  readonly primary: T;
  /** The same for replicas, whatever the statement. */
  readonly replica: T;
}

interface Promising {
  promise(implementation?: PromiseConstructor): PromiseSplitPool;
}

export type SplitPool = Splitting & Sides<Pool> & Promising & Pool;
export type PromiseSplitPool = Splitting & Sides<PromisePool> & PromisePool;

export interface CreatePool {
  (config: SplitPoolOptions | SeveralHosts): SplitPool;
  (config: RwsplitPoolOptions | string): Pool;
}

export interface CreateConnection {
  (config: RwsplitPoolOptions | string): Connection;
}

export interface CreatePromiseConnection {
  (config: RwsplitPoolOptions | string): Promise<PromiseConnection>;
}

export interface CreatePromisePool {
  (config: SplitPoolOptions | SeveralHosts): PromiseSplitPool;
  (config: RwsplitPoolOptions | string): PromisePool;
}
