import type { GtidSet } from './gtid-set.js';
import type { Health } from './health.js';

/** A server, as the configuration names it, or as another one told of it. */
export interface NodeAddress {
  /** `HOST:PORT` unless the configuration gives another. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** How many reads it gets beside the others; 1 when absent. */
  readonly weight?: number | undefined;
  /** Where it stands. */
  readonly zone?: string | undefined;
}

/** What a node is for. `unknown` while it cannot be asked. */
export type Role = 'primary' | 'replica' | 'unknown';

export interface Node {
  readonly address: NodeAddress;
  readonly role: Role;
  readonly health: Health;
  /** Why it is not up; '' where it is. */
  readonly why: string;
  readonly serverUuid: string;
  readonly serverVersion: string;
  /** What its greeting offers. */
  readonly capabilities: number;
  /** What it had when it was asked last: it has that now, too, and mostly more. */
  readonly executed: GtidSet;
  /** What it was committing by then: reads may have seen it before it counts as executed. */
  readonly committed?: GtidSet | undefined;
  /** When that was asked. */
  readonly askedAtMs: number;
  /** How late it is, at the most; 0 for the primary. */
  readonly lagMs: number;
  /** Which part of its reads it gets, from 0 to 1: one that has come back is let in gently. */
  readonly share: number;
}

/** What is known of the cluster at one moment. Immutable: everything is decided from one of these. */
export interface Snapshot {
  /** Grows with each look at a node. */
  readonly version: number;
  readonly nodes: readonly Node[];
  readonly primary: Node | undefined;
  /** Those that reads may go to. */
  readonly replicas: readonly Node[];
  /** The oldest of the nodes' versions: clients switch features on by it. */
  readonly serverVersion: string;
  /** What all nodes can do. */
  readonly capabilities: number;
  /** Why there is no primary to write to. */
  readonly problem: string | undefined;
}
