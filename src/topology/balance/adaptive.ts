import type { Node } from '../snapshot.js';
import { weightOf, type BalancePolicy, type Loads } from './policy.js';

/**
 * Of two nodes taken at random, the one that is likely to answer first: by what runs there and how long statements took lately. Two,
 * and not the best of all: else all that choose at the same moment choose the same.
 */
export class Adaptive implements BalancePolicy {
  readonly #loads: Loads;
  readonly #random: () => number;

  constructor(loads: Loads, random: () => number = Math.random) {
    this.#loads = loads;
    this.#random = random;
  }

  choose(nodes: readonly Node[]): Node | undefined {
    const { length } = nodes;
    const first = Math.floor(this.#random() * length);
    const one = nodes[first];
    if (length < 2 || one === undefined) return one;
    const other = nodes[(first + 1 + Math.floor(this.#random() * (length - 1))) % length];
    if (other === undefined) return one;
    return this.#expectedMs(other) < this.#expectedMs(one) ? other : one;
  }

  #expectedMs(node: Node): number {
    const { name } = node.address;
    const busier = (this.#loads.outstanding(name) + 1) / (this.#loads.usuallyOutstanding(name) + 1);
    // What usually runs there is in the latency already. One that has not been tried yet is worth a try.
    return (busier * this.#loads.latencyMs(name)) / weightOf(node);
  }
}
