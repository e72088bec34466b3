import type { Node } from '../snapshot.js';
import { weightOf, type BalancePolicy } from './policy.js';

/** Nodes by their weights, spread out: of weights 2 and 1 the turns are a, b, a, not a, a, b. */
export class Weighted implements BalancePolicy {
  readonly #credit = new Map<string, number>();

  choose(nodes: readonly Node[]): Node | undefined {
    let best: Node | undefined;
    let most = -Infinity;
    let total = 0;
    for (const node of nodes) {
      const weight = weightOf(node);
      const credit = (this.#credit.get(node.address.name) ?? 0) + weight;
      this.#credit.set(node.address.name, credit);
      total += weight;
      if (credit <= most) continue;
      best = node;
      most = credit;
    }
    if (best !== undefined) this.#credit.set(best.address.name, most - total);
    return best;
  }
}
