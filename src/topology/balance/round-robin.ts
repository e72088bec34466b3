import type { Node } from '../snapshot.js';
import type { BalancePolicy } from './policy.js';

/** Nodes in turn, evenly, whatever else they do. One that has come back lets some of its turns pass. */
export class RoundRobin implements BalancePolicy {
  #turn = 0;
  /** Of nodes that do not get all their turns: how much of one they have saved. */
  readonly #saved = new Map<string, number>();

  choose(nodes: readonly Node[]): Node | undefined {
    for (let tried = 0; tried < nodes.length; tried++) {
      this.#turn = (this.#turn + 1) % nodes.length;
      const node = nodes[this.#turn];
      if (node !== undefined && (node.share === 1 || this.#isDue(node))) return node;
    }
    return nodes[this.#turn];
  }

  #isDue({ address: { name }, share }: Node): boolean {
    const saved = (this.#saved.get(name) ?? 0) + share;
    this.#saved.set(name, saved >= 1 ? saved - 1 : saved);
    return saved >= 1;
  }
}
