import type { NodeAddress } from '../../topology/snapshot.js';

/** What was agreed on last: who is the primary, and since which epoch. */
export interface PrimaryRecord {
  readonly epoch: number;
  readonly phase: 'promoting' | 'primary';
  readonly serverUuid: string;
  readonly node: string;
  readonly gtid: string;
}

/** This proxy may change the cluster, for as long as it lasts. What is over stays over: who leads again does so in a larger epoch. */
export interface Leadership {
  /** Grows with every change of leader. */
  readonly epoch: number;
  /** By a monotonic clock; nothing may be begun that takes longer. 0 when it is lost. */
  remainingMs(): number;
}

/** Who may promote a replica. None of its forms touches the traffic: without a leader there is no promotion, and nothing else is missing. */
export interface Coordinator {
  readonly kind: 'alone' | 'etcd' | 'mysql-locks' | 'follow';
  /**
   * Resolves after the first attempt, successful or not; it goes on trying.
   * @param onChange leadership, leader, record or problem changed
   */
  start(onChange: () => void): Promise<void>;
  readonly leadership: Leadership | undefined;
  /** Who leads, as it calls itself; undefined while nobody is known to. */
  readonly leader: string | undefined;
  readonly record: PrimaryRecord | undefined;
  /** Why nobody could promote now; undefined where all is well. */
  readonly problem: string | undefined;
  /**
   * Guarded by the leadership's epoch, and never an older epoch over a newer one.
   * @returns false where the leadership is lost, or the record's epoch is not one that it may write: then nothing was written
   * @throws where the leadership ended before it could be found out whether the record was written
   */
  write(record: PrimaryRecord): Promise<boolean>;
  /** Gives the leadership up, so that another one can have it at once. */
  stop(): Promise<void>;
}

export interface EtcdOptions {
  readonly kind: 'etcd';
  /** As `http://10.0.0.1:2379`; they are tried in turn. */
  readonly endpoints: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** PEM; by default the authorities that Node.js knows. */
  readonly caPath?: string | undefined;
  /** Of this proxy, where etcd asks for one; PEM, and its key. */
  readonly certPath?: string | undefined;
  readonly keyPath?: string | undefined;
  /** Below which all keys are; `rwsplit` when absent. */
  readonly keyPrefix?: string | undefined;
  /** So long a leadership lasts when its holder falls silent; from 2 s on, in whole seconds, as etcd has it. */
  readonly leaseMs?: number | undefined;
  /** What all proxies of one cluster call it. */
  readonly cluster: string;
  /** What this proxy calls itself, for people to read: nothing depends on it. */
  readonly name: string;
}

export interface MysqlLocksOptions {
  readonly kind: 'mysql-locks';
  /** All servers of the cluster, whether they can be reached or not, and the same ones for all proxies. */
  readonly nodes: readonly NodeAddress[];
  readonly leaseMs?: number | undefined;
  readonly cluster: string;
  readonly name: string;
}
