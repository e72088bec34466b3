import type { Node } from '../snapshot.js';

/** Replicas in turn, evenly, whatever else they do. */
export class RoundRobin {
  #turn = 0;

  /** @param except names of nodes that are not to be chosen */
  next(replicas: readonly Node[], except: ReadonlySet<string>): Node | undefined {
    for (let tried = 0; tried < replicas.length; tried++) {
      this.#turn = (this.#turn + 1) % replicas.length;
      const node = replicas[this.#turn];
      if (node !== undefined && !except.has(node.address.name)) return node;
    }
    return undefined;
  }
}
