import type { GtidSet } from './gtid-set.js';
import type { NodeAddress } from './snapshot.js';

/** From where a node replicates. */
export interface SourceReport {
  readonly host: string;
  readonly port: number;
  /** '' while it has never been connected. */
  readonly uuid: string;
  /** It is connected. */
  readonly receives: boolean;
  /** What it receives is applied. */
  readonly applies: boolean;
  /** Why one of the two stands still; '' for no error. */
  readonly error: string;
}

/** A server that another one tells of. */
export interface Found {
  readonly host: string;
  readonly port: number;
  readonly uuid: string;
}

/** What a group's member says of itself. In a minority it does not reach most of its group: nothing can be committed there. */
export type GroupRole = 'primary' | 'secondary' | 'minority' | 'none';

/** What a node said of itself. */
export interface NodeReport {
  readonly kind: 'answered';
  readonly address: NodeAddress;
  readonly serverUuid: string;
  readonly serverVersion: string;
  /** What its greeting offers. */
  readonly capabilities: number;
  /** read_only or super_read_only is on. */
  readonly readOnly: boolean;
  readonly source: SourceReport | undefined;
  /** It does not tell us whether it replicates. */
  readonly sourceUntold?: boolean;
  /** As a member of a replication group. */
  readonly group: GroupRole;
  /** Whom it takes for a primary of its group, by their ids: members can hear late of a change. */
  readonly groupPrimaries?: readonly string[];
  /** Servers that it knows: its replicas, its source, its group. */
  readonly found: readonly Found[];
  readonly executed: GtidSet;
  /** What it was committing: reads may see it before it counts as executed. */
  readonly committed?: GtidSet;
  /** When it was asked. */
  readonly askedAtMs: number;
  /** How old the oldest transaction is that it is applying now, by its own clock; undefined where it does not say. */
  readonly applyingForMs: number | undefined;
}

/** What one node said of itself, or why it said nothing. */
export type Observation =
  | NodeReport
  | {
      readonly kind: 'silent';
      readonly address: NodeAddress;
      readonly why: string;
      /** It is there, but does not let the monitor in: too many connections, or a wrong password. */
      readonly alive: boolean;
      /** Nothing listens there: asking again tells nothing else. */
      readonly refused: boolean;
    }
  /** Not asked yet. */
  | { readonly kind: 'unseen'; readonly address: NodeAddress };
