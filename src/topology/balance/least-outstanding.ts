import type { Node } from '../snapshot.js';
import { weightOf, type BalancePolicy, type Loads } from './policy.js';

/** The node where the least runs for its weight; in turn where several have as little to do. */
export class LeastOutstanding implements BalancePolicy {
  readonly #loads: Loads;
  #turn = 0;

  constructor(loads: Loads) {
    this.#loads = loads;
  }

  choose(nodes: readonly Node[]): Node | undefined {
    this.#turn++;
    let best: Node | undefined;
    let least = Infinity;
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[(this.#turn + i) % nodes.length];
      if (node === undefined) continue;
      const load = (this.#loads.outstanding(node.address.name) + 1) / weightOf(node);
      if (load >= least) continue;
      best = node;
      least = load;
    }
    return best;
  }
}
