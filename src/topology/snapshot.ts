import type { GtidSet } from './gtid-set.js';

/** A server as the configuration names it. */
export interface NodeAddress {
  /** `HOST:PORT` unless the configuration gives another. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** What a node is for. `unknown` while it cannot be asked. */
export type Role = 'primary' | 'replica' | 'unknown';

export interface Node {
  readonly address: NodeAddress;
  readonly role: Role;
  readonly serverUuid: string;
  readonly serverVersion: string;
  /** What its greeting offers. */
  readonly capabilities: number;
  /** What it had when it was asked last: it has that now, too, and mostly more. */
  readonly executed: GtidSet;
  /** When that was asked. */
  readonly askedAtMs: number;
}

/** What is known of the cluster at one moment. Immutable: everything is decided from one of these. */
export interface Snapshot {
  /** Grows with each change. */
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
