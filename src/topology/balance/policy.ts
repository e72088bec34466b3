import type { Node } from '../snapshot.js';

export const BALANCE_POLICIES = ['round-robin', 'weighted', 'least-outstanding', 'adaptive'] as const;
export type BalancePolicyName = (typeof BALANCE_POLICIES)[number];

/** Chooses among nodes that could all take a read. */
export interface BalancePolicy {
  /** @param nodes one at least */
  choose(nodes: readonly Node[]): Node | undefined;
}

/** What nodes are doing for us now, by name. */
export interface Loads {
  /** Statements that run there. */
  outstanding(node: string): number;
  /** How long they took lately; 0 while none has. */
  latencyMs(node: string): number;
  /** How many ran there lately when another one began: so many are in that latency. */
  usuallyOutstanding(node: string): number;
}

/** How much of the reads a node is to get beside the others. */
export function weightOf({ address: { weight = 1 }, share }: Node): number {
  return weight * share;
}
